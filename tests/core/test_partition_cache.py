"""The cache of partitions: what is re-used, what is made again, what a failure and another window leave."""

import datetime as dt
from pathlib import Path

import pytest

from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.core.partition_cache import MANIFEST, keep_only, making, stored

DAY = dt.date(2026, 3, 1)


def make(root: Path, day: dt.date = DAY, key: str = "k", text: str = "rows") -> Path:
    folder = partition(root, day).parent
    with making(folder, day, key) as (temporary, manifest):
        (temporary / "part.parquet").write_text(text)
        manifest["rows_out"] = 3
    return folder


def test_a_made_partition_is_found_by_its_key_alone(tmp_path: Path) -> None:
    folder = make(tmp_path)
    assert stored(folder / MANIFEST, "k") == {"key": "k", "day": "2026-03-01", "rows_out": 3}
    assert stored(folder / MANIFEST, "other") is None
    assert stored(tmp_path / "day=2026-03-02" / MANIFEST, "k") is None


def test_a_partition_that_lacks_a_part_is_made_again(tmp_path: Path) -> None:
    folder = make(tmp_path)
    part = folder / "part.parquet"
    assert stored(folder / MANIFEST, "k", part) is not None
    part.unlink()
    assert stored(folder / MANIFEST, "k", part) is None


@pytest.mark.parametrize("content", [b"", b'{"key": "k"', b"\xff\xfe", b"[]", b"{}"])
def test_a_damaged_manifest_counts_as_none(tmp_path: Path, content: bytes) -> None:
    folder = make(tmp_path)
    (folder / MANIFEST).write_bytes(content)
    assert stored(folder / MANIFEST, "k") is None


def test_a_failure_leaves_the_partition_that_stood(tmp_path: Path) -> None:
    folder = make(tmp_path)
    with pytest.raises(RuntimeError), making(folder, DAY, "new") as (temporary, _):
        (temporary / "part.parquet").write_text("half")
        raise RuntimeError
    assert (folder / "part.parquet").read_text() == "rows"
    assert read_json(folder / MANIFEST)["key"] == "k"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_partition_made_again_replaces_all_of_the_old_one(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "left.parquet").touch()
    make(tmp_path, key="new", text="more")
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST, "part.parquet"]
    assert (folder / "part.parquet").read_text() == "more"


def test_days_outside_the_window_are_removed(tmp_path: Path) -> None:
    days = [DAY + dt.timedelta(days=n) for n in range(3)]
    for day in days:
        make(tmp_path, day)
        (tmp_path / f"day={day}.parquet").touch()
    (tmp_path / "users.parquet").touch()
    keep_only(tmp_path, days[1:])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "day=2026-03-02", "day=2026-03-02.parquet", "day=2026-03-03", "day=2026-03-03.parquet", "users.parquet",
    ]  # fmt: skip
