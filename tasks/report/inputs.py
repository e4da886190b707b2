"""Read what the stages of a night left, and say which stage to run where something is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tasks.core.document import existing, read_document, read_optional, read_rows
from tasks.core.files import hash_file
from tasks.core.layout import JUDGE_TABLE, Workspace
from tasks.ensemble.manifest import EnsembleManifest
from tasks.evaluate.document import (
    METRICS_FILE,
    SEGMENTS_FILE,
    SERVED_VALUE_FILE,
    ExposedMetrics,
    HeadlineMetric,
    MeasuredSegment,
    ModelMetrics,
    ServedValue,
)
from tasks.evaluate.reliability import FILE as RELIABILITY_FILE
from tasks.evaluate.reliability import CalibrationBin
from tasks.gate.decision import Decision, load_decision
from tasks.oracle.document import SUMMARY as ORACLE_FILE
from tasks.oracle.document import OracleResult, TrueMetrics
from tasks.registry.entry import BUNDLE, Entry
from tasks.registry.entry import MANIFEST as ENTRY_FILE
from tasks.score.fusion.document import FILE as FUSION_FILE
from tasks.score.fusion.document import FusionDocument
from tasks.score.summary import FILE as SCORES_FILE
from tasks.score.summary import ScoreSummary
from tasks.trade_off.curves import FILE as TRADE_OFF_FILE
from tasks.trade_off.curves import TradeOffCurves
from tasks.train.curves import FILE as CURVES_FILE
from tasks.train.curves import Epoch, read_curves
from tasks.train.learned_numbers import FILE as LEARNED_FILE
from tasks.train.learned_numbers import LearnedNumbers
from tasks.train.manifest import FILE as MANIFEST_FILE
from tasks.train.manifest import BundleManifest, RecipeManifest
from tasks.train.overlap_summary import FILE as OVERLAP_FILE
from tasks.train.overlap_summary import Overlap
from tasks.train.validation_metrics import FILE as VALIDATION_FILE
from tasks.train.validation_metrics import CalibratedMetrics, FittedMetrics
from tasks.validate.summary import FILE as DATA_FILE
from tasks.validate.summary import DataSummary

ModelKind = Literal["challenger", "champion", "baseline"]


@dataclass(frozen=True)
class MeasuredModel:
    """One model as it was measured on the judge day.

    Attributes:
        name: recipe or baseline, or "champion".
        kind: its part in the night.
        folder: its predictions.
        metrics: `metrics.json`.
        segments: `segments.json`.
        reliability: lines of `reliability.csv`.
        serving_seed: the seed that serves, or would.
        truth: exposure -> metrics of the oracle stage; empty where the truth is not known.
        trade_off: `trade_off.json`; None where the recipe has no dial.
        served_value: `served_value.json`; None where no row logged the probability of its exposure.
    """

    name: str
    kind: ModelKind
    folder: Path
    metrics: ModelMetrics
    segments: tuple[MeasuredSegment, ...]
    reliability: tuple[CalibrationBin, ...]
    serving_seed: int
    truth: TrueMetrics
    trade_off: TradeOffCurves | None
    served_value: ServedValue | None

    def metric(self, name: str) -> HeadlineMetric | None:
        """Return one metric with its interval; None where the model does not have it."""
        return self.metrics.metrics.get(name)

    @property
    def exposures(self) -> Mapping[str, ExposedMetrics]:
        """Everything known about the model by exposure, the truth too."""
        return dict([*self.metrics.random_exposure.items(), *self.truth.items()])


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
    """

    name: str
    manifest: RecipeManifest
    validation: Mapping[int, FittedMetrics]
    curves: tuple[Epoch, ...]
    overlap: Overlap | None = None
    learned: LearnedNumbers | None = None

    @classmethod
    def read(cls, folder: Path, name: str) -> "FittedRecipe":
        """Read the bundle of a recipe; errors are those of `read_document`."""
        stage = f"train@{name}"
        return cls(
            name,
            read_document(folder / MANIFEST_FILE, RecipeManifest, stage),
            read_document(folder / VALIDATION_FILE, dict[int, FittedMetrics], stage),
            read_curves(folder / CURVES_FILE, stage),
            read_optional(folder / OVERLAP_FILE, Overlap, stage),
            read_optional(folder / LEARNED_FILE, LearnedNumbers, stage),
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


FittedBundle = FittedRecipe | FittedEnsemble


@dataclass(frozen=True)
class Artifacts:
    """Everything the page shows.

    Attributes:
        decision: the gate's.
        models: every model of the night: challengers in order, then the champion, then the baselines.
        bundles: the challengers as fitted.
        champion: registry entry of the champion that was challenged; None on the first night.
        validation: `data/validated/summary.json`.
        scores: `artifacts/scores/summary.json`.
        top_k: the lists of tomorrow; None where nothing serves.
        hashes: judge table -> SHA-256, and that of the data summary.
        fusion: `artifacts/scores/fusion.json`; None where watch time alone orders the lists.
    """

    decision: Decision
    models: tuple[MeasuredModel, ...]
    bundles: tuple[FittedBundle, ...]
    champion: Entry | None
    validation: DataSummary
    scores: ScoreSummary
    top_k: Path | None
    hashes: Mapping[str, str]
    fusion: FusionDocument | None = None

    @classmethod
    def read(cls, workspace: Workspace) -> "Artifacts":
        """Read a workspace.

        Raises:
            MissingArtifact: naming the file and the stage that writes it.
            ContractError: if there is no decision, or a file is not what its stage writes today: the workspace holds a
                night of another version.
        """
        decision = load_decision(workspace.gate)
        bundles = tuple(_bundle(workspace, verdict.name) for verdict in decision.challengers)
        models = _models(workspace, bundles, with_champion=decision.champion is not None)
        summary = workspace.validated / DATA_FILE
        scores = read_document(workspace.scores / SCORES_FILE, ScoreSummary, "score")
        return cls(
            decision=decision,
            models=models,
            bundles=bundles,
            champion=_champion(workspace) if decision.champion is not None else None,
            validation=read_document(summary, DataSummary, "validate"),
            scores=scores,
            top_k=existing(workspace.scores / "top_k.parquet", "score") if scores.model else None,
            hashes={"data summary": hash_file(summary)}
            | {f"judge table of {model.name}": hash_file(model.folder / JUDGE_TABLE) for model in models},
            fusion=read_optional(workspace.scores / FUSION_FILE, FusionDocument, "score"),
        )

    @cached_property
    def focus(self) -> MeasuredModel:
        """The model the page is about: the one that serves, else the best challenger of the validation day."""
        if self.decision.winner is not None:
            return self.model(self.decision.winner)
        if self.decision.champion is not None:
            return self.model("champion")
        best = max(self.decision.challengers, key=lambda verdict: verdict.validation_xauc or 0)
        return self.model(best.name)

    @property
    def serving(self) -> MeasuredModel | None:
        """The model that serves tomorrow."""
        return None if self.decision.verdict == "refuse" else self.focus

    @property
    def fitted(self) -> tuple[MeasuredModel, ...]:
        """Challengers and champion."""
        return tuple(model for model in self.models if model.kind != "baseline")

    @property
    def baselines(self) -> tuple[MeasuredModel, ...]:
        """What a user would pick instead."""
        return tuple(model for model in self.models if model.kind == "baseline")

    @property
    def recipes(self) -> tuple[FittedRecipe, ...]:
        """Challengers that are no ensemble."""
        return tuple(bundle for bundle in self.bundles if isinstance(bundle, FittedRecipe))

    def model(self, name: str) -> MeasuredModel:
        """Return one model; recipes come before a baseline of the same name."""
        return next(model for model in self.models if model.name == name)

    def label(self, name: str) -> str:
        """Return a model's name as the page shows it: the champion with its recipe, baselines without underscores."""
        if name == "champion" and self.champion is not None:
            return f"champion ({self.champion.recipe})"
        is_baseline = any(model.name == name for model in self.baselines)
        return name.replace("_", " ") if is_baseline else name


def _bundle(workspace: Workspace, name: str) -> FittedBundle:
    if workspace.ensemble(name).is_dir():
        return FittedEnsemble.read(workspace.ensemble(name), name)
    return FittedRecipe.read(workspace.bundle(name), name)


def _models(
    workspace: Workspace, bundles: tuple[FittedBundle, ...], *, with_champion: bool
) -> tuple[MeasuredModel, ...]:
    truths = _truths(workspace)
    models = []
    for bundle in bundles:
        stage = "evaluate" if isinstance(bundle, FittedRecipe) else "evaluate_ensemble"
        folder, seed = workspace.predictions(bundle.name), bundle.manifest.serving_seed
        models.append(
            _model(folder, bundle.name, "challenger", f"{stage}@{bundle.name}", seed, truths.get(bundle.name, {}))
        )
    if with_champion:
        manifest = read_document(workspace.champion / "entry" / BUNDLE / MANIFEST_FILE, BundleManifest, "champion")
        folder, seed, truth = workspace.predictions("champion"), manifest.serving_seed, truths.get("champion", {})
        models.append(_model(folder, "champion", "champion", "evaluate_champion", seed, truth))
    baselines = workspace.predictions("baselines")
    for folder in sorted(path for path in baselines.glob("*") if path.is_dir()):
        models.append(_model(folder, folder.name, "baseline", "baselines", 0, {}))
    return tuple(models)


def _truths(workspace: Workspace) -> dict[str, TrueMetrics]:
    """Return what the oracle stage measured, by model."""
    names = read_document(workspace.oracle / ORACLE_FILE, OracleResult, "oracle").models
    return {name: read_document(workspace.oracle / f"{name}.json", TrueMetrics, "oracle") for name in names}


def _model(
    folder: Path, name: str, kind: ModelKind, stage: str, serving_seed: int, truth: TrueMetrics
) -> MeasuredModel:
    metrics = read_document(folder / METRICS_FILE, ModelMetrics, stage)
    existing(folder / JUDGE_TABLE, stage)
    return MeasuredModel(
        name,
        kind,
        folder,
        metrics,
        read_document(folder / SEGMENTS_FILE, tuple[MeasuredSegment, ...], stage),
        read_rows(folder / RELIABILITY_FILE, CalibrationBin, stage),
        serving_seed if serving_seed in metrics.seeds else metrics.seeds[0],
        truth,
        read_optional(folder / TRADE_OFF_FILE, TradeOffCurves, stage),
        read_optional(folder / SERVED_VALUE_FILE, ServedValue, stage),
    )


def _champion(workspace: Workspace) -> Entry:
    return read_document(workspace.champion / "entry" / ENTRY_FILE, Entry, "champion")
