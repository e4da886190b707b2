"""Read what the stages of a night left, and say which stage to run where something is missing."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tasks.core.errors import DwellError
from tasks.core.files import hash_file, read_json
from tasks.core.layout import JUDGE_TABLE, Workspace
from tasks.gate.decision import Decision, load_decision
from tasks.registry.entry import MANIFEST, Entry

Kind = Literal["challenger", "champion", "baseline"]


class MissingArtifact(DwellError):
    """The page needs something that a stage has not written yet."""


@dataclass(frozen=True)
class Model:
    """One model as it was measured on the judge day.

    Attributes:
        name: recipe or baseline, or "champion".
        kind: its part in the night.
        folder: its predictions.
        metrics: `metrics.json`.
        segments: `segments.json`.
        reliability: rows of `reliability.csv`.
        serving_seed: the seed that serves, or would.
        truth: exposure -> metrics of the oracle stage; empty where the truth is not known.
    """

    name: str
    kind: Kind
    folder: Path
    metrics: Mapping[str, Any]
    segments: Sequence[Mapping[str, Any]]
    reliability: Sequence[Mapping[str, str]]
    serving_seed: int
    truth: Mapping[str, Any]

    def metric(self, name: str) -> Mapping[str, Any] | None:
        """Return one metric with its interval; None where the model does not have it."""
        found: Mapping[str, Any] | None = self.metrics["metrics"].get(name)
        return found


@dataclass(frozen=True)
class Bundle:
    """One fitted recipe, or an ensemble of some.

    Attributes:
        name: the recipe or ensemble.
        manifest: `manifest.json`.
        validation: seed -> metrics of the validation day.
        curves: rows of `curves.csv`; an ensemble has none.
        overlap: `overlap.json`; None where the objective does not weigh by propensities.
        learned: `learned.json`; None where the objective learns no number worth showing.
    """

    name: str
    manifest: Mapping[str, Any]
    validation: Mapping[str, Mapping[str, Any]]
    curves: Sequence[Mapping[str, str]]
    overlap: Mapping[str, Any] | None = None
    learned: Mapping[str, Any] | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """Recipes of an ensemble; empty for a recipe."""
        return tuple(member["name"] for member in self.manifest.get("members", ()))


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
    models: tuple[Model, ...]
    bundles: tuple[Bundle, ...]
    champion: Entry | None
    validation: Mapping[str, Any]
    scores: Mapping[str, Any]
    top_k: Path | None
    hashes: Mapping[str, str]
    fusion: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, workspace: Workspace) -> "Artifacts":
        """Read a workspace.

        Raises:
            MissingArtifact: naming the file and the stage that writes it.
            ContractError: if there is no decision, or it cannot be read.
        """
        decision = load_decision(workspace.gate)
        names = [verdict.name for verdict in decision.challengers]
        bundles = tuple(_bundle(workspace, name) for name in names)
        seeds = {bundle.name: int(bundle.manifest["serving_seed"]) for bundle in bundles}
        truths = _truths(workspace)
        measured_by = {b.name: f"evaluate_ensemble@{b.name}" if b.members else f"evaluate@{b.name}" for b in bundles}
        models = [
            _model(workspace.predictions(n), n, "challenger", measured_by[n], seeds[n], truths.get(n, {}))
            for n in names
        ]
        if decision.champion is not None:
            manifest = _json(workspace.champion / "entry/bundle/manifest.json", "champion")
            seed = int(manifest["serving_seed"])
            folder = workspace.predictions("champion")
            models.append(_model(folder, "champion", "champion", "evaluate_champion", seed, truths.get("champion", {})))
        baselines = workspace.predictions("baselines")
        for folder in sorted(path for path in baselines.glob("*") if path.is_dir()):
            models.append(_model(folder, folder.name, "baseline", "baselines", 0, {}))
        summary = workspace.validated / "summary.json"
        scores = _json(workspace.scores / "summary.json", "score")
        return cls(
            decision=decision,
            models=tuple(models),
            bundles=bundles,
            champion=_champion(workspace) if decision.champion is not None else None,
            validation=_json(summary, "validate"),
            scores=scores,
            top_k=_file(workspace.scores / "top_k.parquet", "score") if scores.get("model") else None,
            hashes={"data summary": hash_file(summary)}
            | {f"judge table of {model.name}": hash_file(model.folder / JUDGE_TABLE) for model in models},
            fusion=_optional(workspace.scores / "fusion.json"),
        )

    @cached_property
    def focus(self) -> Model:
        """The model the page is about: the one that serves, else the best challenger of the validation day."""
        if self.decision.winner is not None:
            return self.model(self.decision.winner)
        if self.decision.champion is not None:
            return self.model("champion")
        best = max(self.decision.challengers, key=lambda verdict: verdict.validation_xauc or 0)
        return self.model(best.name)

    @property
    def serving(self) -> Model | None:
        """The model that serves tomorrow."""
        return None if self.decision.verdict == "refuse" else self.focus

    @property
    def fitted(self) -> tuple[Model, ...]:
        """Challengers and champion."""
        return tuple(model for model in self.models if model.kind != "baseline")

    @property
    def baselines(self) -> tuple[Model, ...]:
        """What a user would pick instead."""
        return tuple(model for model in self.models if model.kind == "baseline")

    def model(self, name: str) -> Model:
        """Return one model; recipes come before a baseline of the same name."""
        return next(model for model in self.models if model.name == name)

    def label(self, name: str) -> str:
        """Return a model's name as the page shows it: the champion with its recipe, baselines without underscores."""
        if name == "champion" and self.champion is not None:
            return f"champion ({self.champion.recipe})"
        is_baseline = any(model.name == name for model in self.baselines)
        return name.replace("_", " ") if is_baseline else name


