"""Fits the preprocessor from statistics of one pass over the fit days."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from tasks.core.errors import ConfigError
from tasks.features.traits import dense_columns, field_columns, told_by
from tasks.table.config import TableConfig
from tasks.table.items.codes import ItemCodes
from tasks.table.items.config import CodedItems, ContentVectors, NoItems
from tasks.table.items.watched import LEARNINGS
from tasks.table.over_days import HERE, OverDays
from tasks.table.preprocessor import Preprocessor
from tasks.table.source import CHUNK_ROWS, FeatureFolder
from tasks.table.statistics import Asked, RowStatistics, StatisticsReader


def fit_preprocessor(
    features: FeatureFolder,
    config: TableConfig,
    days: Sequence[dt.date],
    cutoff_ms: int,
    chunk_rows: int = CHUNK_ROWS,
    over: OverDays = HERE,
) -> Preprocessor:
    """Fit vocabularies, duration edges, normalisation and codes of videos on the rows of `days` known at the cut-off.

    Args:
        features: where rows are.
        config: what to encode.
        days: fit days, in order.
        cutoff_ms: rows known later do not count.
        chunk_rows: rows read at a time.
        over: where days are read.

    Raises:
        ConfigError: if the configuration names a field or feature that the features stage does not offer, or asks for codes
            of content, or of past events, that it does not carry.
        ContractError: if too few videos of `days` have content, or were watched.
    """
    traits = _chosen("traits", config.traits, sorted(features.traits))
    categorical = _chosen("categorical", config.categorical, features.categorical)
    fields = (*categorical, *field_columns(features.traits, traits), *config.exposure_only)
    dense = (*_chosen("dense", config.dense, features.dense), *dense_columns(features.traits, traits))
    coded = not isinstance(config.items, NoItems)
    levels = tuple(dict.fromkeys([*fields, *(("video_id",) if coded else ())]))
    asked = Asked(levels, dense, _watched(config))
    found = over.statistics(StatisticsReader(features, asked, cutoff_ms, chunk_rows), days)
    floors = {field: config.min_count if field in config.rare_fields else 1 for field in fields}
    return Preprocessor(
        vocabularies=tuple(found.levels[field].vocabulary(floors[field]) for field in fields),
        duration_edges_s=found.durations.edges(config.duration_buckets),
        normalisation=found.moments.normalisation(config.dense_clip, config.unscaled),
        history_fields=tuple(field for field in features.history_fields if field in fields),
        history_length=features.history_length,
        truncate_watch=config.truncate_watch,
        timezone=features.timezone,
        items=_fit_items(features, config, found, days[-1], fields) if coded else None,
        sensitive=told_by(features.traits, traits),
    )


def _watched(config: TableConfig) -> str | None:
    """Return the label of the watches that vectors of videos are learned from; None where they are content."""
    items = config.items
    if isinstance(items, NoItems) or isinstance(items.vectors, ContentVectors):
        return None
    return items.vectors.watched


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
    found: RowStatistics,
    last_fit_day: dt.date,
    fields: Sequence[str],
) -> ItemCodes:
    """Learn codes from the content of the videos that teach, or from who watched what."""
    items, where = config.items, str(features.path)
    assert not isinstance(items, NoItems)
    if items.history and "video_id" not in features.history_fields:
        raise ConfigError(
            f"table.items.history reads the video_id of past events, and those of {where} carry {', '.join(features.history_fields) or 'nothing'}: "
            "run the features stage again, or leave table.items.history out"
        )
    if found.watches is None:
        shown = found.levels["video_id"].vocabulary(1).keys
        codes = ItemCodes.fit(teaching_videos(features, items, shown, last_fit_day), items, where)
    else:
        learned = LEARNINGS[items.vectors.kind](found.watches.pairs, items.vectors)
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
