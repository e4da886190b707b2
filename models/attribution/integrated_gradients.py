"""Integrated gradients: how much of a prediction each field makes, with the check that nothing is missing.

Source: docs/methods/attribution.md#integrated-gradients.

Shape legend: B rows, R some of them, F attributed fields, W numbers per row.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.attribution.contribution import contributions
from models.attribution.fields import FieldLayout

STEPS, MOST_STEPS = 50, 400
"""Points on the way from the baseline; where they do not suffice they are doubled, up to the latter."""
RELATIVE = 0.01
"""Share of a prediction's distance from the baseline that may be missing."""
DEVIATIONS = 0.001
"""What may be missing besides, in standard deviations of the label: most of a distance near 0 is rounding."""
COMPLETE_SHARE = 0.995
"""Share of rows that must be complete for the attributions to be believed."""

RowValue = Callable[[Tensor], Callable[[Tensor], Tensor]]
"""row_R -> (x_RW -> value of those rows at x, [R]); no row may look at another."""


@dataclass(frozen=True, eq=False)
class Attributions:
    """What each field adds to the value of a row over that of the baseline.

    Attributes:
        field_BF: one number per row and field, in the unit of the value.
        value_B: of the rows.
        baseline_B: of the same rows with the baseline in the place of their fields.
        steps_B: int64, points that were taken for each row.
        complete_B: bool, whether the fields add up to the difference.
    """

    field_BF: Tensor
    value_B: Tensor
    baseline_B: Tensor
    steps_B: Tensor
    complete_B: Tensor

    @property
    def complete_share(self) -> float:
        """Share of complete rows."""
        return float(self.complete_B.double().mean())

    @property
    def accepted(self) -> bool:
        """Whether enough rows are complete; a value in steps, whose gradient is 0 between jumps, never is."""
        return self.complete_share >= COMPLETE_SHARE

    def mean_absolute(self) -> Tensor:
        """Return the mean over complete rows of the absolute attribution, float64 [F]; NaN where no row is complete."""
        return self.field_BF[self.complete_B].abs().double().mean(dim=0)


def integrated_gradients(
    value: RowValue, x_BW: Tensor, baseline_W: Tensor, layout: FieldLayout, deviation: float, steps: int = STEPS
) -> Attributions:
    """Attribute a value to the fields along the straight line from a baseline to each row.

    The integral is taken by the midpoint rule. Rows whose attributions do not add up to the difference of the values,
    but for 1 % of it and .001 `deviation`, are taken again with twice the steps, up to 400 or `steps` if that is more.

    Args:
        value: what is attributed.
        x_BW: the rows.
        baseline_W: where the line begins.
        layout: which number belongs to which field.
        deviation: standard deviation of the label, in the unit of the value.
        steps: points to begin with.
    """
    row_R = torch.arange(len(x_BW))
    with torch.no_grad():
        value_B = value(row_R)(x_BW)
        baseline_B = value(row_R)(baseline_W.expand_as(x_BW))
    allowed_B = RELATIVE * (value_B - baseline_B).abs() + DEVIATIONS * deviation
    field_BF = x_BW.new_zeros(len(x_BW), len(layout.names))
    steps_B, failing_B, taken = torch.zeros_like(row_R), torch.zeros_like(row_R, dtype=torch.bool), steps
    while len(row_R) and taken <= max(steps, MOST_STEPS):
        field_BF[row_R] = _integral(value(row_R), x_BW[row_R], baseline_W, layout, taken)
        steps_B[row_R] = taken
        missing_B = (value_B - baseline_B - field_BF.sum(dim=1)).abs()
        failing_B = ~(missing_B <= allowed_B)  # so that NaN fails
        row_R, taken = failing_B.nonzero()[:, 0], 2 * taken
    return Attributions(field_BF, value_B, baseline_B, steps_B, ~failing_B)


def _integral(
    value: Callable[[Tensor], Tensor], x_RW: Tensor, baseline_W: Tensor, layout: FieldLayout, steps: int
) -> Tensor:
    """Return attributions by the midpoint rule, [R, F]."""
    shift_RW = x_RW - baseline_W
    total_RF = x_RW.new_zeros(len(x_RW), len(layout.names))
    for step in range(steps):
        at_RW = baseline_W + (step + 0.5) / steps * shift_RW
        total_RF += contributions(value, at_RW, shift_RW, layout)[1]
    return total_RF / steps
