"""Which baselines are fitted, and their few settings."""

from typing import Literal

from pydantic import Field

from tasks.core.settings import Block
from tasks.train.config import CalibrationConfig

BaselineName = Literal["constant", "duration_table", "item_user_effects", "lightgbm"]


class LightGBMConfig(Block):
    """The gradient-boosted trees on the same point-in-time features."""

    num_leaves: int = Field(default=63, ge=2)
    """leaves of a tree"""
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    """shrinkage"""
    max_rounds: int = Field(default=500, ge=1)
    """trees at most; early stopping on the validation day usually ends earlier"""
    patience: int = Field(default=30, ge=1)
    """rounds without gain on the validation day before the fit ends"""
    min_data_in_leaf: int = Field(default=50, ge=1)
    """rows in a leaf at least"""
    max_bin: int = Field(default=255, ge=15)
    """histogram bins of a feature"""
    feature_fraction: float = Field(default=0.8, gt=0, le=1)
    """share of features offered to a tree"""
    bagging_fraction: float = Field(default=0.8, gt=0, le=1)
    """share of rows offered to a tree, drawn anew each round"""
    max_categories: int = Field(default=64, ge=0)
    """fields with at most so many levels on fit days are split as categories; larger ones are left out"""
    max_fit_rows: int = Field(default=1_000_000, ge=1_000)
    """rows of the fit days held in memory at most; more are thinned by a hash of the key"""
    score_label: Literal["seconds", "duration_percentile"] = "seconds"
    """what the score's trees are fitted to: seconds, or their percentile among fit rows of the same duration bucket"""
    predict_mean: bool = True
    """fit a second, L2 model for the mean; otherwise the calibrator maps the score to seconds"""
    tasks: tuple[str, ...] = ("skip", "long_view")
    """binary labels that get a classifier of their own"""


class BaselineConfig(Block):
    """The `baselines` block of `params.yaml`."""

    enabled: tuple[BaselineName, ...] = ("constant", "duration_table", "item_user_effects", "lightgbm")
    """which baselines stand in the table, in this order"""
    duration_groups: int = Field(default=30, ge=2)
    """equal-count duration buckets of the duration table and of the percentile label (edges from fit days)"""
    shrinkage: float = Field(default=20.0, gt=0)
    """pseudo-rows that pull a video's or user's effect towards zero"""
    calibration: CalibrationConfig = CalibrationConfig()
    """from scores to seconds, as the recipes have it"""
    lightgbm: LightGBMConfig = LightGBMConfig()
    seed: int = Field(default=0, ge=0)
    """seed of bagging and column sampling"""
    num_threads: int = Field(default=1, ge=1)
    """threads of LightGBM; on a machine that is shared, two threads wait for each other and are slower than one"""
