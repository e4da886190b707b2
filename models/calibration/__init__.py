"""Calibration per night: from a head's score to seconds that add up."""

from models.calibration.level import pooled_level
from models.calibration.mean import MeanCalibrator
from models.calibration.median import MedianCalibrator
from models.calibration.rows import CalibrationRefused, CalibrationRows, CalibratorConfig

__all__ = [
    "CalibrationRefused",
    "CalibrationRows",
    "CalibratorConfig",
    "MeanCalibrator",
    "MedianCalibrator",
    "pooled_level",
]
