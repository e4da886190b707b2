"""All models and baselines of a night in one table, each with its intervals and its paired difference to one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.core.document import read_document
from tasks.core.errors import ConfigError
from tasks.core.layout import JUDGE_TABLE, METRICS_FILE
from tasks.evaluate.catalogue import PAIRED
from tasks.evaluate.compare import compare
from tasks.evaluate.comparison import PairedMetric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import MeasuredNumber, ModelMetrics
from tasks.evaluate.stage import rounded


@dataclass(frozen=True)
class LeaderboardLine:
    """One model beside the others.

    Attributes:
        name: the model.
        measured: what was measured of it alone.
        differences: paired metric -> candidate - reference (`rmse_ratio`: candidate / reference - 1).
    """

    name: str
    measured: ModelMetrics
    differences: Mapping[str, MeasuredNumber]

    @property
    def xauc(self) -> float | None:
        """What the table is sorted by."""
        return self.measured.metrics["xauc"].value


def leaderboard(models: Mapping[str, Path], reference: str, config: EvaluationConfig) -> tuple[LeaderboardLine, ...]:
    """Return one line per model, best XAUC first.

    Args:
        models: model name -> folder that holds its `judge.parquet` and `metrics.json`.
        reference: the model that differences are taken to.
        config: how uncertainty is drawn.

    Raises:
        ConfigError: if the reference is not among the models.
        MissingArtifact: if a model has not been evaluated.
        PredictionError: if two tables do not hold the same rows.
    """
    if reference not in models:
        raise ConfigError(f"leaderboard: reference {reference!r} is none of {', '.join(sorted(models))}")
    documents = {
        name: read_document(folder / METRICS_FILE, ModelMetrics, f"that evaluates {name}")
        for name, folder in models.items()
    }
    edges = documents[reference].duration_edges_s
    lines = []
    for name, folder in models.items():
        compared = compare([folder / JUDGE_TABLE], [models[reference] / JUDGE_TABLE], config, edges).metrics
        lines.append(LeaderboardLine(name, documents[name], _paired(compared)))
    return tuple(sorted(lines, key=_place))


def _place(line: LeaderboardLine) -> tuple[bool, float, str]:
    return (True, 0.0, line.name) if line.xauc is None else (False, -line.xauc, line.name)


def _paired(metrics: Mapping[str, PairedMetric]) -> dict[str, MeasuredNumber]:
    found = {name: metrics[name] for name in PAIRED}
    return {
        name: MeasuredNumber.model_validate(rounded({"value": pair.value, "low": pair.low, "high": pair.high}))
        for name, pair in found.items()
    }
