"""What is read of the official files, and what is refused."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from benchmarks.kuairand_techjam.rows import DAYS_AT_HAND, PUBLIC, TaskRows, read
from tasks.core.errors import SourceError
from tests.benchmarks.kuairand_techjam.layout import DATES, SMALL


def test_rows_stand_in_file_order_and_none_is_left_out(layout: Path, parts: Mapping[str, TaskRows]) -> None:
    data = layout / "KuaiRand-Pure/data"
    given = pl.concat([pl.read_csv(data / name) for name in SMALL.files])
    for part, dates in {"train": DATES[SMALL.files[0]], "valid": (20220422,), "test": (20220429, 20220430)}.items():
        frame, expected = parts[part].frame, given.filter(pl.col("date").is_in(dates))
        assert frame["row_id"].to_list() == list(range(expected.height))
        for name in ("user_id", "video_id", "time_ms", "duration_ms", "tab", "long_view"):
            assert frame[name].to_list() == expected[name].to_list()
        assert (frame["duration_ms"] == 0).any()
        assert frame.drop("row_id").is_duplicated().any()
    authors = dict(parts["test"].frame.select("video_id", "author_id").iter_rows())
    assert authors[0] == "UNK"
    assert authors[4] == "101"


def test_the_days_at_hand_have_the_rows_of_their_log(shared_data: Callable[[str], Path]) -> None:
    found = read(shared_data("KuaiRand-Pure"), DAYS_AT_HAND)
    assert {part: len(rows) for part, rows in found.items()} == {"train": 73_580, "valid": 21_204, "test": 76_887}


def spoil(name: str, line: str, by: str) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        text = (data / name).read_text()
        assert line in text
        (data / name).write_text(text.replace(line, by, 1))

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: (data / SMALL.files[0]).unlink(), "holds no log_standard_4_08_to_4_21_pure.csv: .*dwell download"),
        (lambda data: (data / "video_features_basic_pure.csv").unlink(), "holds no video_features_basic_pure.csv"),
        (spoil(SMALL.files[1], "long_view", "liked"), "lacks column 'long_view'"),
        (spoil(SMALL.files[1], "\n", "\n1,2,today,3,0,4,1\n"), "4_22_to_5_08_pure.csv, line 2: column 'date' holds no whole number"),
        (lambda data: shutil.copy(data / SMALL.files[0], data / SMALL.files[1]), "no row of date 20220422"),
    ],
    ids=["log", "videos", "column", "value", "day"],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_said(
    layout: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    shutil.copytree(layout / "KuaiRand-Pure", tmp_path / "given")
    change(tmp_path / "given/data")
    with pytest.raises(SourceError, match=message):
        read(tmp_path / "given", SMALL)


def test_another_number_of_rows_than_published_is_refused(layout: Path) -> None:
    assert PUBLIC.rows == (1_141_112, 124_909, 170_588)
    with pytest.raises(SourceError, match="has 176, 88, 177 rows of train, valid, test, these files give 176, 88, 176"):
        read(layout / "KuaiRand-Pure", replace(SMALL, rows=(176, 88, 177)))
