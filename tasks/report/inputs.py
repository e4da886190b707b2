"""Read what the stages of a night left, and say which stage to run where something is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tasks.attribution.document import LAST_FILE, Importance, LastRanks, read_importance
from tasks.candidates.document import ProposerMetrics
from tasks.core.document import existing, read_document, read_optional
from tasks.core.files import hash_file
from tasks.core.layout import JUDGE_TABLE, METRICS_FILE, Workspace
from tasks.evaluate.change import Chain
from tasks.gate.decision import ChallengerVerdict, Decision, load_decision
from tasks.oracle.document import SUMMARY as ORACLE_FILE
from tasks.oracle.document import OracleResult, TrueMetrics
from tasks.registry.entry import BUNDLE, Entry
from tasks.registry.entry import MANIFEST as ENTRY_FILE
from tasks.registry.forecast import FILE as FORECAST_FILE
from tasks.registry.forecast import NightForecast
from tasks.report.changes import chain_of
from tasks.report.fitted import FittedBundle, FittedEnsemble, FittedRecipe, read_bundle
from tasks.report.measured import MeasuredModel
from tasks.score.fusion.document import FILE as FUSION_FILE
from tasks.score.fusion.document import FusionDocument
from tasks.score.summary import FILE as SCORES_FILE
from tasks.score.summary import ScoreSummary
from tasks.train.manifest import FILE as MANIFEST_FILE
from tasks.train.manifest import BundleManifest
from tasks.validate.summary import FILE as DATA_FILE
from tasks.validate.summary import DataSummary


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
        forecast: `artifacts/forecast/forecast.json`.
        fusion: `artifacts/scores/fusion.json`; None where watch time alone orders the lists.
        importance: what the challengers that are networks read.
        proposers: how the night's proposers did, by name.
        proposer_folder: where they lie.
        last_ranks: the same of the last night that has any; None where none has.
        chain: tables between the last night's headline and this one's; None where there is none, or it is not at hand.
    """

    decision: Decision
    models: tuple[MeasuredModel, ...]
    bundles: tuple[FittedBundle, ...]
    champion: Entry | None
    validation: DataSummary
    scores: ScoreSummary
    top_k: Path | None
    hashes: Mapping[str, str]
    forecast: NightForecast
    fusion: FusionDocument | None = None
    importance: tuple[Importance, ...] = ()
    last_ranks: LastRanks | None = None
    chain: Chain | None = None
    proposers: tuple[ProposerMetrics, ...] = ()
    proposer_folder: Path = Path()

    @classmethod
    def read(cls, workspace: Workspace, decision: Decision | None = None) -> "Artifacts":
        """Read a workspace.

        Args:
            workspace: where the stages have run.
            decision: in place of the one that the gate wrote; None: that one.

        Raises:
            MissingArtifact: naming the file and the stage that writes it.
            ContractError: if there is no decision, or a file is not what its stage writes today: the workspace holds a
                night of another version.
        """
        decision = load_decision(workspace.gate) if decision is None else decision
        bundles = tuple(read_bundle(workspace, verdict.name) for verdict in decision.challengers)
        models = _models(workspace, bundles, with_champion=decision.champion is not None)
        champion = _champion(workspace) if decision.champion is not None else None
        summary = workspace.validated / DATA_FILE
        scores = read_document(workspace.scores / SCORES_FILE, ScoreSummary, "score")
        return cls(
            decision=decision,
            models=models,
            bundles=bundles,
            champion=champion,
            validation=read_document(summary, DataSummary, "validate"),
            scores=scores,
            top_k=existing(workspace.scores / "top_k.parquet", "score") if scores.model else None,
            hashes={"data summary": hash_file(summary)}
            | {f"judge table of {model.name}": hash_file(model.folder / JUDGE_TABLE) for model in models},
            forecast=read_document(workspace.forecast / FORECAST_FILE, NightForecast, "forecast"),
            fusion=read_optional(workspace.scores / FUSION_FILE, FusionDocument, "score"),
            importance=_importance(workspace, bundles),
            last_ranks=read_optional(workspace.champion / LAST_FILE, LastRanks, "champion"),
            chain=chain_of(workspace, decision, champion),
            proposers=_proposers(workspace.all_proposers),
            proposer_folder=workspace.all_proposers,
        )

    @cached_property
    def focus(self) -> MeasuredModel:
        """The model the page is about: the one that serves, else the best challenger of the validation day."""
        if self.decision.winner is not None:
            return self.model(self.decision.winner)
        if self.decision.champion is not None:
            return self.model("champion")
        return self.model(self.best.name)

    @property
    def best(self) -> ChallengerVerdict:
        """The challenger that won; else one that passed before any that did not, and the best of the validation day."""
        if self.decision.winner is not None:
            return self.decision.challenger(self.decision.winner)
        return max(self.decision.challengers, key=lambda verdict: (verdict.passed, verdict.validation_xauc or 0))

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


def _proposers(folder: Path) -> tuple[ProposerMetrics, ...]:
    return tuple(
        read_document(one / METRICS_FILE, ProposerMetrics, f"candidates@{one.name}") for one in sorted(folder.glob("*"))
    )


def _models(
    workspace: Workspace, bundles: tuple[FittedBundle, ...], *, with_champion: bool
) -> tuple[MeasuredModel, ...]:
    truths = _truths(workspace)
    models = []
    for bundle in bundles:
        name, seed = bundle.name, bundle.manifest.serving_seed
        stage = f"evaluate@{name}" if not isinstance(bundle, FittedEnsemble) else f"evaluate_ensemble@{name}"
        truth = truths.get(name, {})
        models.append(MeasuredModel.read(workspace.predictions(name), name, "challenger", stage, seed, truth))
    if with_champion:
        manifest = read_document(workspace.champion / "entry" / BUNDLE / MANIFEST_FILE, BundleManifest, "champion")
        folder, seed, truth = workspace.predictions("champion"), manifest.serving_seed, truths.get("champion", {})
        models.append(MeasuredModel.read(folder, "champion", "champion", "evaluate_champion", seed, truth))
    baselines = workspace.predictions("baselines")
    for folder in sorted(path for path in baselines.glob("*") if path.is_dir()):
        models.append(MeasuredModel.read(folder, folder.name, "baseline", "baselines", 0, {}))
    return tuple(models)


def _importance(workspace: Workspace, bundles: tuple[FittedBundle, ...]) -> tuple[Importance, ...]:
    found = (read_importance(workspace.predictions(bundle.name), bundle.name) for bundle in bundles)
    return tuple(one for one in found if one is not None)


def _truths(workspace: Workspace) -> dict[str, TrueMetrics]:
    """Return what the oracle stage measured, by model."""
    names = read_document(workspace.oracle / ORACLE_FILE, OracleResult, "oracle").models
    return {name: read_document(workspace.oracle / f"{name}.json", TrueMetrics, "oracle") for name in names}


def _champion(workspace: Workspace) -> Entry:
    return read_document(workspace.champion / "entry" / ENTRY_FILE, Entry, "champion")
