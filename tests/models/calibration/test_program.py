"""Calibrators as modules say bit for bit what the calibrators say."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from models.calibration.curve import Curve
from models.calibration.group_curves import GroupCurves
from models.calibration.mean import MeanCalibrator
from models.calibration.program import CurveProgram, GroupCurvesProgram, MeanProgram
from models.calibration.uniform import UniformSlice

DRAW = np.random.default_rng(0)
X = np.sort(DRAW.normal(size=40))
Y = np.sort(DRAW.uniform(0, 90, 40))
BEYOND = np.array([-np.inf, np.inf, 0.0, X[0], X[-1], *X])


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values)


@pytest.mark.parametrize("knots", [1, 2, 40])
def test_a_curve_is_that_of_numpy(knots: int) -> None:
    value = np.concatenate([DRAW.normal(0, 2, 5_000), BEYOND])
    x, y = X[:knots], Y[:knots]
    np.testing.assert_array_equal(CurveProgram(x.tolist(), y.tolist())(tensor(value)).numpy(), np.interp(value, x, y))


@pytest.mark.parametrize("bounded", [True, False])
def test_groups_on_their_edges_and_without_a_curve(bounded: bool) -> None:
    """The second shares knots with all rows, the last has one knot; values lie on knots, beyond them, and one is no number."""
    own = Curve(x=tuple(X[5:30]), y=tuple(2 * Y[5:30] - 20))
    shifted = Curve(x=tuple(X + 0.01), y=tuple(Y / 2))
    curves = GroupCurves(
        edges=(10.0, 30.0, 90.0),
        groups=(None, own, shifted, Curve(x=(0.5,), y=(70.0,))),
        overall=Curve(x=tuple(X), y=tuple(Y)),
        rows=(1, 2, 3, 4),
        bounded=bounded,
    )
    value, duration_s = DRAW.normal(size=6_000), DRAW.choice([5.0, 10.0, 29.9, 30.0, 60.0, 100.0], 6_000)
    value[: 4 * len(BEYOND)] = np.tile(BEYOND, 4)
    value[-1] = np.nan
    found = GroupCurvesProgram(curves)(tensor(value), tensor(duration_s)).numpy()
    np.testing.assert_array_equal(found, curves.apply(value, duration_s))
    assert (np.nanmax(found[duration_s < 100]) <= 60) == bounded


class Counted(TorchFunctionMode):
    """Counts what is called."""

    calls = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return function(*args, **(kwargs or {}))


def test_a_program_has_as_many_operations_for_many_groups_as_for_one() -> None:
    def operations(groups: int) -> int:
        curve = Curve(x=tuple(X), y=tuple(Y))
        edges = tuple(float(edge) for edge in range(1, groups))
        curves = GroupCurves(edges=edges, groups=(curve,) * groups, overall=curve, rows=(9,) * groups)
        program = GroupCurvesProgram(curves)
        with Counted() as counted:
            program(tensor(X), tensor(Y))
        return counted.calls

    assert operations(12) == operations(1) > 0


@pytest.mark.parametrize("uniform", [None, Curve(x=(0.0, 50.0), y=(0.0, 30.0))], ids=["not asked", "known"])
def test_levels_and_seconds_under_uniform_exposure(uniform: Curve | None) -> None:
    curves = GroupCurves(edges=(), groups=(None,), overall=Curve(x=tuple(X), y=tuple(Y)), rows=(40,))
    known = None if uniform is None else UniformSlice(rows=900, users=300, curve=uniform)
    calibrator = MeanCalibrator(day="d", curves=curves, level=1.07, tre_before=0.1, tre_after=0.0, uniform=known)
    value, duration_s = DRAW.normal(size=1_000), DRAW.uniform(5, 90, 1_000)
    for found, expected in zip(
        MeanProgram(calibrator)(tensor(value), tensor(duration_s)),
        calibrator.apply_both(value, duration_s),
        strict=True,
    ):
        assert (found is None) == (expected is None)
        if found is not None:
            np.testing.assert_array_equal(found.numpy(), expected)
