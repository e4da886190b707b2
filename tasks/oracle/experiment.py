"""Expose everything at random on the judge day, and measure a bundle on what happened."""

from pathlib import Path

import polars as pl

from tasks.core.contract import KEY
from tasks.core.days import Days
from tasks.core.files import write_json
from tasks.core.labels import with_labels
from tasks.core.predictions import bound_metadata
from tasks.evaluate.document import ExposedMetrics
from tasks.evaluate.night import MeasuredNight
from tasks.evaluate.stage import rounded
from tasks.features.candidates import candidates
from tasks.oracle.measure import true_metrics
from tasks.predict import load_model, predicted_rows
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.experiment import EXPECTED, uniform_impressions
from tasks.table.source import FeatureFolder


def exposed_rows(
    source: SimulatorConfig, features: Path, days: Days, rows: int, duration_ms: tuple[int, int] | None
) -> pl.DataFrame:
    """Return uniformly exposed rows of the judge day(s), with the features they would have had.

    Args:
        source: the simulated world.
        features: folder of the features stage.
        days: roles of the days.
        rows: how many, over all judge days.
        duration_ms: durations kept.
    """
    parts = []
    for day in days.judge:
        drawn = uniform_impressions(source, day, rows // len(days.judge))
        if duration_ms is not None:
            drawn = drawn.filter(pl.col("duration_ms").is_between(*duration_ms))
        joined = candidates(features, with_labels(drawn.lazy()), days.state_day(day))
        parts.append(joined.with_columns(arrival_day=pl.lit(day)).collect())
    return pl.concat(parts)


def measure_bundle(night: MeasuredNight, name: str, bundle: Path, rows: pl.DataFrame, folder: Path) -> None:
    """Write `NAME.json` into a folder: exposure -> metrics, as in `metrics.json`.

    Args:
        night: histories of its users, and how uncertainty is drawn.
        name: the model's name.
        bundle: what predicts.
        rows: what `exposed_rows` returned.
        folder: where to write.
    """
    model, opened = load_model(bundle), FeatureFolder.open(night.features)
    table = predicted_rows(model, rows, opened.past(kept=2), "the uniformly exposed rows")
    assert table.select(KEY).equals(rows.select(KEY))
    path = folder / f"{name}.parquet"
    table.write_parquet(path, metadata=bound_metadata(model.truncate_watch))
    expected = rows[EXPECTED].to_numpy() if model.truncate_watch else None
    found = true_metrics(name, path, expected, night.evaluation)
    path.unlink()
    write_json(
        folder / f"{name}.json",
        rounded({part.exposure: ExposedMetrics.model_validate(part).as_json() for part in found}),
    )
