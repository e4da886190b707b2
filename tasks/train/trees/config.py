"""A recipe of boosted trees: the few settings of LightGBM that matter here. The baseline `lightgbm` is one too."""

from typing import Annotated, Literal

from pydantic import Field

from models.ranges import Number, Rows, Steps, Whole, distinct
from tasks.core.names import Label
from tasks.core.settings import Block

TargetName = Literal["log", "percentile", "seconds", "duration_percentile"]


class TreesRecipe(Block):
    """Gradient-boosted trees on the dense features and small fields of the table; they read no id and no history."""

    kind: Literal["trees"] = "trees"
    """what tells it from a network, whose recipe has no kind"""
    candidates: Annotated[tuple[TargetName, ...], distinct("candidates")] = Field(
        default=("log", "percentile"), min_length=1
    )
    """what the score's trees are fitted to; of several, the one whose first fit orders the validation day best. log:
    squared error of log(1 + seconds); percentile: squared error of the percentile among all fit rows; seconds: absolute
    error; duration_percentile: absolute error of the percentile among fit rows of about the same duration, read back in
    seconds"""
    fits: Whole = Field(default=3, ge=1, le=100)
    """fits of the score, each with rows and columns drawn by a seed of its own, that are averaged"""
    num_leaves: Whole = Field(default=31, ge=2, le=131_072)
    """leaves of a tree"""
    learning_rate: Number = Field(default=0.1, gt=0, le=1)
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
    """rows of the fit days binned and held in memory at most; of more, so many are taken, evenly spaced"""
    duration_groups: Whole = Field(default=30, ge=2, le=1000)
    """equal-count duration buckets of `duration_percentile` (edges from fit days)"""
    predict_mean: bool = False
    """fit trees of squared error in seconds for the mean; otherwise the calibrator maps the score to seconds"""
    tasks: Annotated[tuple[Label, ...], distinct("tasks")] = ("skip", "long_view")
    """binary labels that get trees of their own"""
    positive_floor: Whole = Field(default=200, ge=0, le=10**9)
    """fewest positives in the fit window; a task below it is left out and reported"""
