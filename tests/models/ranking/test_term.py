"""The scale of a term: measured in the first epoch, then kept, and carried by what a checkpoint holds."""

from collections.abc import Callable

import pytest
import torch

from models.ranking.base import ListedRows, Ranking
from models.ranking.term import MOMENTUM, UNIT_STEPS, RankingTerm
from tests.models.ranking.conftest import listed


def step(scale: RankingTerm, spread: float, point: float, labels: list[list[float]] | None = None) -> torch.Tensor:
    """Let the term see one batch whose scores are the outputs; return its gradient on them."""
    lists = labels or [[1.0, 5.0, 9.0], [2.0, 2.0]]
    rows = sum(map(len, lists))
    out_BO = (spread * torch.linspace(-1, 1, rows)).unsqueeze(1).requires_grad_()
    added = scale(point * out_BO.sum(), out_BO, of(lists, out_BO))
    (gradient_BO,) = torch.autograd.grad(added, out_BO)
    return gradient_BO


def of(lists: list[list[float]], out_BO: torch.Tensor) -> ListedRows:
    return listed(lists, out_BO[:, 0])


def test_the_gradient_is_the_stated_share_of_the_point_losses(term: Callable[..., Ranking]) -> None:
    """In the first step exactly: norm of the term's gradient = weight * norm of the task's own."""
    scale = RankingTerm(term("pairs"), 0.3, logit=True)
    assert step(scale, 1.0, 2.0).norm().item() == pytest.approx(0.3 * 2 * 5**0.5, rel=1e-5)
    assert scale.diagnostics()["ranking_share"] == pytest.approx(0.3 / 1.3, rel=1e-5)


def test_norms_are_running_means_of_batches_with_a_pair(term: Callable[..., Ranking]) -> None:
    scale = RankingTerm(term("pairs"), 1.0, logit=True)
    step(scale, 1.0, 2.0)
    step(scale, 1.0, 9.0, [[3.0, 3.0], [1.0]])
    step(scale, 1.0, 4.0)
    assert scale.norms[0].item() == pytest.approx(5**0.5 * (MOMENTUM * 2 + (1 - MOMENTUM) * 4), rel=1e-5)


def test_the_factor_stays_after_the_first_epoch(term: Callable[..., Ranking]) -> None:
    scale = RankingTerm(term("pairs"), 1.0, logit=True)
    step(scale, 1.0, 2.0)
    scale.after_epoch()
    kept = scale.factor.item()
    for _ in range(25):
        step(scale, 1.0, 50.0)
    assert scale.factor.item() == kept
    assert scale.diagnostics()["ranking_share"] < 0.5, "the share that is logged follows the gradients of now"


@pytest.mark.parametrize("logit", [True, False])
def test_scores_that_are_no_logits_are_measured_in_their_own_spread(logit: bool, term: Callable[..., Ranking]) -> None:
    scale = RankingTerm(term("pairs"), 1.0, logit=logit)
    for _ in range(UNIT_STEPS):
        step(scale, 100.0, 1.0)
    spread = (100 * torch.linspace(-1, 1, 5)).std(correction=0).item()
    assert scale.spread.item() == pytest.approx(0 if logit else spread, rel=1e-5)
    step(scale, 7.0, 1.0)
    assert scale.spread.item() == pytest.approx(0 if logit else spread, rel=1e-5)


def test_a_checkpoint_carries_all_that_was_measured(term: Callable[..., Ranking]) -> None:
    one, other = (RankingTerm(term("pairs", estimand="candidates"), 0.1, logit=False) for _ in range(2))
    for spread in (1.0, 3.0, 2.0):
        step(one, spread, 1.0)
    other.load_state_dict(one.state_dict())
    assert torch.equal(step(one, 2.0, 5.0), step(other, 2.0, 5.0))
    assert one.diagnostics() == other.diagnostics()


def test_weights_that_leave_little_are_refused_after_the_epoch(term: Callable[..., Ranking]) -> None:
    scale = RankingTerm(term("pairs", estimand="candidates"), 0.1, logit=False)
    step(scale, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"worth 3 equal ones, and 100 are needed: raise propensity\.clip"):
        scale.after_epoch()
