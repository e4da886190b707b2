"""The exposure network: it recovers known propensities, from samples too, and refuses what it cannot learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from models.propensity.network import Network, NetworkConfig
from tests.models.propensity.conftest import World, exposures

Build = Callable[[int, float], World]
CONFIG: dict[str, Any] = {"fields": ("position",), "numbers": ("score",), "steps": 300}


@pytest.mark.slow
def test_a_logistic_world_is_recovered(world: Build) -> None:
    made = world(20_000, -0.5)
    config = NetworkConfig(**CONFIG)
    found = Network(config, Network.fit_state(config, made.rows)).apply(made.rows)
    assert np.abs(found - made.propensity).mean() < 0.015
    assert found.mean() == pytest.approx(made.rows.observed.mean(), abs=0.005)


def test_the_fit_is_that_of_logistic_regression(world: Build) -> None:
    """Full batches without decay end at the maximum of the likelihood, which sklearn finds by another way."""
    rows = world(1_000, -0.5).rows
    config = NetworkConfig(**CONFIG, l2=0.0, held_out=0.0, batch_size=1_000, learning_rate=0.05)
    found = Network(config, Network.fit_state(config, rows)).apply(rows)
    one_hot = np.eye(5)[rows.fields["position"]]
    score = rows.numbers["score"]
    design = np.column_stack([one_hot, (score - score.mean()) / score.std()])
    twin = LogisticRegression(C=1e6, tol=1e-10, max_iter=1_000).fit(design, rows.observed).predict_proba(design)[:, 1]
    assert np.abs(found - twin).max() < 1e-3


@pytest.mark.slow
def test_sampled_negatives_are_corrected(world: Build) -> None:
    """Kept at a tenth, the unobserved rows still give propensities of D, and not those of the sample."""
    made = world(60_000, -3.0)
    part, keep = made.sampled(0.1, seed=1)
    config = NetworkConfig(**CONFIG)
    state = Network.fit_state(config, part)
    found, true = Network(config, state).apply(part), made.propensity[keep]
    assert part.observed.mean() > 3 * made.propensity.mean()
    assert np.abs(found - true).mean() < 0.1 * true.mean()
    total = (part.stands_for * found).sum()
    assert total == pytest.approx(part.observed.sum(), rel=0.02)


@pytest.mark.slow
def test_the_shift_equals_the_published_correction(world: Build) -> None:
    """p = p_s / (p_s + (1 - p_s) / k) of a fit that ignores the rate is what a fit that knows the rate gives."""
    made = world(3_000, -1.0)
    part, _ = made.sampled(0.25, seed=2)
    ignorant = exposures(part.item, observed=part.observed, fields=part.fields, numbers=part.numbers)
    config = NetworkConfig(**CONFIG, l2=0.0, held_out=0.0, batch_size=3_000, learning_rate=0.05)
    sampled = Network(config, Network.fit_state(config, ignorant)).apply(ignorant)
    found = Network(config, Network.fit_state(config, part)).apply(part)
    assert np.abs(found - sampled / (sampled + (1 - sampled) / 0.25)).max() < 1e-3


@pytest.mark.slow
def test_hidden_layers_learn_what_a_sum_cannot() -> None:
    random = np.random.default_rng(3)
    first, second = random.integers(0, 2, 8_000), random.integers(0, 2, 8_000)
    true = np.where(first == second, 0.8, 0.2)
    rows = exposures(np.ones(8_000), observed=random.random(8_000) < true, fields={"scene": first, "hour": second})
    errors = {}
    for hidden in ((), (16,)):
        config = NetworkConfig(fields=("scene", "hour"), hidden=hidden, steps=250, held_out=0.0)
        errors[hidden] = np.abs(Network(config, Network.fit_state(config, rows)).apply(rows) - true).mean()
    assert errors[()] > 0.25
    assert errors[(16,)] < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("held_out", [0.0, 0.1])
def test_held_out_rows_keep_a_field_of_many_levels_from_being_remembered(held_out: float) -> None:
    """Every user has two rows and exposure is blind: what is learned about users is noise."""
    random = np.random.default_rng(6)
    observed = random.random(4_000) < 0.4
    rows = exposures(np.ones(4_000), observed=observed, fields={"user_id": np.arange(4_000) // 2})
    config = NetworkConfig(fields=("user_id",), hidden=(16,), steps=300, held_out=held_out)
    found = Network(config, Network.fit_state(config, rows)).apply(rows)
    assert (found.std() < 0.1) == (held_out > 0)


@pytest.mark.slow
def test_same_seed_same_bytes_and_no_trace_in_torch(world: Build) -> None:
    rows = world(2_000, -0.5).rows
    config = NetworkConfig(**CONFIG | {"steps": 50}, hidden=(8,))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    states = [Network.fit_state(config, rows) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
    other = Network.fit_state(config.model_copy(update={"seed": 1}), rows)
    assert not np.array_equal(other["weight/out.weight"], states[0]["weight/out.weight"])


def test_random_rows_teach_nothing_about_the_policy(world: Build) -> None:
    rows = world(2_000, -0.5).rows
    config = NetworkConfig(**CONFIG | {"steps": 50})
    extra = exposures(
        np.ones(500), random=np.ones(500), fields={"position": np.full(500, 4)}, numbers={"score": np.zeros(500)}
    )
    plain, with_random = (Network.fit_state(config, part) for part in (rows, rows.joined(extra)))
    assert all(np.array_equal(plain[name], with_random[name]) for name in plain)


def test_an_unseen_level_and_a_missing_number_count_as_average(world: Build) -> None:
    rows = world(5_000, -0.5).rows
    config = NetworkConfig(**CONFIG | {"steps": 200})
    model = Network(config, Network.fit_state(config, rows))
    asked = exposures(
        [1, 1],
        fields={"position": np.array([77, 2])},
        numbers={"score": np.array([np.nan, rows.numbers["score"].mean()])},
    )
    unseen, known = model.apply(asked)
    assert unseen == pytest.approx(known, abs=0.06)


def test_only_observed_rows_are_refused(world: Build) -> None:
    rows = world(500, -0.5).rows
    with pytest.raises(
        ValueError, match=r"all \d+ rows of the fit days are observed: selection.kind 'impression' has no"
    ):
        Network.fit_state(NetworkConfig(**CONFIG), rows.where(rows.observed))


def test_a_field_that_repeats_the_exposure_is_refused(world: Build) -> None:
    rows = world(500, -0.5).rows
    fields = {"position": np.where(rows.observed, rows.fields["position"], -1)}
    giveaway = exposures(rows.item, observed=rows.observed, fields=fields, numbers=rows.numbers)
    with pytest.raises(
        ValueError, match="position, whose levels of observed and unobserved rows have nothing in common"
    ):
        Network.fit_state(NetworkConfig(**CONFIG), giveaway)


def test_a_missing_input_is_named(world: Build) -> None:
    with pytest.raises(ValueError, match=r"propensity.fields names scene, which the rows lack: \['position'\]"):
        Network.fit_state(NetworkConfig(fields=("position", "scene")), world(500, -0.5).rows)
