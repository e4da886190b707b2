"""`manifest.json` of a bundle: what was fitted, on which days, from which inputs, and how it went."""

from pydantic import ConfigDict, Field

from models.recipe import Recipe
from models.schema import InputSchema
from tasks.core.document import Document
from tasks.core.layout import BUNDLE_MANIFEST
from tasks.table.selection.summary import SelectionSummary
from tasks.train.config import TrainingConfig

FILE = BUNDLE_MANIFEST


class FitDays(Document):
    """Days a bundle was made from, in order, as ISO dates."""

    fit: tuple[str, ...]
    validation: tuple[str, ...]


class FitRows(Document):
    """Impressions of those days."""

    fit: int
    validation: int


class InputHashes(Document):
    """SHA-256 of what a bundle depends on; the judge day is no part of it."""

    data: str
    code: str
    config: str


class BundleManifest(Document):
    """What the manifest of every bundle says, be it of one recipe or of several together."""

    model_config = ConfigDict(extra="ignore")

    name: str
    days: FitDays
    rows: FitRows
    seeds: tuple[int, ...]
    serving_seed: int
    """Seed that did best on the validation day, whose predictions are served."""
    frozen_tasks: tuple[str, ...]
    """Tasks with too few positives to learn."""
    calibration_refused: dict[int, str]
    """Seed -> why its mean calibrator was not kept."""
    hashes: InputHashes
    tokenizer: str | None = Field(default=None, exclude_if=lambda name: name is None)
    """Id of the tokenizer whose item codes were learned on; None: no codes."""
    selection: SelectionSummary | None = Field(default=None, exclude_if=lambda found: found is None)
    """Which impressions of the fit days its steps read; None: all."""


class ServableRecipe(BundleManifest):
    """What serving reads of a recipe's manifest: a champion goes on serving when a later version says more, or less, beside."""

    recipe: Recipe
    input_schema: InputSchema = Field(alias="schema")


class RecipeManifest(ServableRecipe):
    """Manifest of one fitted recipe."""

    model_config = ConfigDict(extra="forbid")

    training: TrainingConfig
    best_epoch: dict[int, int]
    """Seed -> epoch kept."""
    validation_loss: dict[int, float]
    """Seed -> loss of that epoch on the validation day."""
    positives: dict[str, int]
    """Task -> positive rows of the fit days, of those that steps read."""
