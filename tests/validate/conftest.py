"""Fixtures of the validation tests."""

import shutil
from pathlib import Path

import pytest

from tasks.validate.config import ValidationConfig
from tasks.validate.stage import validate
from tests.validate.by_hand import DAYS, RawFolder, tree


@pytest.fixture
def raw(tmp_path: Path) -> RawFolder:
    """A clean raw folder of six days."""
    return RawFolder(tmp_path / "data/raw").write()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "data/validated"


@pytest.fixture(scope="session")
def validated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clean raw folder, validated."""
    folder = tmp_path_factory.mktemp("validated")
    validate(RawFolder(folder / "raw").write().path, ValidationConfig(), DAYS, folder / "validated")
    return folder / "validated"


@pytest.fixture
def earlier(validated_once: Path, raw: RawFolder, out: Path) -> dict[str, bytes]:
    """Put the result of an earlier run, over the clean rows of `raw`, at `out`; return its files."""
    shutil.copytree(validated_once, out)
    return tree(out)
