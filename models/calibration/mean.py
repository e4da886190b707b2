"""The mean calibrator: isotonic regression, so that predicted totals match watched totals."""

import numpy as np

from models.calibration.base import Calibrator
from models.calibration.curve import Array, isotonic
from models.calibration.group_curves import GroupCurves
from models.calibration.rows import CalibrationRefused, CalibrationRows, CalibratorConfig, held_out_users
from models.calibration.uniform import UniformSlice


class MeanCalibrator(Calibrator):
    """Isotonic least-squares regression of watch time on the head's mean or score.

    Source: docs/methods/watch_time.md#calibration.
    """

    level: float = 1.0
    """What the day's curves are multiplied by, so that totals are those of a mean day rather than of this one."""
    tre_before: float
    """Signed TRE of the raw value on the held-out users."""
    tre_after: float
    """The same after calibration by the other users' curves."""
    uniform: UniformSlice | None = None
    """What the day's random rows say of these seconds; None where nobody asked them."""

    @classmethod
    def fit(
        cls,
        rows: CalibrationRows,
        edges: Array,
        day: str,
        config: CalibratorConfig,
        level: float = 1.0,
        guarded: bool = True,
    ) -> "MeanCalibrator":
        """Fit on one day; the guard looks at a fifth of the users, the curves that serve see all of them.

        Args:
            rows: the day's rows.
            edges: inner edges of the duration groups in seconds (train deciles).
            day: name of the day.
            config: variant and guards.
            level: see `pooled_level`; the guard judges the day by its own level.
            guarded: whether a calibrator that must not serve is refused; else it is made of any rows there are, and its TRE
                is that of all users where none can be held out.

        Raises:
            CalibrationRefused: if guarded, under `min_rows` rows, with too few users to hold some out, or with |TRE| over `max_tre` on the held-out users.
        """
        if guarded:
            rows.refuse_if_few(config)
        held_out = held_out_users(rows.user)
        judge = rows.where(held_out)
        if not 0 < len(judge) < len(rows):
            if guarded:
                raise CalibrationRefused(
                    f"{len(judge)} of {len(rows)} rows are of held-out users: {day} has too few users"
                )
            held_out, judge = np.zeros(len(rows), dtype=bool), rows
        trial = GroupCurves.fit(rows.where(~held_out), edges, config, isotonic)
        tre_before = signed_tre(judge.value, judge.watch_s)
        tre_after = signed_tre(trial.apply(judge.value, judge.duration_s), judge.watch_s)
        if guarded and not abs(tre_after) <= config.max_tre:  # so that NaN is refused
            raise CalibrationRefused(
                f"the calibrated total of {day} is off by TRE {tre_after:+.3f} on {len(judge)} rows of held-out users "
                f"(limit {config.max_tre}, before calibration {tre_before:+.3f})"
            )
        curves = GroupCurves.fit(rows, edges, config, isotonic)
        uniform = None
        if rows.random is not None:
            uniform = UniformSlice.fit(curves.apply(rows.value, rows.duration_s), rows.watch_s, rows.user, rows.random)
        return cls(day=day, curves=curves, level=level, tre_before=tre_before, tre_after=tre_after, uniform=uniform)

    @property
    def knows_uniform(self) -> bool:
        """Whether the day's random rows tell seconds under uniform exposure."""
        return self.uniform is not None and self.uniform.curve is not None

    def apply(self, value: Array, duration_s: Array) -> Array:
        """Return calibrated mean seconds, float64 [rows]; see `Calibrator.apply`."""
        return self._levelled(super().apply(value, duration_s), duration_s)

    def apply_both(self, value: Array, duration_s: Array) -> tuple[Array, Array | None]:
        """Return what `apply` does, and the same under uniform exposure; None where the day had too few random rows."""
        day_s = super().apply(value, duration_s)
        uniform = None
        if self.uniform is not None and self.knows_uniform:
            uniform = self._levelled(self.uniform(day_s), duration_s)
        return self._levelled(day_s, duration_s), uniform

    def _levelled(self, day_s: Array, duration_s: Array) -> Array:
        return self.curves.clip(self.level * day_s, duration_s)


def signed_tre(predicted_s: Array, watch_s: Array) -> float:
    """Return sum(p - y) / sum(p) (docs/methods/metrics.md#point-errors); not finite where that sum is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((predicted_s - watch_s).sum() / predicted_s.sum())
