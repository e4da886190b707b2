"""Which baselines are fitted, and their few settings."""

from typing import Literal

from pydantic import Field

from models.ranges import Seed, Threads, Weight, Whole
from tasks.core.settings import Block
from tasks.train.config import CalibrationConfig
from tasks.train.trees.config import TreesRecipe

BaselineName = Literal["constant", "duration_table", "item_user_effects", "lightgbm"]


class BaselineConfig(Block):
    """The `baselines` block of `params.yaml`."""

    enabled: tuple[BaselineName, ...] = ("constant", "duration_table", "item_user_effects", "lightgbm")
    """which baselines stand in the table, in this order"""
    duration_groups: Whole = Field(default=30, ge=2, le=1000)
    """equal-count duration buckets of the duration table (edges from fit days)"""
    shrinkage: Weight = 20.0
    """pseudo-rows that pull a video's or user's effect towards zero"""
    calibration: CalibrationConfig = CalibrationConfig()
    """from scores to seconds, as the recipes have it"""
    lightgbm: TreesRecipe = TreesRecipe()
    """the boosted trees, a recipe as it can stand among `recipes`; where a night names one that is the same, with the same
    calibration, threads and first seed, that fit is taken"""
    seed: Seed = 0
    """seed of bagging and column sampling"""
    num_threads: Threads = 1
    """threads of LightGBM; on a machine that is shared, two threads wait for each other and are slower than one"""
