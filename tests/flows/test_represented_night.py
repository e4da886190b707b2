"""Nights with codes of content, vectors learned before the fit, a proposer and a compressed champion, from the log to rollback."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.files import hash_file, hash_tree, read_json, remove
from tasks.core.layout import Workspace
from tasks.registry import Registry
from tests.flows.conftest import decide
from tests.flows.declared import run_night
from tests.flows.small_night import dwell, make_workspace, tiny_params

pytestmark = pytest.mark.slow
FORCED = ("data/features", "data/table", "artifacts", "metrics")


def params() -> dict[str, Any]:
    changed = tiny_params()
    changed["sources"]["simulator"]["strengths"] = {"content": 1.0}
    changed["features"]["content"] = True
    codes = {"kind": "rq", "levels": 2, "codewords": 8, "videos_per_codeword": 5}
    changed["table"]["items"] = codes
    vectors = {"kind": "lightgcn", "epochs": 2, "watched": "valid_play"}
    changed["recipes"]["d2q"] |= {"pretraining": vectors | {"use": "join"}, "compression": {"kind": "int8_row"}}
    changed["nightly"]["proposers"] = ["lightgcn"]
    changed["candidates"] = {"length": 10, "watched": "valid_play"}
    changed["proposers"] = {"lightgcn": {"kind": "lightgcn", "max_epochs": 2, "patience": 1}}
    changed["score"]["proposer"] = "lightgcn"
    return changed


def champion(root: Path) -> str:
    return str(Registry(Workspace(root).registry("simulator")).status().champion)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return workspaces after the first night, and after the second."""
    first = make_workspace(tmp_path_factory.mktemp("first") / "workspace", params())
    run_night(first)
    decide(first)
    second = shutil.copytree(first, tmp_path_factory.mktemp("second") / "workspace", symlinks=True)
    run_night(second, "--as-of", "2026-01-16")
    decide(second)
    return first, second


def test_the_compressed_model_that_reads_the_codes_is_judged_promoted_and_said(nights: tuple[Path, Path]) -> None:
    for root in nights:
        folder = root / "artifacts/models/recipes/d2q/tables-seed0"
        manifest = read_json(folder / "manifest.json")
        table = manifest["tables"]["encoder.table"]
        assert table["rows"].keys() == {"int8_row"}
        assert table["ledger"]["total"] == sum(path.stat().st_size for path in folder.glob("encoder.table.*"))
        assert {"content_1", "content_2"} <= {field["field"] for field in manifest["fields"]}
        page = (root / "artifacts/report/report.html").read_text()
        assert "<h2>Compressed tables" in page and "<h2>Candidates" in page
    first, second = nights
    learned, of_the_champion = (hash_tree(root / "data/table/preprocessor/items") for root in (second, first))
    assert hash_tree(second / "artifacts/models/recipes/d2q/preprocessor/items") == learned != of_the_champion
    assert hash_tree(second / "artifacts/champion/entry/bundle/preprocessor/items") == of_the_champion
    assert champion(second) != champion(first), "refreshed"
    registered = second / f"registry/simulator/entries/{champion(second)}/bundle"
    assert hash_tree(registered) == hash_tree(second / "artifacts/models/recipes/d2q")


def test_the_proposers_videos_are_scored(nights: tuple[Path, Path]) -> None:
    for root in nights:
        proposed = pl.read_parquet(root / "artifacts/models/proposers/lightgcn/proposals.parquet")
        scored = pl.read_parquet(root / "artifacts/scores/scores.parquet")
        assert scored.height == 10 * scored["user_id"].n_unique() > 1000
        assert scored.join(proposed, on=["user_id", "video_id"], how="anti").is_empty()


def test_the_second_night_makes_only_what_is_new_or_changed(nights: tuple[Path, Path]) -> None:
    first, second = (
        {path.relative_to(root): path for path in root.glob("data/*/*/day=*/*.parquet")} for root in nights
    )
    both = first.keys() & second.keys()
    made = {file for file in both if first[file].stat().st_mtime_ns != second[file].stat().st_mtime_ns}
    changed = {file for file in both if hash_file(first[file]) != hash_file(second[file])}
    assert changed <= made and {file.parts[1] for file in made - changed} == {"validated"}, "the day before has left"
    assert 0 < len(made) < len(both) / 5, "late rows of the first fit day, whose state has lost a day of its lookback"
    new = second.keys() - both
    assert all("day=2026-01-16" in file.parts or "day=2026-01-17" in file.parts for file in new)


def test_made_again_by_force_it_has_the_same_bytes(nights: tuple[Path, Path], tmp_path: Path) -> None:
    again = shutil.copytree(nights[1], tmp_path / "again", symlinks=True)
    for folder in FORCED:
        remove(again / folder)
    run_night(again, "--as-of", "2026-01-16")
    assert {folder: hash_tree(again / folder) for folder in FORCED} == {
        folder: hash_tree(nights[1] / folder) for folder in FORCED
    }


def test_the_champion_before_serves_after_a_rollback(nights: tuple[Path, Path], tmp_path: Path) -> None:
    root = shutil.copytree(nights[1], tmp_path / "w", symlinks=True)
    dwell(root, "rollback", "--reason", "test")
    assert champion(root) == champion(nights[0])
    assert f"2026-01-17, d2q ({champion(root)}): " in dwell(root, "score")
