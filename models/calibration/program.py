"""Calibrators as modules, so that they travel with an exported program; in double precision, as the calibrators compute.

Shape legend: B rows, K knots, G duration groups.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.calibration.curve import Curve
from models.calibration.group_curves import GroupCurves
from models.calibration.mean import MeanCalibrator
from models.calibration.median import MedianCalibrator


class CurveProgram(nn.Module):
    """A function that is linear between its knots and constant outside them, as `numpy.interp` computes it."""

    def __init__(self, x: Sequence[float], y: Sequence[float]) -> None:
        super().__init__()
        x_K, y_K = (torch.tensor(knots, dtype=torch.float64) for knots in (x, y))
        if len(x_K) == 1:
            x_K, y_K = torch.cat([x_K, x_K + 1]), torch.cat([y_K, y_K])
        self.register_buffer("x_K", x_K)
        self.register_buffer("y_K", y_K)
        self.register_buffer("slope_K", torch.diff(y_K) / torch.diff(x_K))

    def forward(self, value_B: Tensor) -> Tensor:
        """Return the function's values, float64 [B]."""
        x_K, y_K, slope_K = (self.get_buffer(name) for name in ("x_K", "y_K", "slope_K"))
        below_B = (torch.bucketize(value_B, x_K, right=True) - 1).clamp(0, len(slope_K) - 1)
        inside_B = slope_K[below_B] * (value_B - x_K[below_B]) + y_K[below_B]
        return torch.where(value_B < x_K[0], y_K[0], torch.where(value_B >= x_K[-1], y_K[-1], inside_B))


class GroupCurvesProgram(nn.Module):
    """`GroupCurves.apply` on tensors."""

    def __init__(self, curves: GroupCurves) -> None:
        super().__init__()
        self.bounded = curves.bounded
        self.register_buffer("edges_G", torch.tensor(curves.edges, dtype=torch.float64))
        self.overall = _curve(curves.overall)
        groups = [(index, curve) for index, curve in enumerate(curves.groups) if curve is not None]
        self.own = tuple(index for index, _ in groups)
        self.groups = nn.ModuleList(_curve(curve) for _, curve in groups)

    def forward(self, value_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return seconds, float64 [B]; arguments float64."""
        seconds_B = self.overall(value_B)
        group_B = torch.bucketize(duration_B, self.get_buffer("edges_G"), right=True)
        for index, curve in zip(self.own, self.groups, strict=True):
            seconds_B = torch.where(group_B == index, curve(value_B), seconds_B)
        return self.clip(seconds_B, duration_B)

    def clip(self, seconds_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return seconds as the label can be."""
        positive_B = seconds_B.clamp(min=0)
        return torch.minimum(positive_B, duration_B) if self.bounded else positive_B


class MeanProgram(nn.Module):
    """`MeanCalibrator.apply_both` on tensors."""

    def __init__(self, calibrator: MeanCalibrator) -> None:
        super().__init__()
        self.level = calibrator.level
        self.curves = GroupCurvesProgram(calibrator.curves)
        uniform = calibrator.uniform
        self.uniform = None if uniform is None or uniform.curve is None else _curve(uniform.curve)

    def forward(self, value_B: Tensor, duration_B: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mean seconds, and the same under uniform exposure where they are known, float64 [B]."""
        day_B = self.curves(value_B, duration_B)
        uniform_B = None if self.uniform is None else self._levelled(self.uniform(day_B), duration_B)
        return self._levelled(day_B, duration_B), uniform_B

    def _levelled(self, day_B: Tensor, duration_B: Tensor) -> Tensor:
        return self.curves.clip(self.level * day_B, duration_B)


class MedianProgram(GroupCurvesProgram):
    """`MedianCalibrator.apply` on tensors."""

    def __init__(self, calibrator: MedianCalibrator) -> None:
        super().__init__(calibrator.curves)


def _curve(curve: Curve) -> CurveProgram:
    return CurveProgram(curve.x, curve.y)
