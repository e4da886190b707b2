"""A ranking term on the scale of one task: unit of the score, and a factor measured in the first epoch and then kept.

Shape legend: B rows, O outputs of a head.
"""

from dataclasses import replace

import torch
from torch import Tensor

from models.counters import Counting
from models.ranking.base import ListedRows, Ranking

MOMENTUM = 0.99
UNIT_STEPS = 20
"""Steps in which the unit of the score is measured."""
LOOK_EVERY = 10
"""Steps between two measurements once the factor stands: the record needs no more."""
_SMALL = 1e-6


class RankingTerm(Counting):
    """weight * |dL_point/dout| / |dL_rank/dout| * L_rank(s / tau), norms as running means of the first epoch, then frozen.

    Source: docs/methods/ranking.md#scale. All that was measured lies in buffers, so a fit that is killed and resumed goes on
    with the same numbers.

    Args:
        ranking: the term.
        weight: as the recipe says.
        logit: whether scores are logits, which need no other unit.
    """

    spread: Tensor
    norms: Tensor
    factor: Tensor
    steps: Tensor
    epochs: Tensor

    def __init__(self, ranking: Ranking, weight: float, *, logit: bool) -> None:
        super().__init__()
        self.ranking, self.weight, self.logit = ranking, weight, logit
        self.register_buffer("spread", torch.zeros(()))
        self.register_buffer("norms", torch.zeros(2))
        self.register_buffer("factor", torch.zeros(()))
        self.register_counter("steps")
        self.register_counter("epochs")

    def forward(self, point: Tensor, out_BO: Tensor, rows: ListedRows) -> Tensor:
        """Return what is added to the task's loss, and learn the scale from it.

        Args:
            point: the task's own loss.
            out_BO: raw outputs of its tower, from which `point` and the scores were computed.
            rows: lists with scores as the head gives them.
        """
        if not self.logit:
            rows = replace(rows, score_B=rows.score_B / self._unit(rows.score_B.detach()))
        loss: Tensor = self.ranking(rows)
        first = self.epochs == 0
        if first or self.steps % LOOK_EVERY == 0:
            self._measure(point, loss, out_BO)
        if first:
            self.factor.copy_(self.norms[0] / self.norms[1].clamp(min=_SMALL**2))
        self.steps += 1
        return self.weight * self.factor * loss

    @torch.no_grad()
    def _unit(self, score_B: Tensor) -> Tensor:
        """Return the mean standard deviation of the scores over the first steps."""
        if self.steps < UNIT_STEPS:
            self.spread += (score_B.std(correction=0) - self.spread) / (self.steps + 1)
        return self.spread.clamp(min=_SMALL)

    def _measure(self, point: Tensor, loss: Tensor, out_BO: Tensor) -> None:
        """Move the running means of both gradients' norms; a batch in which no list can be ordered says nothing."""
        norms = torch.stack([_norm(value, out_BO) for value in (point, loss)])
        share = torch.where(self.norms[1] > 0, 1 - MOMENTUM, 1.0) * (norms[1] > 0)
        self.norms += share * (norms - self.norms)

    def after_epoch(self) -> None:
        """Keep the factor from now on.

        Raises:
            ValueError: if the term cannot carry what it is asked for.
        """
        self.ranking.after_epoch()
        self.epochs += 1

    def diagnostics(self) -> dict[str, float]:
        """Return the factor, the unit of the score and the term's share of the gradient on the head's outputs."""
        point, term = self.norms[0], self.weight * self.factor * self.norms[1]
        share = term / (point + term).clamp(min=_SMALL**2)
        numbers = {"ranking_factor": self.weight * self.factor, "ranking_share": share}
        if not self.logit:
            numbers["ranking_unit"] = self.spread
        return {name: float(value) for name, value in numbers.items()}


def _norm(loss: Tensor, out_BO: Tensor) -> Tensor:
    """Return the norm of a loss's gradient on the raw outputs."""
    (gradient_BO,) = torch.autograd.grad(loss, out_BO, retain_graph=True)
    norm: Tensor = torch.linalg.vector_norm(gradient_BO.float())
    return norm
