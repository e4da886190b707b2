"""Candidates that the source's log marks as not shown: where it does, these are the pairs that were not observed.

Shape legend: R rows of a day, C candidates of a day, S pairs drawn.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.errors import ContractError
from tasks.core.files import read_json

_PAIR = ("user_id", "video_id")


@dataclass(frozen=True)
class CandidateLog:
    """What ingest left of the candidates.

    Attributes:
        folder: data/raw/candidates.
        days: arrival days that have some.
    """

    folder: Path
    days: frozenset[dt.date]

    @classmethod
    def of(cls, raw: Path) -> "CandidateLog | None":
        """Return the candidates beside the impressions of a source; None where its log does not mark them."""
        days = read_json(raw / "source.json").get("candidates", {})
        return cls(raw / "candidates", frozenset(map(dt.date.fromisoformat, days))) if days else None

    def file(self, day: dt.date) -> Path:
        """Return where the candidates of a day are."""
        return self.folder / f"day={day.isoformat()}.parquet"

    def refused(self, day: dt.date, rows: pl.DataFrame, cutoff_ms: int, features: Path) -> pl.DataFrame:
        """Return the pairs of a day that were candidates and were not shown on it, each once, at the first time.

        Args:
            day: arrival day.
            rows: its impressions, [R], with `state_day`: a candidate reads the state that impressions of its time read.
            cutoff_ms: candidates logged later do not count.
            features: data/features, whose catalogue knows durations that the log does not; a candidate of none is left out.

        Returns:
            [C] rows as the log has them, by user and video, with `state_day`.

        Raises:
            ContractError: if the file of the day is gone.
        """
        path = self.file(day)
        if day not in self.days:
            return pl.DataFrame(schema=dict.fromkeys(_PAIR, pl.Int64()))
        if not path.is_file():
            raise ContractError(f"{path} is gone, but source.json beside it names it: run the ingest stage")
        catalogue = pl.scan_parquet(features / "videos.parquet").select("video_id", length="duration_ms")
        logged = pl.scan_parquet(path, hive_partitioning=False).filter(pl.col("known_at_ms") <= cutoff_ms)
        duration = pl.coalesce("duration_ms", "length").alias("duration_ms")
        timed = logged.join(catalogue, on="video_id", how="left").with_columns(duration).drop("length")
        first = (
            timed.filter(pl.col("duration_ms") > 0)
            .drop_nulls((*_PAIR, "event_time_ms"))
            .sort("event_time_ms")
            .unique(_PAIR, keep="first", maintain_order=True)
        )
        refused = first.join(rows.lazy().select(_PAIR), on=_PAIR, how="anti")
        states = rows.lazy().select("event_time_ms", "state_day").drop_nulls().sort("event_time_ms")
        dated = refused.sort("event_time_ms").join_asof(states, on="event_time_ms", strategy="nearest")
        return dated.sort(_PAIR).collect()


def draw_candidates(refused: pl.DataFrame, count: int, generator: np.random.Generator) -> pl.DataFrame:
    """Draw `count` of the refused candidates, independently and uniformly, so that one may come twice.

    Returns:
        [S] rows.
    """
    return refused[generator.integers(0, max(refused.height, 1), size=count)]
