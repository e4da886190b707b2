"""Which baselines are fitted, and their few settings."""

from typing import Literal

from pydantic import Field

from models.ranges import Number, Rows, Seed, Steps, Threads, Weight, Whole
from tasks.core.names import Label
from tasks.core.settings import Block
from tasks.train.config import CalibrationConfig

BaselineName = Literal["constant", "duration_table", "item_user_effects", "lightgbm"]


class LightGBMConfig(Block):
    """The gradient-boosted trees on the same point-in-time features."""

    num_leaves: Whole = Field(default=63, ge=2, le=131_072)
    """leaves of a tree"""
    learning_rate: Number = Field(default=0.05, gt=0, le=1)
    """shrinkage"""
    max_rounds: Steps = 500
    """trees at most; early stopping on the validation day usually ends earlier"""
    patience: Steps = 30
    """rounds without gain on the validation day before the fit ends"""
    min_data_in_leaf: Rows = 50
    """rows in a leaf at least"""
    max_bin: Whole = Field(default=255, ge=15, le=65_535)
    """histogram bins of a feature"""
    feature_fraction: Number = Field(default=0.8, gt=0, le=1)
    """share of features offered to a tree"""
    bagging_fraction: Number = Field(default=0.8, gt=0, le=1)
    """share of rows offered to a tree, drawn anew each round"""
    max_categories: Whole = Field(default=64, ge=0, le=100_000)
    """fields with at most so many levels on fit days are split as categories; larger ones are left out"""
    max_fit_rows: Whole = Field(default=1_000_000, ge=1_000, le=10**9)
    """rows of the fit days held in memory at most; more are thinned by a hash of the key"""
    score_label: Literal["seconds", "duration_percentile"] = "seconds"
    """what the score's trees are fitted to: seconds, or their percentile among fit rows of the same duration bucket"""
    predict_mean: bool = True
    """fit a second, L2 model for the mean; otherwise the calibrator maps the score to seconds"""
    tasks: tuple[Label, ...] = ("skip", "long_view")
    """binary labels that get a classifier of their own"""


class BaselineConfig(Block):
    """The `baselines` block of `params.yaml`."""

    enabled: tuple[BaselineName, ...] = ("constant", "duration_table", "item_user_effects", "lightgbm")
    """which baselines stand in the table, in this order"""
    duration_groups: Whole = Field(default=30, ge=2, le=1000)
    """equal-count duration buckets of the duration table and of the percentile label (edges from fit days)"""
    shrinkage: Weight = 20.0
    """pseudo-rows that pull a video's or user's effect towards zero"""
    calibration: CalibrationConfig = CalibrationConfig()
    """from scores to seconds, as the recipes have it"""
    lightgbm: LightGBMConfig = LightGBMConfig()
    seed: Seed = 0
    """seed of bagging and column sampling"""
    num_threads: Threads = 1
    """threads of LightGBM; on a machine that is shared, two threads wait for each other and are slower than one"""
