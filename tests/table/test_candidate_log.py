"""Where a log marks the candidates that were not shown, the sample of unobserved pairs is drawn from them and from nothing else."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.contract import candidates_schema
from tasks.core.errors import ContractError
from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.table.build import build_table
from tasks.table.candidate_log import CandidateLog
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tests.table.small_night import DAYS

CONFIG = TableConfig(unobserved_per_impression=0.5)
PER_DAY = 40
STRANGER, UNHEARD_OF = 10**6, 10**6 + 1
"""A user without an impression, and a video that nobody knows the length of."""


def impressions(features: Path, day: dt.date) -> pl.DataFrame:
    return pl.read_parquet(partition(features / "rows", day), hive_partitioning=False)


@pytest.fixture(scope="module")
def raw(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ingest leaves of a log that marks, on every day: pairs, one of them twice, pairs that were shown later, a stranger."""
    folder = tmp_path_factory.mktemp("raw")
    (folder / "candidates").mkdir()
    random = np.random.default_rng(5)
    for day in (*DAYS.fit, DAYS.validation):
        rows = impressions(features, day)
        lent = rows.sample(PER_DAY, seed=day.toordinal()).with_columns(
            video_id=pl.Series(random.permutation(rows["video_id"].to_numpy())[:PER_DAY]), position=pl.lit(7, pl.Int16)
        )
        shown = rows.head(5)
        odd = lent.head(2).with_columns(user_id=pl.Series([STRANGER, STRANGER]), video_id=pl.Series([3, UNHEARD_OF]))
        logged = pl.concat(
            [frame.select(*candidates_schema(())) for frame in (lent, lent.head(1), shown, odd)]
        ).with_columns(duration_ms=pl.when(pl.int_range(pl.len()) % 2 == 0).then("duration_ms"))
        logged.with_columns(duration_ms=pl.when(pl.col("video_id") != UNHEARD_OF).then("duration_ms")).sort(
            "event_time_ms"
        ).write_parquet(folder / f"candidates/day={day}.parquet")
    days = {path.stem.removeprefix("day="): "hash" for path in (folder / "candidates").iterdir()}
    (folder / "source.json").write_text(json.dumps({"candidates": days}))
    return folder


def candidates(raw: Path, features: Path, day: dt.date) -> pl.DataFrame:
    """Return the pairs of a day that were not shown, by hand."""
    logged = pl.read_parquet(raw / f"candidates/day={day}.parquet")
    shown = set(impressions(features, day).select("user_id", "video_id").iter_rows())
    pairs = {pair for pair in logged.select("user_id", "video_id").iter_rows() if pair not in shown}
    return pl.DataFrame([pair for pair in pairs if pair[1] != UNHEARD_OF], schema=["user_id", "video_id"], orient="row")


def test_the_population_is_what_was_shown_and_what_could_have_been(features: Path, raw: Path, tmp_path: Path) -> None:
    build_table(features, CONFIG, DAYS, tmp_path / "table", candidates=CandidateLog.of(raw))
    for split, days in (("fit", DAYS.fit), ("validation", (DAYS.validation,))):
        refused = {day: candidates(raw, features, day) for day in days}
        rows = {day: impressions(features, day) for day in days}
        shown = sum(frame.select("user_id", "video_id").n_unique() for frame in rows.values())
        counts = read_json(tmp_path / "table/table.json")["populations"][split]
        assert counts["observed"] == shown
        assert counts["unobserved"] == sum(frame.height for frame in refused.values())
        drawn = open_columns(tmp_path / "table" / split / "unobserved")
        assert len(drawn["ids"]) == counts["sampled"] == round(0.5 * sum(frame.height for frame in rows.values()))
        pairs = pl.DataFrame({name: np.array(drawn[name]) for name in ("user_id", "video_id")})
        everything = pl.concat(refused.values())
        assert pairs.join(everything, on=["user_id", "video_id"], how="anti").is_empty()
        assert pairs.n_unique() > 0.8 * everything.n_unique(), "all are as likely"
        assert (pairs["user_id"] == STRANGER).any()
        assert np.isinf(drawn["candidate_rate"]).all()
        assert (np.array(drawn["duration_s"]) > 0).all()


def test_a_candidate_reads_the_state_that_impressions_of_its_time_read(features: Path, raw: Path) -> None:
    log = CandidateLog.of(raw)
    assert log is not None
    for day in DAYS.fit:
        rows = impressions(features, day)
        found = log.refused(day, rows, 2**62, features)
        by_time = rows.select("event_time_ms", "state_day").unique()
        same = found.join(by_time, on="event_time_ms", suffix=" of the rows")
        assert same.height > PER_DAY / 2
        assert (same["state_day"] == same["state_day of the rows"]).all()
        assert log.refused(day, rows, int(rows["known_at_ms"].min()) - 1, features).is_empty()


def test_a_log_that_marks_none_is_none(tmp_path: Path) -> None:
    (tmp_path / "source.json").write_text("{}")
    assert CandidateLog.of(tmp_path) is None


def test_a_file_that_is_gone_is_not_taken_for_a_day_without_candidates(features: Path, tmp_path: Path) -> None:
    day = DAYS.fit[0]
    (tmp_path / "source.json").write_text(json.dumps({"candidates": {str(day): "hash"}}))
    with pytest.raises(ContractError, match=r"is gone, but source.json beside it names it: run the ingest stage"):
        build_table(features, CONFIG, DAYS, tmp_path / "table", candidates=CandidateLog.of(tmp_path))
