"""Versions of the documentation lie side by side, and the newest is shown first."""

import json
import re
from pathlib import Path

from manual.versions import list_version


def built(out: Path, version: str) -> str:
    (out / version).mkdir(parents=True)
    (out / version / "index.html").write_text(version)
    return list_version(out, version).read_text()


def listed(out: Path) -> list[str]:
    return [entry["version"] for entry in json.loads((out / "versions.json").read_text())]


def test_the_newest_comes_first_whatever_was_built_last(tmp_path: Path) -> None:
    built(tmp_path, "0.9.0")
    built(tmp_path, "0.10.0")
    page = built(tmp_path, "0.10.0rc1")
    assert listed(tmp_path) == ["0.10.0", "0.10.0rc1", "0.9.0"]
    assert re.findall(r"url=([^\"]+)", page) == ["0.10.0/index.html"]
    assert re.findall(r'href="([^"]+)"', page) == [f"{name}/index.html" for name in listed(tmp_path)]


def test_a_version_that_is_gone_is_not_offered(tmp_path: Path) -> None:
    built(tmp_path, "0.1.0")
    (tmp_path / "0.1.0/index.html").unlink()
    built(tmp_path, "0.2.0")
    assert listed(tmp_path) == ["0.2.0"]
