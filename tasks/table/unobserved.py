"""Pairs that could have been shown and were not: a bounded sample of them, encoded like the rows that were.

The population of a split (docs/methods/debias.md#selection-levels, level 1) is, for each of its arrival days, every
user of the day times every video of the day: both as seen in that day's own rows, so that what was shown is a part of
it. Shape legend: U users, R rows of a day, S pairs drawn.
"""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, computed_field

from tasks.core.contract import context_names
from tasks.core.layout import partition
from tasks.features.candidates import candidates
from tasks.table.candidate_log import CandidateLog, draw_candidates
from tasks.table.pairs import DayPairs
from tasks.table.split import Encoding, RowsWriter

FOLDER = "unobserved"
"""Folder of the sample below that of its split."""
CANDIDATE_RATE = "candidate_rate"
"""Column of a pair: impressions of its user by the policy over videos of the day, what a candidate's chance follows; infinite of
one that the log marks as a candidate."""
_SEED = 6_151
_DRAWN_FROM = (
    "user_id",
    "video_id",
    "event_time_ms",
    "known_at_ms",
    "scene",
    "duration_ms",
    "position",
    "state_day",
    "policy",
)
_REFUSED_BY = ("user_id", "video_id", "event_time_ms", "known_at_ms", "state_day")


class PairPopulation(BaseModel):
    """How large the population of a split is, and how much of its unobserved part was drawn."""

    model_config = ConfigDict(frozen=True)

    pairs: int
    """|D|, users times videos summed over days."""
    observed: int
    """|O|, distinct pairs among the impressions of a day, summed over days."""
    sampled: int
    """Unobserved pairs drawn."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def unobserved(self) -> int:
        """|N|, pairs that were not shown."""
        return self.pairs - self.observed


@dataclass(frozen=True)
class UnobservedSampler:
    """Draws the unobserved pairs of a split and encodes them.

    Every pair of every day is as likely as any other. A pair takes its context (time, scene) and with it the day whose
    state it reads from an impression of the same user on that day, chosen at random: what would have been shown instead.
    A video uploaded after that time takes its time of upload, or its age alone would tell that it was not shown.
    Its slot is uniform over the slots of the day, because every slot of a list is a chance to be shown; that of the
    user's own impressions would hide how the slot moves exposure. Both are our reading
    (docs/methods/debias.md#selection-levels).

    Memory follows the rows of one day and the sample, never the number of pairs.

    Where the source's log marks the candidates that were not shown, the population of a day is what was shown and those, each
    with its own context, and nothing is guessed: a pair that was no candidate is no part of it.

    Attributes:
        encoding: encodes the pairs, of which features.
        cutoff_ms: rows known later do not count.
        chunk_rows: pairs encoded at a time.
        log: of candidates; None: the source marks none.
    """

    encoding: Encoding
    cutoff_ms: int
    chunk_rows: int
    log: CandidateLog | None = None

    def files(self, day: dt.date) -> tuple[Path, ...]:
        """Return what the pairs of a day are drawn from and encoded with."""
        logged = () if self.log is None else (self.log.file(day),)
        features = self.encoding.features
        states = (partition(features / "state", state_day).parent for state_day in self.encoding.source.state_days(day))
        return *self.encoding.files(day), *states, *logged

    def files_of_drawn(self, drawn: tuple[dt.date, int]) -> tuple[Path, ...]:
        """Return `files` of a day of which so many are drawn."""
        return self.files(drawn[0])

    def count(self, day: dt.date) -> tuple[int, int]:
        """Return how many pairs of a day were shown, and how many were not."""
        rows = self._rows(day, ("user_id", "video_id", "known_at_ms") if self.log is None else _REFUSED_BY)
        pairs = _pairs(rows)
        return len(pairs.shown), pairs.unshown if self.log is None else self._refused(self.log, day, rows).height

    def write(self, drawn: Sequence[tuple[dt.date, int]], folder: Path) -> list[int]:
        """Draw so many pairs of each of some days and write their columns; return the numbers."""
        source = self.encoding.source
        with RowsWriter(folder, self.encoding.preprocessor) as writer:
            for day, count in drawn:
                if not count:
                    continue
                writer.begin_day(source.past(day if self.log is None else None))
                for rows in self._with_features(self._draw(day, count)):
                    rate = {CANDIDATE_RATE: rows[CANDIDATE_RATE].to_numpy().astype(np.float32)}
                    writer.append(rows, rate, f"unobserved pairs of {day}")
        return [count for _, count in drawn]

    def _draw(self, day: dt.date, count: int) -> pl.DataFrame:
        if self.log is None:
            rows = self._rows(day, (*_DRAWN_FROM, *self.encoding.source.context))
            return draw_rows(rows, _pairs(rows), count, day)
        refused = self._refused(self.log, day, self._rows(day, _REFUSED_BY))
        return draw_candidates(refused, count, _generator(day)).with_columns(
            pl.lit("standard").alias("policy"),
            pl.lit(None, dtype=pl.Float64).alias("exposure_probability"),
            pl.lit(math.inf).alias(CANDIDATE_RATE),
            first_shown_ms="event_time_ms",
        )

    def _refused(self, log: CandidateLog, day: dt.date, rows: pl.DataFrame) -> pl.DataFrame:
        return log.refused(day, rows, self.cutoff_ms, self.encoding.features)

    @property
    def _traits(self) -> list[str]:
        return self.encoding.source.traits_told(self.encoding.preprocessor.row_columns)

    def _rows(self, day: dt.date, columns: Sequence[str]) -> pl.DataFrame:
        chunks = self.encoding.source.chunks(day, columns, self.chunk_rows)
        known = [chunk.filter(pl.col("known_at_ms") <= self.cutoff_ms) for chunk in chunks]
        return pl.concat(known) if known else pl.DataFrame(schema=dict.fromkeys(columns, pl.Int64))

    def _with_features(self, rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the pairs with the features known before their state day, day after day."""
        for state_day in rows["state_day"].unique().sort().to_list():
            mine = rows.filter(pl.col("state_day") == state_day).drop("state_day")
            for chunk in mine.iter_slices(self.chunk_rows):
                shown = _not_before_upload(chunk.lazy(), self.encoding.features)
                described = candidates(self.encoding.features, shown, state_day, self._traits)
                yield described.collect(engine="streaming")


def _pairs(rows: pl.DataFrame) -> DayPairs:
    return DayPairs.of(rows["user_id"].to_numpy(), rows["video_id"].to_numpy())


def _generator(day: dt.date) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([_SEED, day.toordinal()]))


