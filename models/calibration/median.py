"""The median calibrator: what absolute errors are judged by."""

from models.calibration.base import Calibrator
from models.calibration.curve import Array, binned_medians
from models.calibration.group_curves import GroupCurves
from models.calibration.rows import CalibrationRows, CalibratorConfig


class MedianCalibrator(Calibrator):
    """Medians of equal-count bins of the score, made monotone by an isotonic pass.

    Source: docs/methods/watch_time.md#calibration. It has no TRE guard: medians do not add up to totals.
    """

    @classmethod
    def fit(cls, rows: CalibrationRows, edges: Array, day: str, config: CalibratorConfig) -> "MedianCalibrator":
        """Fit on one day; arguments as in `MeanCalibrator.fit`.

        Raises:
            CalibrationRefused: under `min_rows` rows.
        """
        rows.refuse_if_few(config)
        return cls(day=day, curves=GroupCurves.fit(rows, edges, config, binned_medians))
