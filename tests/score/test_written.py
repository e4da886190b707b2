"""Scores name users, videos and scenes as the source wrote them."""

from pathlib import Path

import polars as pl
import pytest

from tasks.core.files import write_json
from tasks.core.identities import SCHEMA
from tasks.score.written import AsWritten

SCORED = pl.DataFrame(
    {"user_id": [7, -5, -9], "video_id": [1, 2, 2], "scene": [0, 1, 1], "score": [0.1, 0.2, 0.3]},
    schema_overrides={"scene": pl.Int16()},
)


def as_written(folder: Path, names: list[tuple[str, int, str]], **about: list[str]) -> AsWritten:
    pl.DataFrame(names, schema=SCHEMA, orient="row").write_parquet(folder / "day=2024-03-01.parquet")
    pl.DataFrame(names[:1], schema=SCHEMA, orient="row").write_parquet(folder / "tables.parquet")
    write_json(folder / "source.json", about)
    return AsWritten.of(folder, folder, SCORED.select("user_id"), SCORED.select("video_id"))


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    assert as_written(tmp_path, [("author_id", -5, "another kind"), ("user_id", -77, "not scored")])(SCORED).equals(
        SCORED
    )


@pytest.mark.parametrize("text", ["007", "用户", "<script>", "a,b\n'\"", " "])
def test_text_is_what_the_source_wrote(tmp_path: Path, text: str) -> None:
    names = [("user_id", -5, text), ("user_id", -9, "last"), ("video_id", -5, "a video")]
    found = as_written(tmp_path, names, scene_names=["home", "user's"])(SCORED)
    assert found["user_id"].to_list() == ["7", text, "last"]
    assert found["scene"].to_list() == ["home", "user's", "user's"]
    assert found.drop("user_id", "scene").equals(SCORED.drop("user_id", "scene"))
