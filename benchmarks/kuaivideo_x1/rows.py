"""Train and test of KuaiVideo_x1 as BARS distributes them, and a part of the training users to stop on.

Shapes: B rows, T codes of all histories.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.fields.rows import FieldRows, Fields, Histories
from tasks.core.errors import SourceError
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.ingest.columns.identity import whole_number
from tasks.ingest.forms.delimited import official

PARTS = ("train", "test")
NUM_ROWS = {"train": 10_931_092, "test": 2_730_291}
LISTS = ("pos_items", "neg_items")
SEPARATOR = "^"
COLUMNS = ("timestamp", "user_id", "item_id", "is_click", "is_like", "is_follow", *LISTS)
MIN_COUNT = 10
HELD_OUT = 0.05
_NUMBERS = ("user_id", "item_id", "is_click")


@dataclass(frozen=True, eq=False)
class VideoRows:
    """Some rows, ready for a model and a judge.

    Attributes:
        fields: codes of user and item, and of the items that were clicked and not clicked before.
        item_B: [B] items.
        label_B: [B] 0/1 clicks.
        users: user of each row.
    """

    fields: FieldRows
    item_B: IntArray
    label_B: FloatArray
    users: Groups

    def __len__(self) -> int:
        return self.label_B.size

    def take(self, index: IntArray) -> "VideoRows":
        """Return some of the rows."""
        lists = [Histories(one.start_B[index], one.length_B[index], one.code_T) for one in self.fields.histories]
        users = encode_groups(self.users.code_B[index])
        return VideoRows(FieldRows(self.fields.code_BF[index], lists), self.item_B[index], self.label_B[index], users)


@dataclass(frozen=True, eq=False)
class VideoData:
    """The log.

    Attributes:
        train: rows that are learned from.
        test: rows that are judged.
        num_codes: codes of all fields.
    """

    train: VideoRows
    test: VideoRows
    num_codes: int

    def held_out(self, seed: int) -> tuple[VideoRows, VideoRows]:
        """Return train without, and of, one user in twenty: what fits and what stops it without seeing a test row."""
        num_users = self.train.users.num_groups
        chosen = np.random.default_rng(seed).permutation(num_users)[: max(1, round(HELD_OUT * num_users))]
        out_B = np.isin(self.train.users.code_B, chosen)
        return self.train.take(np.flatnonzero(~out_B)), self.train.take(np.flatnonzero(out_B))


def read(folder: Path, num_rows: dict[str, int] | None = None, min_count: int = MIN_COUNT) -> VideoData:
    """Read the two files.

    Args:
        folder: holds train.csv and test.csv.
        num_rows: rows that each has as published; None: any number.
        min_count: rows of train that a user or item must have for a vector of its own; the others share one.

    Raises:
        SourceError: if a file is missing or cut, a value is no number, or a list is not a beginning of its user's longest one.
    """
    paths = {part: folder / f"{part}.csv" for part in PARTS}
    if missing := [path.name for path in paths.values() if not path.is_file()]:
        raise SourceError(
            f"{folder.absolute()} holds no {' and no '.join(missing)}: unpack KuaiVideo_x1.zip there "
            "(https://huggingface.co/datasets/reczoo/KuaiVideo_x1)"
        )
    scans = {part: _scan(path) for part, path in paths.items()}
    frames = {part: _frame(paths[part], scan) for part, scan in scans.items()}
    counts = {part: frame.height for part, frame in frames.items()}
    if num_rows and counts != num_rows:
        raise SourceError(
            f"{folder.absolute()}: train.csv and test.csv have {counts['train']:,} and {counts['test']:,} rows, published are "
            f"{num_rows['train']:,} and {num_rows['test']:,}: a file is cut or another version; unpack KuaiVideo_x1.zip again"
        )
    fields = Fields.known_from(frames["train"].select("user_id", "item_id"), min_count)
    lists = {name: _longest(list(scans.values()), name, fields) for name in LISTS}
    _refuse_others(paths, scans, lists)
    train, test = (_rows(frames[part], fields, lists) for part in PARTS)
    return VideoData(train, test, fields.size)


def _scan(path: Path) -> pl.LazyFrame:
    file = official(path, COLUMNS)
    file.check()
    numbers = [whole_number(name).alias(name) for name in _NUMBERS]
    return file.frame.select(*numbers, *LISTS)


def _length(name: str) -> pl.Expr:
    return (pl.col(name).str.count_matches(SEPARATOR, literal=True) + 1).fill_null(0).cast(pl.Int64)


def _frame(path: Path, scan: pl.LazyFrame) -> pl.DataFrame:
    """Return the numbers of a file, and of each list its length alone: the texts are beyond what memory holds."""
    frame = scan.select(*_NUMBERS, *(_length(name).alias(name) for name in LISTS)).collect(engine="streaming")
    for name in _NUMBERS:
        allowed = pl.col(name).is_in([0, 1]) if name == "is_click" else pl.col(name).is_not_null()
        wrong = frame.select((~allowed).fill_null(True)).to_series().arg_true()
        if len(wrong):
            what = "neither 0 nor 1" if name == "is_click" else "no whole number"
            raise SourceError(
                f"{path}, row {wrong[0] + 1} after the header: column {name!r} holds {what}; mend the row"
            )
    return frame


@dataclass(frozen=True, eq=False)
class _Longest:
    """Of each user the longest list, of which every other one is a beginning.

    Attributes:
        frame: user_id, text, start (of its codes).
        code_T: codes of all lists.
    """

    frame: pl.DataFrame
    code_T: IntArray


def _longest(scans: Sequence[pl.LazyFrame], name: str, fields: Fields) -> _Longest:
    by_user = [
        scan.filter(pl.col(name).is_not_null()).group_by("user_id").agg(pl.col(name).get(_length(name).arg_max()))
        for scan in scans
    ]
    both = pl.concat(by_user).collect(engine="streaming")
    found = both.group_by("user_id").agg(pl.col(name).get(_length(name).arg_max()).alias("text")).sort("user_id")
    items = found.select(pl.col("text").str.split(SEPARATOR)).explode("text")
    length = found.select(_length("text")).to_series()
    codes = fields.of["item_id"].codes(items.select(whole_number("text")).to_series())
    return _Longest(found.with_columns(start=length.cum_sum() - length), codes)


def _refuse_others(paths: dict[str, Path], scans: dict[str, pl.LazyFrame], lists: dict[str, _Longest]) -> None:
    """Refuse lists that are no beginning of their user's longest one: what the row's length is cut from would be another."""
    for part, scan in scans.items():
        for name, longest in lists.items():
            joined = (
                scan.select("user_id", name).with_row_index("row").join(longest.frame.lazy(), on="user_id", how="inner")
            )
            begins = (pl.col("text") + SEPARATOR).str.starts_with(pl.col(name) + SEPARATOR)
            wrong = joined.filter(~begins).select(pl.col("row").min()).collect(engine="streaming").item()
            if wrong is not None:
                raise SourceError(
                    f"{paths[part]}, row {wrong + 1} after the header: {name} is not how the user's longest list begins; this is "
                    "not KuaiVideo_x1 as distributed, where every list is the first items of one list per user"
                )


def _rows(frame: pl.DataFrame, fields: Fields, lists: dict[str, _Longest]) -> VideoRows:
    histories = []
    for name, longest in lists.items():
        starts = frame.join(longest.frame.select("user_id", "start"), on="user_id", how="left", maintain_order="left")
        histories.append(Histories(starts["start"].fill_null(0).to_numpy(), frame[name].to_numpy(), longest.code_T))
    return VideoRows(
        FieldRows(fields.codes(frame.select("user_id", "item_id")), histories),
        frame["item_id"].to_numpy(),
        frame["is_click"].to_numpy().astype(np.float64),
        encode_groups(frame["user_id"].to_numpy()),
    )
