"""Fits the preprocessor in one pass over the fit days, a chunk at a time."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.errors import ConfigError
from tasks.features.traits import dense_columns, field_columns, told_by
from tasks.table.config import TableConfig
from tasks.table.items.codes import ItemCodes
from tasks.table.items.config import CodedItems, ContentVectors, NoItems
from tasks.table.items.watched import LEARNINGS, WatchCounter
from tasks.table.normalisation import MomentAccumulator
from tasks.table.preprocessor import Preprocessor
from tasks.table.rows import dense_matrix
from tasks.table.source import CHUNK_ROWS, FeatureFolder
from tasks.table.vocabulary import LevelCounter


def fit_preprocessor(
    features: FeatureFolder, config: TableConfig, days: Sequence[dt.date], cutoff_ms: int, chunk_rows: int = CHUNK_ROWS
) -> Preprocessor:
    """Fit vocabularies, duration edges, normalisation and codes of videos on the rows of `days` known at the cut-off.

    Raises:
        ConfigError: if the configuration names a field or feature that the features stage does not offer, or asks for codes
            of content that it does not carry.
        ContractError: if too few videos of `days` have content, or were watched.
    """
    traits = _chosen("traits", config.traits, sorted(features.traits))
    categorical = _chosen("categorical", config.categorical, features.categorical)
    fields = (*categorical, *field_columns(features.traits, traits), *config.exposure_only)
    dense = (*_chosen("dense", config.dense, features.dense), *dense_columns(features.traits, traits))
    counters = [LevelCounter(field) for field in fields]
    moments, durations = MomentAccumulator(dense), DurationCounter()
    shown = None if isinstance(config.items, NoItems) else LevelCounter("video_id")
    watches = _watches(config)
    of_watches = () if watches is None else watches.columns
    columns = tuple(dict.fromkeys([*fields, *dense, "duration_ms", "known_at_ms", "video_id", *of_watches]))
    for day in days:
        for chunk in features.chunks(day, columns, chunk_rows):
            rows = chunk.filter(pl.col("known_at_ms") <= cutoff_ms)
            for counter in counters:
                counter.add(rows[counter.field])
            moments.add(dense_matrix(rows, dense))
            durations.add(rows["duration_ms"])
            if shown is not None:
                shown.add(rows["video_id"])
            if watches is not None:
                watches.add(rows)
    floors = {field: config.min_count if field in config.rare_fields else 1 for field in fields}
    return Preprocessor(
        vocabularies=tuple(counter.vocabulary(floors[counter.field]) for counter in counters),
        duration_edges_s=durations.edges(config.duration_buckets),
        normalisation=moments.normalisation(config.dense_clip, config.unscaled),
        history_fields=tuple(field for field in features.history_fields if field in fields),
        history_length=features.history_length,
        truncate_watch=config.truncate_watch,
        timezone=features.timezone,
        items=None
        if shown is None
        else _fit_items(features, config, shown.vocabulary(1).keys, watches, days[-1], fields),
        sensitive=told_by(features.traits, traits),
    )


def _watches(config: TableConfig) -> WatchCounter | None:
    """Return what collects the watches that vectors of videos are learned from; None where they are content."""
    items = config.items
    if isinstance(items, NoItems) or isinstance(items.vectors, ContentVectors):
        return None
    return WatchCounter(items.vectors.watched)


def teaching_videos(
    features: FeatureFolder, items: CodedItems, shown: pl.Series, last_fit_day: dt.date
) -> pl.DataFrame:
    """Return the videos whose content teaches codes, each once: those of the fit days, or those uploaded until a given day.

    Args:
        features: their catalogue.
        items: says which.
        shown: identifiers of the videos of the fit days.
        last_fit_day: no later video teaches.
    """
    if items.until is not None:
        return features.uploaded(None, min(items.until, last_fit_day))
    return features.contents.filter(pl.col("video_id").is_in(shown.implode()))


def _fit_items(
    features: FeatureFolder,
    config: TableConfig,
    shown: pl.Series,
    watches: WatchCounter | None,
    last_fit_day: dt.date,
    fields: Sequence[str],
) -> ItemCodes:
    """Learn codes from the content of the videos that teach, or from who watched what."""
    items, where = config.items, str(features.path)
    assert not isinstance(items, NoItems)
    if watches is None:
        codes = ItemCodes.fit(teaching_videos(features, items, shown, last_fit_day), items, where)
    else:
        learned = LEARNINGS[items.vectors.kind](watches.pairs, items.vectors)
        codes = ItemCodes.fit_learned(learned, items, where)
    if taken := sorted({name for name, _ in codes.fields} & set(fields)):
        raise ConfigError(
            f"table.items makes the field(s) {', '.join(taken)}, as which a column of the source is encoded: rename the column"
        )
    return codes


def _chosen(kind: str, wanted: Sequence[str] | None, offered: Sequence[str]) -> tuple[str, ...]:
    if wanted is None:
        return tuple(offered)
    unknown = [name for name in wanted if name not in offered]
    if unknown:
        raise ConfigError(
            f"params.yaml: table.{kind} names {', '.join(unknown)}; the features stage offers {', '.join(offered) or 'none'}"
        )
    return tuple(wanted)


class DurationCounter:
    """Counts every distinct duration, so that quantiles are exact whatever the number of rows."""

    def __init__(self) -> None:
        self._counts = pl.DataFrame(schema={"value": pl.Int64(), "count": pl.Int64()})

    def add(self, duration_ms: pl.Series) -> None:
        """Count one chunk."""
        chunk = pl.DataFrame({"value": duration_ms.cast(pl.Int64)}).group_by("value").agg(count=pl.len().cast(pl.Int64))
        self._counts = pl.concat([self._counts, chunk]).group_by("value").agg(pl.col("count").sum())

    def edges(self, buckets: int) -> NDArray[np.float64]:
        """Return the distinct inner edges in seconds of equal-count buckets (a row on an edge is in the upper bucket)."""
        ordered = self._counts.sort("value")
        values, cumulated = ordered["value"].to_numpy(), np.cumsum(ordered["count"].to_numpy())
        if len(values) == 0:
            return np.zeros(0)
        ranks = np.arange(1, buckets) * cumulated[-1] // buckets
        return np.unique(values[np.searchsorted(cumulated, ranks, side="right")]) / 1000
