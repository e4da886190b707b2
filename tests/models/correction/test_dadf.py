"""DADF's second stage on planted ratios, and its parts against brute force."""

import numpy as np
import pytest
import torch

from models.correction.base import BaseRows, LabelledRows
from models.correction.config import DadfConfig
from models.correction.dadf import Dadf
from models.correction.dadf_network import DadfNetwork, logit_forms, moment_penalty
from models.heads.base import TrainLabels
from tasks.evaluate.metrics.pairwise import xauc

SMALL = DadfConfig(width=16, learning_rate=0.05, epochs=20)
DURATIONS = (8.0, 20.0, 60.0, 200.0)
PLANTED = (0.6, 0.8, 1.3, 1.7)


def plays(factors: tuple[float, ...], noise: float, seed: int = 0, rows: int = 2_000) -> LabelledRows:
    """Watch times that are a model's seconds times a factor of the duration, and noise whose median is 1."""
    rng = np.random.default_rng(seed)
    duration_s = np.tile(DURATIONS, rows // 4)
    base_s = duration_s * rng.uniform(0.2, 0.6, rows)
    watch_s = base_s * np.tile(factors, rows // 4) * np.exp(noise * rng.standard_normal(rows))
    return LabelledRows(BaseRows(base_s, duration_s, {"p_skip": rng.random(rows)}), watch_s)


def train_of(rows: LabelledRows) -> TrainLabels:
    return TrainLabels(rows.watch_s, rows.base.duration_s, truncated=False)


@pytest.mark.slow
def test_planted_factors_are_found_by_bucket() -> None:
    rows, other = plays(PLANTED, 0.05), plays(PLANTED, 0.05, seed=1)
    found = Dadf.fit(SMALL, rows, train_of(rows), other)
    ratio = found.apply(other.base) / other.base.base_s
    for duration, factor in zip(DURATIONS, PLANTED, strict=True):
        assert ratio[other.base.duration_s == duration].mean() == pytest.approx(factor, rel=0.02)


@pytest.mark.slow
def test_seconds_that_are_right_stay_so() -> None:
    rows, other = plays((1.0,) * 4, 0.3), plays((1.0,) * 4, 0.3, seed=1)
    found = Dadf.fit(SMALL, rows, train_of(rows), other)
    assert np.abs(found.factor(other.base) - 1).max() < 0.03
    before, after = (xauc(other.watch_s, seconds).value for seconds in (other.base.base_s, found.apply(other.base)))
    assert after > before - 0.001


def briefly(rows: LabelledRows) -> Dadf:
    """One pass over a few rows."""
    return Dadf.fit(SMALL.model_copy(update={"epochs": 1}), rows, train_of(rows), rows)


def test_rows_are_routed_by_duration_and_an_edge_goes_up() -> None:
    rows = plays(PLANTED, 0.05)
    one = briefly(rows)
    edges = one.state["cuts_s"]
    np.testing.assert_allclose(edges, [14, 40, 130])
    state = dict(one.state)
    last = np.zeros_like(state["weight/ratios.bias"])
    last[:, 0, 0] = [0.0, 0.1, 0.2, 0.3]
    state |= {"weight/ratios.weight": np.zeros_like(state["weight/ratios.weight"]), "weight/ratios.bias": last}
    state["weight/power_K"] = np.zeros(4)
    asked = np.array([1.0, 13.999, 14.0, 39.9, 40.0, 130.0, 900.0])
    factor = Dadf(SMALL, state).factor(BaseRows(asked / 2, asked, {"p_skip": np.full(7, 0.5)}))
    np.testing.assert_allclose(factor, np.exp([0.0, 0.0, 0.1, 0.1, 0.2, 0.3, 0.3]))


def test_where_no_pass_gains_on_other_users_nothing_changes() -> None:
    rows, right = plays(PLANTED, 0.05, rows=400), plays((1.0,) * 4, 0.0, seed=1, rows=400)
    base_s = rows.base.base_s.copy()
    found = Dadf.fit(SMALL, rows, train_of(rows), right)
    np.testing.assert_allclose(found.apply(right.base), right.base.base_s, rtol=1e-12)
    np.testing.assert_array_equal(rows.base.base_s, base_s)


def test_seconds_do_not_reach_the_auxiliary_labels() -> None:
    torch.manual_seed(0)
    network = DadfNetwork(SMALL, 5, 2)
    torch.nn.init.ones_(network.ratios.weight)
    said = network(torch.randn(9, 5, generator=torch.Generator().manual_seed(0)), torch.arange(9) % 2)
    said.factor_B.sum().backward()
    assert all(parameter.grad is None for parameter in [*network.branches.parameters(), *network.labels.parameters()])
    assert any(parameter.grad.any() for parameter in network.shared.parameters())


@pytest.mark.parametrize("watched", [0.0, 1.0])
def test_plays_of_nothing_and_seconds_of_nothing_are_finite(watched: float) -> None:
    duration_s = np.tile([5.0, 5.0, 40.0, 400.0], 20)
    base = BaseRows(np.tile([0.0, 5.0], 40), duration_s, {"p_skip": np.tile([0.0, 1.0], 40)})
    rows = LabelledRows(base, watched * duration_s * np.tile([0.0, 1.0, 1.0, 0.0], 20))
    found = briefly(rows).apply(base)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_the_same_rows_give_the_same_state_whatever_was_drawn_before() -> None:
    rows = plays(PLANTED, 0.2, rows=400)
    one = briefly(rows).state
    before = torch.rand(3)
    other = briefly(rows).state
    assert all(np.array_equal(value, other[name]) for name, value in one.items())
    assert not torch.equal(before, torch.rand(3))


def test_moments_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    value, bucket = rng.gamma(2.0, 1.0, 60), np.repeat([0, 1, 2, 3], [30, 20, 7, 3])
    value[50:57] = 2.0
    expected = 0.0
    for index in (0, 1):
        here = value[bucket == index]
        skewness = ((here - here.mean()) ** 3).mean() / here.std() ** 3
        expected += (here.mean() ** 2 + 0.8 * (here.var() - 1) ** 2 + 0.6 * abs(skewness)) / 4
    found = moment_penalty(torch.from_numpy(value), torch.from_numpy(bucket), 4)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_forms_by_hand() -> None:
    found = logit_forms(torch.tensor([2.0, -1.0], dtype=torch.float64))
    sigmoid = 1 / (1 + np.exp(-np.array([2.0, -1.0])))
    soft = np.log1p(np.exp([2.0, -1.0]))
    tanh = (np.tanh([2.0, -1.0]) + 1) / 2
    root = np.sqrt(np.array([2.0, 0.0]) + 1e-6)
    expected = [[2, -1], [2, 0], sigmoid, tanh, [4, 1], root, [np.log(3), 0], soft]
    np.testing.assert_allclose(found.T, expected)
