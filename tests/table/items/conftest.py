"""The small night with content, and its table with codes of every scheme and of a control."""

from pathlib import Path

import pytest

from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.items.config import CodedItems
from tasks.table.items.controls import CONTROLS
from tasks.table.items.schemes import ID_SCHEMES
from tests.table.small_night import DAYS, FEATURES, write_features

CODED = CodedItems(kind="rq", levels=2, codewords=8, videos_per_codeword=5)


def coded(kind: str) -> TableConfig:
    """Return a table with codes of one scheme, or of a control."""
    change = {"control": kind} if kind in CONTROLS else {"kind": kind}
    return TableConfig(items=CODED.model_copy(update=change))


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = FEATURES.model_copy(update={"content": True})
    return write_features(tmp_path_factory.mktemp("content"), config=config)


@pytest.fixture(scope="session")
def tables(features: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("coded")
    kinds = (*ID_SCHEMES, "shuffled")
    for kind in kinds:
        build_table(features, coded(kind), DAYS, folder / kind)
    return {kind: folder / kind for kind in kinds}
