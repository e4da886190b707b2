"""pola-rs/polars#28912: a streaming group-by over many Parquet files holds memory for every file that it opens at once.

Closed, and with so small files not to be seen in the polars>=2.1 that pyproject.toml pins: its sums are right. A log that a
stream wrote comes as thousands of such files; a night reads them in its first stage and in no other.
"""

import datetime as dt
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest

from tasks.core.layout import partition
from tasks.ingest import ingest
from tests.ingest.foreign import FIRST, NIGHT, PER_DAY, log, rows_of, source

FILES = 1000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six days in a thousand files, as a stream writes them: in order of time, and once more together."""
    folder = tmp_path_factory.mktemp("files")
    rows = log().sort("ts")
    rows = pl.concat([rows.with_columns(pl.col("uid") + 7 * n) for n in range(5)]).sort("ts")
    size = -(-rows.height // FILES)
    for number in range(FILES):
        rows.slice(number * size, size).write_parquet(folder / f"log-{number:04}.parquet")
    (folder / "whole").mkdir()
    rows.write_parquet(folder / "whole/log.parquet")
    return folder


@pytest.mark.slow
def test_the_pinned_polars_sums_them_right(files: Path) -> None:
    assert tuple(map(int, version("polars").split(".")[:2])) >= (2, 1)
    many, one = (pl.scan_parquet(f"{files}/{name}") for name in ("log-*.parquet", "whole/log.parquet"))
    sums = [
        rows.group_by("uid").agg(pl.col("play").sum()).sort("uid").collect(engine="streaming") for rows in (many, one)
    ]
    assert sums[0].equals(sums[1])


@pytest.mark.slow
def test_a_night_reads_them_once_and_goes_on_with_a_file_per_day(files: Path, tmp_path: Path) -> None:
    ingest(source(files, files="log-*.parquet"), NIGHT, tmp_path / "many")
    ingest(source(files / "whole"), NIGHT, tmp_path / "one")
    found = rows_of(tmp_path / "many")
    keys = ["event_time_ms", "user_id", "video_id"]
    assert found.sort(keys).equals(rows_of(tmp_path / "one").sort(keys))
    parts = sorted((tmp_path / "many/impressions").glob("day=*/*.parquet"))
    last = FIRST + dt.timedelta(days=5)
    assert parts[-1] == partition(tmp_path / "many/impressions", last)
    assert found.height == len(parts) * PER_DAY * 5
