"""Every learner learns, and says the same bits whatever else the process does."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from tasks.evaluate.nuisance.learners import OUTCOMES, PROPENSITIES

ROWS = 1500


@pytest.fixture(scope="module")
def columns() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns, one of them constant; a bent signal; its outcome; whether it was observed."""
    draw = np.random.default_rng(0)
    input_NF = np.concatenate([draw.normal(2, 3, (ROWS, 2)), np.ones((ROWS, 1))], axis=1)
    signal_N = 0.5 * input_NF[:, 0] + np.abs(input_NF[:, 1] - 2) - 3
    observed_N = (draw.random(ROWS) < expit(signal_N)).astype(float)
    return input_NF, signal_N, signal_N + draw.normal(0, 0.5, ROWS), observed_N


@pytest.mark.parametrize("name", [name for name in OUTCOMES if name != "constant"])
def test_outcomes_follow_the_signal(name: str, columns: tuple[np.ndarray, ...]) -> None:
    input_NF, signal_N, outcome_N, _ = columns
    half = ROWS // 2
    predict = OUTCOMES[name](input_NF[:half], outcome_N[:half], np.ones(half), 1)
    left = np.mean(np.square(predict(input_NF[half:]) - signal_N[half:])) / signal_N[half:].var()
    assert left < (0.7 if name == "ridge" else 0.1)


@pytest.mark.parametrize("name", [name for name in PROPENSITIES if name != "constant"])
def test_propensities_follow_the_signal_and_stay_probabilities(name: str, columns: tuple[np.ndarray, ...]) -> None:
    input_NF, signal_N, _, observed_N = columns
    half = ROWS // 2
    said = PROPENSITIES[name](input_NF[:half], observed_N[:half], np.ones(half), 1)(input_NF[half:])
    assert ((said >= 0) & (said <= 1)).all()
    assert np.corrcoef(said, expit(signal_N[half:]))[0, 1] > (0.5 if name == "logistic" else 0.85)


def test_linear_learners_against_their_normal_equations(columns: tuple[np.ndarray, ...]) -> None:
    input_NF, _, outcome_N, observed_N = columns
    weight_N = np.linspace(0.5, 2, ROWS)
    centred = (input_NF[:, :2] - input_NF[:, :2].mean(0)) / input_NF[:, :2].std(0)
    with_one = np.column_stack([np.ones(ROWS), centred])
    left = (with_one * weight_N[:, None]).T @ (
        outcome_N - OUTCOMES["ridge"](input_NF, outcome_N, weight_N, 0)(input_NF)
    )
    effect = np.linalg.lstsq(with_one, OUTCOMES["ridge"](input_NF, outcome_N, weight_N, 0)(input_NF), rcond=None)[0]
    np.testing.assert_allclose(left, [0, *effect[1:]], atol=1e-8)
    chance_N = PROPENSITIES["logistic"](input_NF, observed_N, weight_N, 0)(input_NF)
    score = (with_one * weight_N[:, None]).T @ (observed_N - chance_N)
    slope = np.linalg.lstsq(with_one, np.log(chance_N / (1 - chance_N)), rcond=None)[0]
    np.testing.assert_allclose(score, [0, *slope[1:]], atol=1e-6)


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_same_rows_give_the_same_bits(name: str, columns: tuple[np.ndarray, ...]) -> None:
    input_NF, _, outcome_N, _ = columns
    fit = OUTCOMES[name]
    before = torch.random.get_rng_state()
    one = fit(input_NF[:600], outcome_N[:600], np.ones(600), 5)(input_NF)
    assert torch.equal(before, torch.random.get_rng_state()), "torch's own generator is left as it was"
    torch.manual_seed(99)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        other = fit(input_NF[:600], outcome_N[:600], np.ones(600), 5)(input_NF)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert one.tobytes() == other.tobytes()


def test_weights_are_rows(columns: tuple[np.ndarray, ...]) -> None:
    """A row that stands for two is there twice."""
    input_NF, _, _, observed_N = columns
    weight_N = 1.0 + (np.arange(ROWS) % 2)
    twice = np.repeat(np.arange(ROWS), weight_N.astype(int))
    said = PROPENSITIES["constant"](input_NF, observed_N, weight_N, 0)(input_NF)
    assert said[0] == pytest.approx(observed_N[twice].mean())
