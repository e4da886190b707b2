"""EGMN and HEGM: closed forms against simulation and integrals; guards against collapse; the atom at 0."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from models.heads.base import TrainLabels
from models.heads.exponential_gaussian import Mixture
from tests.models.heads.test_contract import make

KINDS = ["egmn", "hegm"]
WITHOUT_ZEROS = TrainLabels(np.linspace(0.5, 80, 2000), np.full(2000, 90.0))


def mixture(zero_logit: float | None = None) -> Mixture:
    """Return two equal rows: weights .3 .2 .5, rate 4, Gaussians (.2, .1) and (.9, .4)."""

    def rows(values: Any) -> torch.Tensor:
        return torch.tensor([values, values], dtype=torch.float32)

    zero = None if zero_logit is None else rows(zero_logit)
    return Mixture(rows([0.3, 0.2, 0.5]).log(), rows(4.0), rows([0.2, 0.9]), rows([0.1, 0.4]), zero)


def draws(zero: float, size: int = 1_000_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    component = rng.choice(3, size, p=[0.3, 0.2, 0.5])
    values = np.stack([rng.exponential(0.25, size), rng.normal(0.2, 0.1, size), rng.normal(0.9, 0.4, size)])
    return np.where(rng.random(size) < zero, 0, values[component, np.arange(size)])


@pytest.mark.parametrize("zero_logit", [None, -1.0])
def test_clipped_mean_and_median_equal_simulation(zero_logit: float | None) -> None:
    upper_B = torch.tensor([0.6, 3.0])
    sample = draws(0.0 if zero_logit is None else 1 / (1 + np.e))
    clipped = [np.clip(sample, 0, upper) for upper in upper_B.tolist()]
    found = mixture(zero_logit)
    np.testing.assert_allclose(found.clipped_mean(upper_B), [c.mean() for c in clipped], rtol=4e-3)
    np.testing.assert_allclose(found.clipped_median(upper_B), [np.median(c) for c in clipped], rtol=6e-3)


def test_density_equals_scipy() -> None:
    y_B = torch.tensor([0.05, 1.1])
    density = 0.3 * stats.expon(scale=0.25).pdf(y_B) + 0.2 * stats.norm(0.2, 0.1).pdf(y_B)
    density += 0.5 * stats.norm(0.9, 0.4).pdf(y_B)
    np.testing.assert_allclose(mixture().log_density(y_B).exp(), density, rtol=1e-5)
    np.testing.assert_allclose(mixture(-1.0).log_density(y_B).exp(), density * np.e / (1 + np.e), rtol=1e-5)
    assert mixture(-1.0).log_density(torch.zeros(2)).exp().tolist() == pytest.approx([1 / (1 + np.e)] * 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_one_and_the_mean_is_the_integral_of_the_survival_curve(kind: str, cells: Any) -> None:
    head = make(kind, cells.labels)
    out_BO = torch.randn(6, head.num_outputs, generator=torch.Generator().manual_seed(0))
    duration_B = torch.linspace(5, 90, 6)
    found = head.mixture(out_BO)
    np.testing.assert_allclose(found.weights.sum(dim=1), 1, rtol=1e-5)
    survival = []
    grid = np.linspace(0, 1, 4001)
    for share in grid:
        survival.append(1 - found.cdf(duration_B / head.scale * share))
    survival_TB = torch.stack(survival).double().numpy()
    assert (np.diff(survival_TB, axis=0) <= 1e-6).all()
    expected_B = np.trapezoid(survival_TB, grid, axis=0) * duration_B.numpy()
    np.testing.assert_allclose(head.decode_mean(out_BO, duration_B), expected_B, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_no_component_collapses(kind: str) -> None:
    """Fitted on labels of one value, with outputs as extreme as they come, the density stays bounded."""
    head = make(kind, WITHOUT_ZEROS)
    for value in (-200.0, 200.0):
        found = head.mixture(torch.full((1, head.num_outputs), value))
        assert (found.spread_BK >= head.least_width).all()
        assert (1 / found.rate_B >= head.least_width * 0.999).all()
        assert found.log_density(torch.zeros(1)).item() < np.log(1 / head.least_width) + 0.1


def test_floor_is_one_hundredth_or_a_millisecond(cells: Any) -> None:
    assert make("hegm", cells.labels).least_width == 0.01
    assert make("hegm", cells.labels, least_width=1e-9, scale_s=10.0).least_width == pytest.approx(1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_get_an_output_where_there_are_many(kind: str, cells: Any) -> None:
    components = 10 if kind == "egmn" else 6
    with_atom, without = make(kind, cells.labels), make(kind, WITHOUT_ZEROS)
    assert with_atom.num_outputs == 3 * components + 3
    assert without.num_outputs == 3 * components + 2
    zero_share = (cells.labels.watch_s == 0).mean()
    untrained = with_atom.mixture(torch.zeros(1, with_atom.num_outputs))
    assert untrained.cdf(torch.tensor([1e-12])).item() == pytest.approx(zero_share, abs=0.1)
    assert untrained.log_density(torch.zeros(1)).exp().item() == pytest.approx(zero_share, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_an_untrained_head_is_near_the_train_distribution(kind: str) -> None:
    head = make(kind, WITHOUT_ZEROS)
    zero_BO, duration_B = torch.zeros(1, head.num_outputs), torch.tensor([90.0])
    assert head.decode_mean(zero_BO, duration_B).item() == pytest.approx(40, rel=0.2)
    assert head.decode_median(zero_BO, duration_B).item() == pytest.approx(40, rel=0.2)
    assert len(head.mixture(zero_BO).mean_BK[0].unique()) == head.config.components


def test_losses_differ_by_the_entropy(cells: Any) -> None:
    """-log p + |E - y|, and for EGMN minus a tenth of the entropy of the weights."""
    watch_B, duration_B = torch.tensor([0.0, 3.0, 40.0]), torch.tensor([10.0, 30.0, 90.0])
    for kind, entropy_weight in (("egmn", 0.1), ("hegm", 0.0)):
        head = make(kind, cells.labels)
        out_BO = torch.randn(3, head.num_outputs, generator=torch.Generator().manual_seed(1))
        found = head.mixture(out_BO)
        entropy_B = torch.special.entr(found.weights).sum(dim=1)
        error_B = (head.decode_mean(out_BO, duration_B) - watch_B).abs() / head.scale
        expected_B = -found.log_density(watch_B / head.scale) + error_B - entropy_weight * entropy_B
        np.testing.assert_allclose(head.loss(out_BO, watch_B, duration_B), expected_B, rtol=1e-4, atol=1e-5)
