"""Heads of many thresholds whose cuts may be placed otherwise than by EAD: bins that grow, or draws from a law.

Source: docs/methods/watch_time.md#progressive-bins, docs/methods/watch_time.md#lognormal-thresholds.
Shape legend: B rows, O outputs of a head, J nodes (0 and the thresholds).
"""

from abc import abstractmethod
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from models.heads.base import LabelState, TrainLabels
from models.heads.growing_bins import (
    FEWEST,
    LEVELS,
    MOST,
    GrowingBins,
    GrowingConfig,
    equal_mass_cuts,
    first_nodes,
    node_levels,
    refined,
    rows_above,
    split_logits,
)
from models.heads.lognormal_thresholds import ThresholdLaw
from models.heads.threshold_head import ThresholdHead
from models.heads.thresholds import ThresholdConfig

_WEIGHT = "threshold_weight"


class PlacedConfig(ThresholdConfig, GrowingConfig):
    """Where the scale is cut, and whether the cuts stay."""

    placement: Literal["ead", "lognormal"] = Field(default="ead", exclude_if=lambda placement: placement == "ead")
    """Experimental. `lognormal`: cuts are drawn, four fifths from a lognormal of the train watch times and one evenly, and weighed
    so that the loss is an integral over seconds."""

    @model_validator(mode="after")
    def _placed_once(self) -> Self:
        if self.progressive_steps is None and self.placement == "ead":
            return self
        how = "progressive_steps" if self.placement == "ead" else "placement: lognormal"
        if self.progressive_steps is not None and self.placement != "ead":
            raise ValueError("progressive_steps cuts into equal parts and placement: lognormal draws: leave out one")
        if self.curvature is not None or self.restoration != type(self).model_fields["restoration"].default:
            raise ValueError(f"curvature and restoration are of EAD, which {how} takes the place of: leave them out")
        if self.progressive_steps is not None and self.thresholds != MOST:
            raise ValueError(
                f"progressive_steps ends with {MOST} bins: set thresholds to {MOST}, not {self.thresholds}"
            )
        return self


class PlacedThresholds(ThresholdHead):
    """Adds both placements to a head whose loss is a mean of cross-entropies over thresholds.

    With bins that grow there is an output for every node, that at 0 included, so that zeros are a bin of their own.
    """

    threshold_weight: Tensor

    @classmethod
    def fit_state(cls, config: Any, labels: TrainLabels) -> LabelState:
        """Fit `cuts`, float32 seconds [J], `base`, the train rows' logits, float32 [J], and where cuts are drawn `threshold_weight`,
        float32 [J]."""
        if config.progressive_steps is not None:
            cuts = equal_mass_cuts(labels)
            base = split_logits(rows_above(cuts, labels.watch_s))
            stride = slice(None, None, MOST // FEWEST)
            base[stride] = cls.base_logits(config, cuts[stride], labels)
            return {"cuts": cuts, "base": base}
        if config.placement == "lognormal" and labels.watch_s.max() > 0:
            cuts, weight = drawn_cuts(config.thresholds, labels.watch_s)
            return {"cuts": cuts, "base": cls.base_logits(config, cuts, labels), _WEIGHT: weight}
        return super().fit_state(config, labels)

    def __init__(self, config: Any, state: LabelState) -> None:
        super().__init__(config, state)
        over = config.progressive_steps
        self.bins = None if over is None else GrowingBins(over, *node_levels())
        if _WEIGHT in state:
            self.register_buffer(_WEIGHT, torch.tensor(state[_WEIGHT]))

    @abstractmethod
    def first_curve(self, logit_BJ: Tensor) -> tuple[Tensor, Tensor]:
        """Return log S and log(1 - S) from logits of the nodes of bins that do not grow, or of the first ones, [B, J] each."""

    def grown_curve(self, out_BO: Tensor, levels: int = LEVELS - 1) -> tuple[Tensor, Tensor]:
        """Return log S and log(1 - S) at the nodes of bins that have doubled so often, [B, nodes] each."""
        assert self.bins is not None
        logit_BO = self.bins.read(out_BO) + self.base
        return refined(*self.first_curve(first_nodes(logit_BO)), logit_BO, levels)

    def cross_entropy(self, out_BO: Tensor, above_BO: Tensor) -> tuple[Tensor, int]:
        """Return the mean cross-entropy of the thresholds that are asked, [B], and how many these are.

        Bins that grow ask as many as there are in training, and all in evaluation: losses of epochs must compare.

        Args:
            out_BO: outputs.
            above_BO: whether, or with which chance, the label lies above each threshold that has an output.
        """
        if self.bins is not None:
            levels = int(self.bins.reached) if self.training else LEVELS - 1
            log_p_BJ, log_q_BJ = self.grown_curve(out_BO, levels)
            above_BJ = first_nodes(above_BO, levels)
            return -(above_BJ * log_p_BJ + (1 - above_BJ) * log_q_BJ).mean(dim=1), above_BJ.shape[1]
        entropy_BO = self.entropies(self.logits(out_BO), above_BO)
        if _WEIGHT in self._buffers:
            entropy_BO = entropy_BO * self.threshold_weight[-self.num_outputs :]
        return entropy_BO.mean(dim=1), self.num_outputs

    @abstractmethod
    def entropies(self, logit_BO: Tensor, above_BO: Tensor) -> Tensor:
        """Return the cross-entropy of every threshold of bins that do not grow, [B, O]."""


def drawn_cuts(count: int, watch_s: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return 0, drawn thresholds and the longest watch time, float32 seconds [J], and their weights 1 / (q longest), [J].

    The weights of draws are 1 in the mean and 5 at most. Both ends, which nobody drew, count as one question each.

    Args:
        count: draws.
        watch_s: train rows, one of them above 0.
    """
    law = ThresholdLaw.fit(watch_s.astype(np.float32).astype(np.float64))
    drawn, weight = law.draw(count)
    cuts, first = np.unique(np.concatenate([[0], drawn, [law.longest_s]]).astype(np.float32), return_index=True)
    weights = np.concatenate([[1], weight / law.longest_s, [1]])[first]
    return cuts, weights.astype(np.float32)
