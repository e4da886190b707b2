"""Calibrators as modules, so that they travel with an exported program; in double precision, as the calibrators compute.

Shape legend: B rows, K knots, G duration groups, C cells between the knots of all groups (C - 1 of them cut), L lines.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
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
    """`GroupCurves.apply` on tensors.

    The knots of all curves together cut the values into cells, in each of which a curve is one line: a row's cell and group
    look its line up, so a program has no more operations for twenty groups than for one.
    """

    def __init__(self, curves: GroupCurves) -> None:
        super().__init__()
        self.bounded = curves.bounded
        drawn = [curves.overall if curve is None else curve for curve in curves.groups]
        cut_C = np.unique(np.concatenate([curve.x for curve in drawn]))
        lines = [_lines(curve) for curve in drawn]
        first_G = np.cumsum([0, *(len(of_curve) for of_curve in lines[:-1])])
        line_GC = [
            first + np.append(0, np.searchsorted(curve.x, cut_C, side="right"))
            for first, curve in zip(first_G, drawn, strict=True)
        ]
        start_L, height_L, slope_L, constant_L = np.concatenate(lines).T
        self.register_buffer("edges_G", torch.tensor(curves.edges, dtype=torch.float64))
        self.register_buffer("cut_C", torch.from_numpy(cut_C))
        self.register_buffer("line_GC", torch.from_numpy(np.stack(line_GC)))
        for name, values_L in (("start_L", start_L), ("height_L", height_L), ("slope_L", slope_L)):
            self.register_buffer(name, torch.from_numpy(values_L.copy()))
        self.register_buffer("constant_L", torch.from_numpy(constant_L.astype(bool)))

    def forward(self, value_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return seconds, float64 [B]; arguments float64."""
        group_B = torch.bucketize(duration_B, self.get_buffer("edges_G"), right=True)
        cell_B = torch.bucketize(value_B, self.get_buffer("cut_C"), right=True)
        line_B = self.get_buffer("line_GC")[group_B, cell_B]
        start_B, height_B, slope_B, constant_B = (
            self.get_buffer(name)[line_B] for name in ("start_L", "height_L", "slope_L", "constant_L")
        )
        inside_B = slope_B * (value_B - start_B) + height_B
        # Beyond the knots a value may be infinite, which no slope of 0 takes back; one that is no number stays none.
        return self.clip(torch.where(constant_B & ~value_B.isnan(), height_B, inside_B), duration_B)

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


def _lines(curve: Curve) -> NDArray[np.float64]:
    """Return the lines of a curve from left to right, the constants outside its knots among them.

    Returns:
        [knots + 1, 4]: where a line starts, its height there, its slope, and 1 for a constant.
    """
    x, y = np.array(curve.x), np.array(curve.y)
    inner = np.stack([x[:-1], y[:-1], np.diff(y) / np.diff(x), np.zeros(len(x) - 1)], axis=1)
    return np.concatenate([[[x[0], y[0], 0, 1]], inner, [[x[-1], y[-1], 0, 1]]])


def _curve(curve: Curve) -> CurveProgram:
    return CurveProgram(curve.x, curve.y)