def _truths(workspace: Workspace) -> dict[str, Any]:
    """Return what the oracle stage measured, by model."""
    names = _json(workspace.oracle / "oracle.json", "oracle")["models"]
    return {name: _json(workspace.oracle / f"{name}.json", "oracle") for name in names}


def _model(folder: Path, name: str, kind: Kind, stage: str, serving_seed: int, truth: Mapping[str, Any]) -> Model:
    metrics = _json(folder / "metrics.json", stage)
    segments = _json(folder / "segments.json", stage)
    _file(folder / JUDGE_TABLE, stage)
    seeds = [int(seed) for seed in metrics["seeds"]]
    seed = serving_seed if serving_seed in seeds else seeds[0]
    return Model(name, kind, folder, metrics, segments, _csv(folder / "reliability.csv", stage), seed, truth)


def _bundle(workspace: Workspace, name: str) -> Bundle:
    if workspace.ensemble(name).is_dir():
        return _ensemble(workspace.ensemble(name), name)
    folder, stage = workspace.bundle(name), f"train@{name}"
    validation = _json(folder / "validation.json", stage)
    per_seed = _per_seed(validation)
    optional = [_optional(folder / name) for name in ("overlap.json", "learned.json")]
    return Bundle(name, _json(folder / "manifest.json", stage), per_seed, _csv(folder / "curves.csv", stage), *optional)


def _ensemble(folder: Path, name: str) -> Bundle:
    stage = f"ensemble@{name}"
    validation = _json(folder / "validation.json", stage)
    return Bundle(name, _json(folder / "manifest.json", stage), _per_seed(validation), ())


def _per_seed(validation: Mapping[str, Any]) -> dict[str, Any]:
    return {seed: values for seed, values in validation.items() if seed.isdigit()}


def _champion(workspace: Workspace) -> Entry:
    return Entry.model_validate(_json(workspace.champion / "entry" / MANIFEST, "champion"))


def _file(path: Path, stage: str) -> Path:
    if not path.is_file():
        raise MissingArtifact(f"{path} does not exist: run the stage {stage} first")
    return path


def _optional(path: Path) -> Any:
    return read_json(path) if path.is_file() else None


def _json(path: Path, stage: str) -> Any:
    return read_json(_file(path, stage))


def _csv(path: Path, stage: str) -> list[dict[str, str]]:
    with _file(path, stage).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
