"""The baselines stage: fits every configured baseline and writes its predictions of the judge day.

NAME/judge.parquet    the prediction table, laid out as that of a recipe with one seed, 0
NAME/baseline.json    what is worth knowing of the fit
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from models.heads.base import TrainLabels
from models.heads.duration_groups import duration_cuts
from tasks.baselines.base import Baseline
from tasks.baselines.config import BaselineConfig
from tasks.baselines.registry import BASELINES
from tasks.baselines.rows import BASE_COLUMNS, Examples, ExampleSelection, Floats, read_examples
from tasks.core.days import Days
from tasks.core.errors import TrainingError
from tasks.core.files import write_json, writing
from tasks.core.layout import JUDGE_TABLE
from tasks.core.predictions import (
    MEAN,
    MEDIAN,
    SCORE,
    SOURCE_COLUMNS,
    bound_metadata,
    prediction_rows,
    seed_columns,
)
from tasks.evaluate.role import refuse_judge
from tasks.features.buckets import midnight_ms
from tasks.table.rows import seconds, watch_seconds
from tasks.table.source import FeatureFolder
from tasks.train.calibrate import Calibration, ValidationRows, calibrate

SEED = 0


@dataclass(frozen=True)
class BaselineResult:
    """What the stage wrote.

    Attributes:
        tables: baseline -> its prediction table of the judge day, in the order configured.
        duration_edges_s: edges of equal-count duration groups of the fit days, for the evaluation.
    """

    tables: Mapping[str, Path]
    duration_edges_s: tuple[float, ...]


def fit_baselines(
    features: Path, days: Days, config: BaselineConfig, out: Path, truncate_watch: bool = True
) -> BaselineResult:
    """Fit on fit days, stop and calibrate on the validation day, predict the judge day(s).

    Args:
        features: folder that the features stage wrote.
        days: roles of the days.
        config: which baselines.
        out: folder to write, replaced as a whole.
        truncate_watch: whether the label is min(play, duration), as in the table of the recipes.

    Raises:
        ContractError: if a day or a column is missing.
        TrainingError: if the fit, validation or judge days hold no row.
    """
    source = FeatureFolder.open(features)
    edges: Floats | None = None
    with writing(out) as temporary:
        for name in config.enabled:
            kind = BASELINES[name]
            fit, validation = _examples(source, days, kind, config, truncate_watch)
            edges = duration_cuts(fit.duration_s, config.calibration.groups) if edges is None else edges
            baseline = kind.fit(fit, validation, config)
            calibration = fit_calibration(baseline, fit, validation, days.validation, config)
            del fit, validation
            refused = calibration.refused if calibration else None
            write_json(temporary / name / "baseline.json", {**baseline.about(), "calibration_refused": refused})
            columns = (*BASE_COLUMNS, *SOURCE_COLUMNS, *kind.features(source, config))
            parts = (
                _predicted(baseline, calibration, frame, where, truncate_watch)
                for frame, where in _chunks(source, days.judge, tuple(dict.fromkeys(columns)))
            )
            _write_table(parts, truncate_watch, days.judge, temporary / name / JUDGE_TABLE)
        temporary.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Path] = {name: out / name / JUDGE_TABLE for name in config.enabled}
    return BaselineResult(tables, () if edges is None else tuple(edges.tolist()))


def fit_calibration(
    baseline: Baseline, fit: Examples, validation: Examples, day: dt.date, config: BaselineConfig
) -> Calibration | None:
    """Fit the calibrators of the validation day, the same that every recipe has.

    Raises:
        RoleError: if rows of the judge day are given.
    """
    refuse_judge(validation.role, "a calibrator")
    if not baseline.calibrated:
        return None
    user = validation.frame["user_id"].to_numpy()
    rows = ValidationRows(validation.watch_s, validation.duration_s, user, day.isoformat())
    predicted = baseline.predict(validation.frame, validation.where)
    labels = TrainLabels(fit.watch_s, fit.duration_s, truncated=fit.truncate_watch)
    return calibrate(predicted, rows, labels, config.calibration)


def _examples(
    source: FeatureFolder, days: Days, kind: type[Baseline], config: BaselineConfig, truncate_watch: bool
) -> tuple[Examples, Examples]:
    """Return fit and validation rows as known when the judge day began."""
    cutoff_ms = midnight_ms(days.judge[0], source.timezone)
    columns, limit = kind.features(source, config), kind.max_fit_rows(config)
    selection = ExampleSelection(columns, cutoff_ms, limit, truncate_watch)
    fit = read_examples(source, days.fit, "fit", selection)
    return fit, read_examples(source, (days.validation,), "validation", selection)


def _write_table(parts: Iterable[pl.DataFrame], truncate_watch: bool, days: Sequence[dt.date], out: Path) -> None:
    with writing(out) as temporary:
        writer: pq.ParquetWriter | None = None
        for part in parts:
            table = part.to_arrow()
            schema = table.schema.with_metadata(bound_metadata(truncate_watch))
            writer = writer or pq.ParquetWriter(temporary, schema, compression="zstd")
            writer.write_table(table)
        if writer is None:
            raise TrainingError(f"baselines: the judge days {', '.join(map(str, days))} hold no row to predict")
        writer.close()


def _chunks(
    source: FeatureFolder, days: Sequence[dt.date], columns: Sequence[str]
) -> Iterator[tuple[pl.DataFrame, str]]:
    for day in days:
        for frame in source.chunks(day, columns):
            yield frame, str(source.rows(day))


def _predicted(
    baseline: Baseline, calibration: Calibration | None, frame: pl.DataFrame, where: str, truncate_watch: bool
) -> pl.DataFrame:
    duration_s = seconds(frame, where)
    raw = baseline.predict(frame, where)
    if calibration is None:
        names = {"score": SCORE, "mean": MEAN, "median": MEDIAN}
        values = {names.get(name, name): value for name, value in raw.items()}
    else:
        values = calibration.apply(raw, duration_s)
    return prediction_rows(frame, watch_seconds(frame, truncate_watch)).with_columns(seed_columns(values, SEED))
