"""The evaluation stage: a prediction table in, metrics as files out.

metrics.json      every number with its uncertainty (numbers to ten significant digits; null: undefined)
segments.json     main metrics of every segment
reliability.csv   calibration tables
served_value.json what users would watch if the score chose; only where the log holds exposure probabilities
debiased.json     seconds and errors under uniform exposure by learned propensities; only where `evaluation.nuisance` asks for it
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.core.files import csv_text, write_json, write_text
from tasks.core.layout import METRICS_FILE
from tasks.evaluate.catalogue import MAIN, metric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import (
    DEBIASED_FILE,
    SEGMENTS_FILE,
    SERVED_VALUE_FILE,
    ExposedMetrics,
    HeadlineMetric,
    MeasuredSegment,
    ModelMetrics,
)
from tasks.evaluate.evaluation import Evaluation, measure
from tasks.evaluate.nuisance.debiased import debiased
from tasks.evaluate.reliability import FILE as RELIABILITY_FILE
from tasks.evaluate.reliability import CalibrationBin
from tasks.evaluate.served_value import served_value

DIGITS = 10


def evaluate(
    predictions: Path,
    config: EvaluationConfig,
    out: Path,
    *,
    name: str | None = None,
    duration_edges_s: Sequence[float] | None = None,
    frozen: bool = False,
) -> Evaluation:
    """Measure one model on the judge day and write the files above into `out`.

    Args:
        predictions: the judge day's prediction table.
        config: what is computed.
        out: folder of the files; usually the one the table lies in.
        name: the model's name; None: the name of the table's folder.
        duration_edges_s: duration edges of the fit days; None: those of these rows.
        frozen: whether the features of several judge days are of the morning of the first.

    Raises:
        ContractError: if a table or a column is missing.
        PredictionError: if a prediction is NaN or infinite.
    """
    called = name or predictions.parent.name
    evaluation = measure(predictions, config, name=called, duration_edges_s=duration_edges_s, frozen=frozen)
    write_json(out / METRICS_FILE, rounded(model_metrics(evaluation, config).as_json()))
    segments = [MeasuredSegment.model_validate(part) for part in evaluation.segments]
    write_json(out / SEGMENTS_FILE, rounded([part.as_json() for part in segments]))
    write_text(out / RELIABILITY_FILE, reliability_csv(evaluation.reliability))
    if (value := served_value(predictions, config)) is not None:
        write_json(out / SERVED_VALUE_FILE, rounded(value.as_json()))
    if config.nuisance is not None:
        write_json(out / DEBIASED_FILE, rounded(debiased(predictions, config, config.nuisance).as_json()))
    return evaluation


def write_summary(
    evaluation: Evaluation, metrics_file: Path, plots_folder: Path, validation_xauc: float | None = None
) -> None:
    """Write what `dvc metrics show` and `dvc plots` read: a flat JSON file, narrow enough for a terminal, and calibration tables.

    Args:
        evaluation: what `evaluate` returned; `metrics.json` has all of it.
        metrics_file: `metrics/NAME.json`.
        plots_folder: `plots/NAME`.
        validation_xauc: of the validation day, which experiments are compared by: the judge day selects nothing.
    """
    metrics = evaluation.metrics
    flat: dict[str, Any] = {name: metrics[name].value for name in MAIN}
    flat |= {"xauc_se": metrics["xauc"].standard_error, "validation_xauc": validation_xauc}
    write_json(metrics_file, {name: value for name, value in rounded(flat).items() if value is not None})
    write_text(plots_folder / RELIABILITY_FILE, reliability_csv(evaluation.reliability))


def rounded(value: Any) -> Any:
    """Return a document with floats rounded to ten significant digits, and undefined ones as None."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value


def reliability_csv(bins: Sequence[CalibrationBin]) -> str:
    """Return the calibration tables as CSV."""
    return csv_text([list(CalibrationBin.model_fields), *(rounded(list(item.as_json().values())) for item in bins)])


def model_metrics(evaluation: Evaluation, config: EvaluationConfig) -> ModelMetrics:
    """Return what `metrics.json` says, not yet rounded."""
    return ModelMetrics(
        name=evaluation.name,
        role=evaluation.role,
        days=evaluation.days,
        rows=evaluation.rows,
        users=evaluation.users,
        seeds=evaluation.seeds,
        metrics={
            name: HeadlineMetric(
                **asdict(estimate), column=metric(name).column, higher_is_better=metric(name).higher_is_better
            )
            for name, estimate in evaluation.metrics.items()
        },
        random_exposure={part.exposure: ExposedMetrics.model_validate(part) for part in evaluation.exposures},
        duration_edges_s=evaluation.duration_edges_s,
        warnings=evaluation.warnings,
        config=config,
    )
