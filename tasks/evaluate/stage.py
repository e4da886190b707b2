"""The evaluation stage: a prediction table in, metrics as files out.

metrics.json      every number with its uncertainty (numbers to ten significant digits; null: undefined)
segments.json     main metrics of every segment
reliability.csv   calibration tables
served_value.json what users would watch if the score chose; only where the log holds exposure probabilities
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tasks.core.files import write_json, write_text
from tasks.evaluate.catalogue import SUMMARY, SUMMARY_INTERVALS, metric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Estimate
from tasks.evaluate.evaluation import Evaluation, measure
from tasks.evaluate.random_exposure import ExposureEstimate
from tasks.evaluate.reliability import ReliabilityBin
from tasks.evaluate.segments import SegmentMetrics
from tasks.evaluate.served_value import SERVED_VALUE_FILE, served_value

DIGITS = 10


def evaluate(
    predictions: Path,
    config: EvaluationConfig,
    out: Path,
    *,
    name: str | None = None,
    duration_edges_s: Sequence[float] | None = None,
) -> Evaluation:
    """Measure one model on the judge day and write the files above into `out`.

    Args:
        predictions: the judge day's prediction table.
        config: what is computed.
        out: folder of the files; usually the one the table lies in.
        name: the model's name; None: the name of the table's folder.
        duration_edges_s: duration edges of the fit days; None: those of these rows.

    Raises:
        ContractError: if a table or a column is missing.
        PredictionError: if a prediction is NaN or infinite.
    """
    evaluation = measure(predictions, config, name=name or predictions.parent.name, duration_edges_s=duration_edges_s)
    write_json(out / "metrics.json", rounded(_metrics_document(evaluation, config)))
    write_json(out / "segments.json", rounded([_segment(part) for part in evaluation.segments]))
    write_text(out / "reliability.csv", reliability_csv(evaluation.reliability))
    if (value := served_value(predictions, config)) is not None:
        write_json(out / SERVED_VALUE_FILE, rounded(value))
    return evaluation


def write_summary(evaluation: Evaluation, metrics_file: Path, plots_folder: Path) -> None:
    """Write what `dvc metrics show` and `dvc plots` read: one flat JSON file and the calibration tables.

    Args:
        evaluation: what `evaluate` returned.
        metrics_file: `metrics/NAME.json`.
        plots_folder: `plots/NAME`.
    """
    chosen = {name: evaluation.metrics[name] for name in SUMMARY if name in evaluation.metrics}
    flat: dict[str, Any] = {"rows": evaluation.rows, "users": evaluation.users}
    flat |= {name: estimate.value for name, estimate in chosen.items()}
    for name in SUMMARY_INTERVALS:
        flat |= {f"{name}_low": chosen[name].low, f"{name}_high": chosen[name].high}
    defined = {name: value for name, value in rounded(flat).items() if value is not None}
    write_json(metrics_file, defined)
    write_text(plots_folder / "reliability.csv", reliability_csv(evaluation.reliability))


def rounded(value: Any) -> Any:
    """Return a document with floats rounded to ten significant digits, and undefined ones as None."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value


def reliability_csv(bins: Sequence[ReliabilityBin]) -> str:
    """Return the calibration tables as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(ReliabilityBin)])
    writer.writerows(rounded(list(asdict(item).values())) for item in bins)
    return text.getvalue()


def _metrics_document(evaluation: Evaluation, config: EvaluationConfig) -> dict[str, Any]:
    return {
        "name": evaluation.name,
        "role": evaluation.role,
        "days": evaluation.days,
        "rows": evaluation.rows,
        "users": evaluation.users,
        "seeds": evaluation.seeds,
        "metrics": {
            name: {**asdict(estimate), "column": metric(name).column, "higher_is_better": metric(name).higher_is_better}
            for name, estimate in evaluation.metrics.items()
        },
        "random_exposure": {part.exposure: exposure_document(part) for part in evaluation.exposures},
        "duration_edges_s": evaluation.duration_edges_s,
        "warnings": evaluation.warnings,
        "config": config.model_dump(mode="json"),
    }


def exposure_document(part: ExposureEstimate) -> dict[str, Any]:
    """Return the metrics under one exposure as they stand in `metrics.json`."""
    return {
        "rows": part.rows,
        "metrics": _short(part.metrics),
        "diagnostics": dict(part.diagnostics),
        "reason": part.reason,
    }


def _segment(part: SegmentMetrics) -> dict[str, Any]:
    return {
        "segment": part.segment,
        "value": part.value,
        "rows": part.rows,
        "users": part.users,
        "metrics": _short(part.metrics),
    }


def _short(metrics: Mapping[str, Estimate]) -> dict[str, Any]:
    kept = ("value", "low", "high", "standard_error", "seed_sd", "rows")
    return {name: {field: getattr(estimate, field) for field in kept} for name, estimate in metrics.items()}
