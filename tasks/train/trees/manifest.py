"""`manifest.json` of a bundle of trees: what was fitted, what its score was chosen to learn, and how it went."""

from typing import Literal

from pydantic import ConfigDict

from tasks.core.document import Document
from tasks.train.config import CalibrationConfig
from tasks.train.manifest import BundleManifest
from tasks.train.trees.config import TargetName, TreesRecipe


class ServableTrees(BundleManifest):
    """What serving reads of the manifest of a bundle of trees."""

    kind: Literal["trees"] = "trees"
    recipe: TreesRecipe
    target: TargetName
    """What the score was fitted to."""
    numbers: tuple[str, ...]
    """Dense features, the first columns of the trees."""
    fields: tuple[str, ...]
    """Fields that are split as categories, the columns after them."""


class TreesSettings(Document):
    """What of the training configuration counts for trees."""

    seeds: tuple[int, ...]
    calibration: CalibrationConfig
    threads: int


class TreesManifest(ServableTrees):
    """Manifest of fitted trees."""

    model_config = ConfigDict(extra="forbid")

    training: TreesSettings
    chosen_by: dict[TargetName, float]
    """Candidate -> XAUC of its first fit on the validation day."""
    num_trees: dict[int, dict[str, tuple[int, ...]]]
    """Seed -> what is predicted -> trees of every fit."""
    positives: dict[str, int]
    """Task -> positive rows of the fit days, of those that steps read."""
    most_important: tuple[str, ...]
    """Columns that gained most in the serving seed's first fit of the score."""
