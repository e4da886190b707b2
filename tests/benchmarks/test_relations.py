"""The benchmark of relation features: its arms hold what they say, its control breaks pairs alone, and it runs."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.parts.part import Options
from benchmarks.relations.arms import ARMS, permute_pairs
from benchmarks.relations.simulated import run


def test_permuted_pairs_keep_what_a_user_is_like(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "user_id": [1, 1, 1, 1, 2, 2, 1, 2],
            "state_day": [1, 1, 1, 1, 1, 1, 2, 2],
            "a": range(8),
            "b": range(100, 108),
            "watch_ms": range(50, 58),
        }
    )
    part = tmp_path / "features" / "rows" / "day=2026-01-01" / "part.parquet"
    part.parent.mkdir(parents=True)
    rows.write_parquet(part)
    permute_pairs(tmp_path / "features", tmp_path / "out", ["a", "b"])
    found = pl.read_parquet(tmp_path / "out" / part.relative_to(tmp_path / "features"), hive_partitioning=False)
    assert found.columns == rows.columns
    assert found.drop("a", "b").equals(rows.drop("a", "b"))
    assert (found["b"] - found["a"] == 100).all()
    for user, day in ((1, 1), (2, 1), (1, 2), (2, 2)):
        of = (pl.col("user_id") == user) & (pl.col("state_day") == day)
        assert sorted(found.filter(of)["a"]) == rows.filter(of)["a"].to_list()
    assert found["a"].to_list() != rows["a"].to_list()


@pytest.mark.slow
def test_a_quick_run_measures_every_arm(tmp_path: Path) -> None:
    (table,) = run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert [row[0].split(", ")[0] for row in table.rows] == ["trees"] * len(ARMS) + ["network"] * len(ARMS)
    for arms in table.numbers.values():
        assert arms["without"]["xauc"]["delta"] == 0
        assert all(0.4 < metrics["xgauc"]["value"] < 0.9 for metrics in arms.values())
        assert len({metrics["xauc"]["value"] for metrics in arms.values()}) == len(ARMS)
