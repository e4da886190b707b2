"""All models and baselines of a night in one table, each with its intervals and its paired difference to one of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import read_json
from tasks.core.layout import JUDGE_TABLE
from tasks.evaluate.catalogue import LEADERBOARD, PAIRED
from tasks.evaluate.compare import compare
from tasks.evaluate.comparison import PairedMetric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.stage import rounded


def leaderboard(models: Mapping[str, Path], reference: str, config: EvaluationConfig) -> pl.DataFrame:
    """Return one row per model, best XAUC first.

    Columns: `name`, `num_seeds`, then per metric `<metric>`, `_low`, `_high`, `_seed_sd`, then per paired metric
    `<metric>_delta`, `_delta_low`, `_delta_high` against the reference (`rmse_ratio` is candidate / reference - 1).
    A metric that a model does not have is null.

    Args:
        models: model name -> folder that holds its `judge.parquet` and `metrics.json`.
        reference: the model that differences are taken to.
        config: how uncertainty is drawn.

    Raises:
        ConfigError: if the reference is not among the models.
        ContractError: if a model has not been evaluated.
        PredictionError: if two tables do not hold the same rows.
    """
    if reference not in models:
        raise ConfigError(f"leaderboard: reference {reference!r} is none of {', '.join(sorted(models))}")
    documents = {name: _document(name, folder) for name, folder in models.items()}
    edges = documents[reference]["duration_edges_s"]
    lines = []
    for name, folder in models.items():
        compared = compare([folder / JUDGE_TABLE], [models[reference] / JUDGE_TABLE], config, edges).metrics
        measured = _measured(documents[name]["metrics"])
        lines.append({"name": name, "num_seeds": len(documents[name]["seeds"]), **measured, **_paired(compared)})
    frame = pl.DataFrame(rounded(lines), infer_schema_length=None)
    return frame.sort("xauc", "name", descending=[True, False], nulls_last=True)


def _document(name: str, folder: Path) -> dict[str, Any]:
    path = folder / "metrics.json"
    if not path.is_file():
        raise ContractError(f"leaderboard: {name} has no {path}: evaluate it first")
    document: dict[str, Any] = read_json(path)
    return document


def _measured(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    line: dict[str, float | None] = {}
    for name in LEADERBOARD:
        estimate = metrics.get(name, {})
        line[name] = estimate.get("value")
        line |= {f"{name}_{field}": estimate.get(field) for field in ("low", "high", "seed_sd")}
    return line


def _paired(metrics: Mapping[str, PairedMetric]) -> dict[str, float]:
    line = {}
    for name in PAIRED:
        line[f"{name}_delta"] = metrics[name].value
        line |= {f"{name}_delta_low": metrics[name].low, f"{name}_delta_high": metrics[name].high}
    return line
