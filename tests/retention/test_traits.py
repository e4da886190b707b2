"""Where values of sensitive attributes of earlier nights lie: in DVC's cache and in models, by what their files hold."""

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from tasks.core.files import write_json
from tasks.core.layout import Workspace
from tasks.retention.traits import holding_values


def cached(root: Path, files: dict[str, bytes]) -> str:
    """Put an output folder into DVC's cache; return its digest."""

    def put(content: bytes, suffix: str = "") -> str:
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
        path = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return digest

    listed = [{"md5": put(content), "relpath": name} for name, content in files.items()]
    return put(json.dumps(listed).encode(), ".dir")


def attributions(path: Path, field: str) -> bytes:
    pl.DataFrame({"user_id": [1], f"ig_{field}": [0.5]}).write_parquet(path)
    return path.read_bytes()


PLAIN, TOLD = json.dumps({"fields": []}).encode(), json.dumps({"sensitive": {"band": "band"}}).encode()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An earlier night whose outputs of four kinds hold values, others that hold none, and this night's own."""
    cached(tmp_path, {"traits.parquet": b"values", "source.json": b"1"})
    cached(tmp_path, {"preprocessor/preprocessor.json": TOLD, "fit/ids.npy": b"2"})
    cached(tmp_path, {"attributions.parquet": attributions(tmp_path / "told", "sensitive/band")})
    cached(tmp_path, {"attributions.parquet": attributions(tmp_path / "plain", "scene")})
    cached(tmp_path, {"preprocessor/preprocessor.json": PLAIN, "users.parquet": b"3"})
    now = cached(tmp_path, {"traits.parquet": b"values of now"})
    stages = {"ingest": {"outs": [{"path": "data/raw", "md5": now}]}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    for entry, content in (("a", {"sensitive": {"band": "band"}}), ("b", {})):
        folder = tmp_path / f"registry/simulator/entries/{entry}/bundle/preprocessor"
        folder.mkdir(parents=True)
        write_json(folder / "preprocessor.json", content)
    return Workspace(tmp_path)


def test_what_holds_values_is_counted_with_what_removes_it(workspace: Workspace) -> None:
    cache, models = holding_values(workspace)
    assert cache.count == 3 and "`dwell clean --keep-nights 1 --yes`" in str(cache)
    assert models.count == 1 and "`dwell retire`" in str(models)


def test_a_cache_that_lies_elsewhere_is_named(workspace: Workspace) -> None:
    (workspace.root / ".dvc/config").write_text("[cache]\n    dir = /elsewhere\n")
    assert any("lies elsewhere" in str(held) for held in holding_values(workspace))


def test_a_workspace_without_traits_holds_none(tmp_path: Path) -> None:
    assert list(holding_values(Workspace(tmp_path))) == []
