"""The baselines stage: fits every configured baseline and writes its predictions of the judge day.

NAME/judge.parquet    the prediction table, laid out as that of a recipe with one seed: 0, of the trees `seed`
NAME/baseline.json    what is worth knowing of the fit

The trees are a recipe like one that a night names: fitted on the table, with rows and columns of the networks. A night that
names the very same recipe has fitted it, with this seed among others: that fit is the baseline.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from models.heads.base import TrainLabels
from tasks.baselines.base import Baseline
from tasks.baselines.config import BaselineConfig
from tasks.baselines.registry import BASELINES
from tasks.baselines.rows import BASE_COLUMNS, Examples, read_examples
from tasks.baselines.trees import TREES, baseline_of_trees
from tasks.core.days import Days, midnight_ms
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
from tasks.table.rows import seconds, watch_seconds
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.train.calibrate import Calibration, ValidationRows, calibrate

SEED = 0
ABOUT = "baseline.json"


def fit_baselines(
    features: Path, table: Path, days: Days, config: BaselineConfig, out: Path, bundles: Sequence[Path] = ()
) -> Mapping[str, Path]:
    """Fit on fit days, stop and calibrate on the validation day, predict the judge day(s).

    Args:
        features: folder that the features stage wrote.
        table: folder that the table stage wrote: what trees are fitted on, and what the label is.
        days: roles of the days.
        config: which baselines.
        out: folder to write, replaced as a whole.
        bundles: recipes of trees that this night fitted on the table; a fit that is among them is not made again.

    Returns:
        Baseline -> its prediction table of the judge day, in the order configured.

    Raises:
        ContractError: if a day or a column is missing.
        TrainingError: if the fit, validation or judge days hold no row.
    """
    truncate_watch = TrainingTable.open(table).metadata.config.truncate_watch
    with writing(out) as temporary:
        temporary.mkdir(parents=True)
        for name in config.enabled:
            if name == TREES:
                rows, folder = FeatureDays(features, days.judge), temporary / name
                baseline_of_trees(table, rows, config, bundles, folder / JUDGE_TABLE, folder / ABOUT)
            else:
                _fit_one(BASELINES[name], features, days, config, truncate_watch, temporary / name)
    return {name: out / name / JUDGE_TABLE for name in config.enabled}


def _fit_one(
    kind: type[Baseline], features: Path, days: Days, config: BaselineConfig, truncate_watch: bool, out: Path
) -> None:
    source = FeatureFolder.open(features)
    cutoff_ms = midnight_ms(days.judge[0], source.timezone)
    fit = read_examples(source, days.fit, "fit", cutoff_ms, truncate_watch)
    validation = read_examples(source, (days.validation,), "validation", cutoff_ms, truncate_watch)
    baseline = kind.fit(fit, validation, config)
    calibration = fit_calibration(baseline, fit, validation, days.validation, config)
    del fit, validation
    write_json(out / ABOUT, {"calibration_refused": calibration.refused if calibration else None})
    parts = (
        _predicted(baseline, calibration, frame, where, truncate_watch)
        for frame, where in _chunks(source, days.judge, tuple(dict.fromkeys((*BASE_COLUMNS, *SOURCE_COLUMNS))))
    )
    _write_table(parts, truncate_watch, days.judge, out / JUDGE_TABLE)


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
