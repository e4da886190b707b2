"""Thresholds drawn from a law, and the integral over seconds that their weights make of a mean."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from models.heads.base import TrainLabels
from models.heads.lognormal_thresholds import ThresholdLaw
from models.heads.placed_thresholds import drawn_cuts
from tests.models.heads.test_contract import make
from tests.traps.twins import tells_apart

WATCH_S = np.minimum(stats.lognorm(s=1.2, scale=9).ppf((np.arange(4000) + 0.5) / 4000), 240)
WATCH_S[:500] = 0


@pytest.fixture(scope="module")
def law() -> ThresholdLaw:
    return ThresholdLaw.fit(WATCH_S)


def squared_gap(t: np.ndarray, y: float, scale: float) -> np.ndarray:
    """Return what CRPS integrates, of a forecast that watch times are exponential."""
    return np.square(stats.expon(scale=scale).cdf(t) - (t >= y))


def test_the_density_integrates_to_one(law: ThresholdLaw) -> None:
    t = np.geomspace(1e-6, law.longest_s, 100_001)
    assert integrate.trapezoid(law.density(t), t) == pytest.approx(1, abs=1e-4)
    assert (1 / law.density(t)).max() <= law.longest_s / 0.2 * (1 + 1e-9)


def test_draws_follow_the_density(law: ThresholdLaw) -> None:
    drawn, weight = law.draw(5_000)
    t = np.geomspace(1e-6, law.longest_s, 100_001)
    cdf = integrate.cumulative_trapezoid(law.density(t), t, initial=0)
    share = np.searchsorted(drawn, t) / len(drawn)
    assert np.abs(share - cdf).max() < 2e-3
    np.testing.assert_allclose(weight, 1 / law.density(drawn))


def test_a_weighted_mean_is_the_crps_of_a_dense_grid_and_a_plain_one_is_not(law: ThresholdLaw) -> None:
    """Of rows all over the scale, to 1 %; the closed form of the exponential's CRPS stands beside the grid."""
    rows, longest = np.array([0.0, 1.0, 5.0, 20.0, 60.0, 150.0]), law.longest_s
    grid = np.linspace(0, longest, 100_001)
    dense = np.array([integrate.trapezoid(squared_gap(grid, y, 12.0), grid) for y in rows])
    closed = rows + 2 * 12 * np.exp(-rows / 12) - 1.5 * 12
    np.testing.assert_allclose(dense, closed, rtol=1e-3)

    def check(of_draws: tuple[np.ndarray, np.ndarray]) -> None:
        t, weight = of_draws
        estimate = np.array([(weight * squared_gap(t, y, 12.0)).mean() for y in rows])
        assert np.mean(estimate) == pytest.approx(np.mean(dense), rel=0.01)

    drawn, weight = law.draw(512)
    tells_apart(check, (drawn, weight), (drawn, np.full_like(weight, weight.mean())))
    many = [np.mean([(w * squared_gap(t, 20.0, 12.0)).mean() for t, w in [law.draw(64, seed)]]) for seed in range(200)]
    error = np.std(many) / np.sqrt(200)
    assert np.mean(many) == pytest.approx(dense[3], abs=4 * error), "without bias, however few are drawn"


@pytest.mark.parametrize("kind", ["ordinal", "cread"])
def test_a_head_weighs_its_thresholds_by_hand(kind: str) -> None:
    labels = TrainLabels(WATCH_S, np.full(len(WATCH_S), 300.0))
    head: Any = make(kind, labels, placement="lognormal", thresholds=40)
    cuts, weight = drawn_cuts(40, WATCH_S)
    np.testing.assert_array_equal(head.cuts, cuts)
    assert cuts[0] == 0 and cuts[-1] == np.float32(240) and len(cuts) == 42
    assert weight[[0, -1]].tolist() == [1, 1] and weight.max() <= 5 and weight[1:-1].mean() == pytest.approx(1, abs=0.2)
    out_BO = torch.randn(4, head.num_outputs, generator=torch.Generator().manual_seed(0))
    watch_B = torch.tensor([0.0, 3.0, 40.0, 240.0])
    above_BO = head.exceeds(watch_B)[:, -head.num_outputs :].double()
    p_BO = head.survival(out_BO)[:, -head.num_outputs :].double()
    entropy_BO = -(above_BO * p_BO.log() + (1 - above_BO) * torch.log1p(-p_BO))
    by_hand_B = (entropy_BO * torch.from_numpy(weight)[-head.num_outputs :]).mean(dim=1)
    torch.testing.assert_close(
        head.cross_entropy(out_BO, above_BO.float())[0].double(), by_hand_B, rtol=1e-3, atol=1e-6
    )


def test_the_draw_depends_on_the_train_rows_alone() -> None:
    order = np.random.default_rng(0).permutation(len(WATCH_S))
    for found, expected in zip(drawn_cuts(50, WATCH_S[order]), drawn_cuts(50, WATCH_S), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_rows_of_one_watch_time_have_a_law_too() -> None:
    cuts, weight = drawn_cuts(20, np.full(5, 3.0))
    assert np.isfinite(weight).all() and (np.diff(cuts) > 0).all() and cuts[-1] == 3
    head = make("cread", TrainLabels(np.zeros(4), np.full(4, 12.0)), placement="lognormal")
    assert "threshold_weight" not in dict(head.named_buffers()), "nothing was watched: there is no law"
