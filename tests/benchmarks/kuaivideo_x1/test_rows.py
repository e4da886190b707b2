"""The published layout as it is read: fields, lists, held-out users, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.kuaivideo_x1.from_kuairand import MAX_LENGTH, with_lists
from benchmarks.kuaivideo_x1.rows import COLUMNS, LISTS, NUM_ROWS, VideoRows, read
from tasks.core.errors import SourceError

USERS, ITEMS = 15, 30


def log(rows: int = 600) -> pl.DataFrame:
    """Return impressions in order of time; user 0 has more clicks than a list holds."""
    rng = np.random.default_rng(5)
    frame = {
        "timestamp": np.arange(rows),
        "user_id": np.where(rng.random(rows) < 0.4, 0, rng.integers(0, USERS, rows)),
        "item_id": rng.integers(0, ITEMS, rows) * 7,
        "is_click": (rng.random(rows) < 0.5).astype(int),
    }
    return pl.DataFrame(frame).with_columns(is_like=pl.lit(0), is_follow=pl.lit(0))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return with_lists(log())


@pytest.fixture
def folder(rows: pl.DataFrame, tmp_path: Path) -> Path:
    """Return a folder with the first 450 rows as train and the others as test."""
    rows.select(COLUMNS).head(450).write_csv(tmp_path / "train.csv")
    rows.select(COLUMNS).tail(150).write_csv(tmp_path / "test.csv")
    return tmp_path


def test_lists_are_the_first_that_a_user_met_before_the_row(rows: pl.DataFrame) -> None:
    met: dict[tuple[int, int], list[str]] = {}
    for row in rows.iter_rows(named=True):
        for name, click in zip(LISTS, (1, 0), strict=True):
            assert row[name] == "^".join(met.get((row["user_id"], click), [])[:MAX_LENGTH])
        met.setdefault((row["user_id"], row["is_click"]), []).append(str(row["item_id"]))
    assert max(len(items) for items in met.values()) > MAX_LENGTH


def test_codes_are_those_of_the_items_that_stand_in_the_file(rows: pl.DataFrame, folder: Path) -> None:
    data = read(folder, {"train": 450, "test": 150}, min_count=14)
    counts = rows.head(450)["item_id"].value_counts()
    often = sorted(counts.filter(pl.col("count") >= 14)["item_id"])
    assert 0 < len(often) < ITEMS
    users = sorted(user for user, count in rows.head(450)["user_id"].value_counts().iter_rows() if count >= 14)
    assert data.num_codes == 1 + len(users) + 1 + len(often)

    def code(item: int) -> int:
        return 1 + len(users) + (1 + often.index(item) if item in often else 0)

    for part, given in ((data.train, rows.head(450)), (data.test, rows.tail(150))):
        assert part.fields.code_BF[:, 1].tolist() == [code(item) for item in given["item_id"]]
        assert part.label_B.tolist() == given["is_click"].to_list()
        for name, lists in zip(LISTS, part.fields.histories, strict=True):
            for index, text in enumerate(given[name]):
                codes, _ = lists.bags(np.array([index]))
                assert codes.tolist() == [code(int(item)) for item in text.split("^") if item]


def test_held_out_users_are_one_in_twenty_and_in_no_fit(folder: Path) -> None:
    data = read(folder, min_count=1)
    fit, out = data.held_out(seed=3)
    assert len(fit) + len(out) == len(data.train)
    assert out.users.num_groups == 1
    fitted, held = (set(of.fields.code_BF[:, 0].tolist()) for of in (fit, out))
    assert not fitted & held
    assert out.label_B.tolist() == data.train.label_B[np.isin(data.train.fields.code_BF[:, 0], list(held))].tolist()
    assert _lists(out) == [
        _lists(data.train)[i] for i in np.flatnonzero(np.isin(data.train.fields.code_BF[:, 0], list(held)))
    ]


def _lists(rows: VideoRows) -> list[list[int]]:
    return [rows.fields.histories[0].bags(np.array([index]))[0].tolist() for index in range(len(rows))]


def cell(path: str, row: int, column: str, by: str) -> Callable[[Path], None]:
    """Return a change of one cell."""

    def change(folder: Path) -> None:
        frame = pl.read_csv(folder / path, infer_schema=False)
        values = frame[column].to_list()
        values[row] = by
        frame.with_columns(pl.Series(column, values)).write_csv(folder / path)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "test.csv").unlink(), "holds no test.csv: unpack KuaiVideo_x1.zip there"),
        (cell("train.csv", 4, "user_id", "one"), "train.csv, row 5 after the header: column 'user_id' holds no whole number"),
        (cell("test.csv", 2, "is_click", "2"), "test.csv, row 3 after the header: column 'is_click' holds neither 0 nor 1"),
        (cell("test.csv", 9, "pos_items", "1^2^3"), "test.csv, row 10 after the header: pos_items is not how the user's longest list"),
        (lambda folder: (folder / "train.csv").write_text("user_id\n1\n"), "lacks columns? .*'item_id'"),
    ],
    ids=["file", "user", "label", "list", "columns"],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_said(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(SourceError, match=message):
        read(folder)


def test_another_number_of_rows_than_published_is_refused(folder: Path) -> None:
    assert sum(NUM_ROWS.values()) == 13_661_383
    with pytest.raises(SourceError, match="have 450 and 150 rows, published are 10,931,092 and 2,730,291"):
        read(folder, NUM_ROWS)
