"""A challenger as it was fitted: what its bundle says of the fit and of the validation day."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.core.document import read_document, read_optional
from tasks.core.layout import Workspace
from tasks.ensemble.manifest import EnsembleManifest
from tasks.predict.manifest import BundleKind
from tasks.train.curves import FILE as CURVES_FILE
from tasks.train.curves import Epoch, read_curves
from tasks.train.learned_numbers import FILE as LEARNED_FILE
from tasks.train.learned_numbers import LearnedNumbers
from tasks.train.manifest import FILE as MANIFEST_FILE
from tasks.train.manifest import RecipeManifest
from tasks.train.overlap_summary import FILE as OVERLAP_FILE
from tasks.train.overlap_summary import Overlap
from tasks.train.tables import FILE as TABLES_FILE
from tasks.train.tables import TablesManifest, tables_folder
from tasks.train.trees.manifest import TreesManifest
from tasks.train.validation_metrics import FILE as VALIDATION_FILE
from tasks.train.validation_metrics import CalibratedMetrics, FittedMetrics


@dataclass(frozen=True)
class FittedRecipe:
    """A challenger that was fitted.

    Attributes:
        name: the recipe.
        manifest: `manifest.json`.
        validation: seed -> metrics of the validation day.
        curves: epochs of `curves.csv`.
        overlap: `overlap.json`; None where the objective does not weigh by propensities.
        learned: `learned.json`; None where the objective learns no number worth showing.
        tables: manifest of the serving fit's compressed tables; None where they are stored as they were fitted.
    """

    name: str
    manifest: RecipeManifest
    validation: Mapping[int, FittedMetrics]
    curves: tuple[Epoch, ...]
    overlap: Overlap | None = None
    learned: LearnedNumbers | None = None
    tables: TablesManifest | None = None

    @classmethod
    def read(cls, folder: Path, name: str) -> "FittedRecipe":
        """Read the bundle of a recipe; errors are those of `read_document`."""
        stage = f"train@{name}"
        manifest = read_document(folder / MANIFEST_FILE, RecipeManifest, stage)
        return cls(
            name,
            manifest,
            read_document(folder / VALIDATION_FILE, dict[int, FittedMetrics], stage),
            read_curves(folder / CURVES_FILE, stage),
            read_optional(folder / OVERLAP_FILE, Overlap, stage),
            read_optional(folder / LEARNED_FILE, LearnedNumbers, stage),
            read_optional(tables_folder(folder, manifest.serving_seed) / TABLES_FILE, TablesManifest, stage),
        )


@dataclass(frozen=True)
class FittedTrees:
    """A challenger that was fitted and is made of trees.

    Attributes:
        name: the recipe.
        manifest: `manifest.json`.
        validation: seed -> metrics of the validation day.
        curves: lines of `curves.csv`; an epoch is a number of trees.
    """

    name: str
    manifest: TreesManifest
    validation: Mapping[int, CalibratedMetrics]
    curves: tuple[Epoch, ...]

    @classmethod
    def read(cls, folder: Path, name: str) -> "FittedTrees":
        """Read the bundle of a recipe of trees; errors are those of `read_document`."""
        stage = f"train@{name}"
        return cls(
            name,
            read_document(folder / MANIFEST_FILE, TreesManifest, stage),
            read_document(folder / VALIDATION_FILE, dict[int, CalibratedMetrics], stage),
            read_curves(folder / CURVES_FILE, stage),
        )


@dataclass(frozen=True)
class FittedEnsemble:
    """A challenger that averages fitted recipes: an ensemble.

    Attributes:
        name: the ensemble.
        manifest: `manifest.json`.
        validation: seed -> metrics of the validation day.
    """

    name: str
    manifest: EnsembleManifest
    validation: Mapping[int, CalibratedMetrics]

    @classmethod
    def read(cls, folder: Path, name: str) -> "FittedEnsemble":
        """Read the bundle of an ensemble; errors are those of `read_document`."""
        stage = f"ensemble@{name}"
        return cls(
            name,
            read_document(folder / MANIFEST_FILE, EnsembleManifest, stage),
            read_document(folder / VALIDATION_FILE, dict[int, CalibratedMetrics], stage),
        )


FittedBundle = FittedRecipe | FittedTrees | FittedEnsemble


def read_bundle(workspace: Workspace, name: str) -> FittedBundle:
    """Read the bundle of a challenger; errors are those of `read_document`."""
    if workspace.ensemble(name).is_dir():
        return FittedEnsemble.read(workspace.ensemble(name), name)
    folder = workspace.bundle(name)
    kind = read_document(folder / MANIFEST_FILE, BundleKind, f"train@{name}").kind
    return FittedTrees.read(folder, name) if kind == "trees" else FittedRecipe.read(folder, name)
