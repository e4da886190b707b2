"""How calibrated predictions do on the validation day: what the report shows beside a fit, and what orders challengers."""

import numpy as np
from numpy.typing import NDArray

from tasks.evaluate.metrics.grouped import xgauc
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.pairwise import xauc
from tasks.evaluate.metrics.point import mae, rmse, tre_signed
from tasks.train.calibrate import Calibration, ValidationRows
from tasks.train.validation_metrics import CalibratedMetrics


def calibrated_metrics(
    predictions: dict[str, NDArray[np.float64]], calibration: Calibration, rows: ValidationRows
) -> CalibratedMetrics:
    """Return metrics of the validation day.

    Args:
        predictions: uncalibrated, [rows] each.
        calibration: fitted on the same rows.
        rows: labels.
    """
    calibrated, users = calibration.apply(predictions, rows.duration_s), encode_groups(rows.user)
    return CalibratedMetrics(
        xauc=xauc(rows.watch_s, calibrated["score"]).value,
        xgauc=xgauc(rows.watch_s, calibrated["score"], users).value,
        rmse=rmse(rows.watch_s, calibrated["watch_mean"]).value,
        mae=mae(rows.watch_s, calibrated["watch_median"]).value,
        tre_signed=tre_signed(rows.watch_s, calibrated["watch_mean"]).value,
        tre_before=calibration.mean.tre_before,
        tre_after=calibration.mean.tre_after,
    )