def draw_rows(rows: pl.DataFrame, pairs: DayPairs, count: int, day: dt.date) -> pl.DataFrame:
    """Return pairs that were not shown on a day, with the context and duration that their features need.

    Args:
        rows: the day's impressions, [R].
        pairs: its pairs.
        count: how many.
        day: seeds the draw.

    Returns:
        [S] rows: key, scene and further context, known_at_ms, state_day, duration_ms (as first logged that day), position, policy, and
        exposure_probability (nobody logged one), candidate_rate, first_shown_ms of the video on that day.
    """
    generator = _generator(day)
    user, video = pairs.draw(count, generator)
    chosen = rows.filter(pl.col("policy") != "random")["user_id"].to_numpy()
    impressions = np.bincount(np.searchsorted(pairs.users, chosen), minlength=len(pairs.users))
    context = rows[_impression_of_user(rows["user_id"].to_numpy(), pairs, user, generator)]
    _, first = np.unique(rows["video_id"].to_numpy(), return_index=True)
    slots = rows["position"].unique().sort().drop_nulls()
    slot = generator.integers(0, max(len(slots), 1), size=count)
    return pl.DataFrame(
        {
            "user_id": pairs.users[user],
            "video_id": pairs.videos[video],
            "event_time_ms": context["event_time_ms"],
            "known_at_ms": context["known_at_ms"],
            "scene": context["scene"],
            **{name: context[name] for name in context_names(rows.columns)},
            "state_day": context["state_day"],
            "duration_ms": rows["duration_ms"][first[video]],
            "first_shown_ms": rows["event_time_ms"][first[video]],
            "position": slots[slot] if len(slots) else pl.Series([None] * count, dtype=rows["position"].dtype),
            CANDIDATE_RATE: impressions[user] / max(len(pairs.videos), 1),
            "policy": pl.repeat("standard", count, eager=True),
            "exposure_probability": pl.repeat(None, count, dtype=pl.Float64, eager=True),
        }
    )


def _not_before_upload(rows: pl.LazyFrame, features: Path) -> pl.LazyFrame:
    """Move pairs whose video was not there yet to its upload (but not past its first impression of the day)."""
    uploads = pl.scan_parquet(features / "videos.parquet").select("video_id", "upload_time_ms")
    there = pl.min_horizontal("upload_time_ms", "first_shown_ms")
    joined = rows.join(uploads, on="video_id", how="left", maintain_order="left")
    moved = joined.with_columns(event_time_ms=pl.max_horizontal("event_time_ms", there))
    return moved.drop("upload_time_ms", "first_shown_ms")


def _impression_of_user(
    user_id: NDArray[np.int64], pairs: DayPairs, user: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return for every drawn user the row of one of the user's impressions, [S]."""
    place = np.searchsorted(pairs.users, user_id)
    by_user = np.argsort(place, kind="stable")
    counts = np.bincount(place, minlength=len(pairs.users))
    begins = np.cumsum(counts) - counts
    rows: NDArray[np.int64] = by_user[begins[user] + generator.integers(0, counts[user])]
    return rows
