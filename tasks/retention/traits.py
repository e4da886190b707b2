"""Where values of sensitive attributes that earlier nights read still lie, and which command removes them.

What holds what: docs/methods/traits.md#what-earlier-nights-still-hold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from models.attribution.fields import SENSITIVE
from tasks.attribution.document import ROWS_FILE
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.features.traits import FILE
from tasks.registry.entry import BUNDLE, ENTRIES
from tasks.retention.dvc_cache import folders, is_elsewhere, outputs_of

_PREPROCESSOR = "preprocessor.json"


@dataclass(frozen=True)
class Held:
    """What of earlier nights holds values of sensitive attributes.

    Attributes:
        what: a sort of artifact.
        count: how many.
        remedy: how they go.
    """

    what: str
    count: int
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.count}; {self.remedy}"


def holding_values(workspace: Workspace) -> Iterator[Held]:
    """Yield what still holds values, or models fitted on them, beside the night in the workspace.

    Args:
        workspace: where nights run.
    """
    of_now = outputs_of(workspace.root / "dvc.lock")
    cached = sum(digest not in of_now and _holds(files) for digest, files in folders(workspace.root))
    if cached:
        yield Held(
            "outputs of earlier nights in DVC's cache",
            cached,
            "`dwell clean --keep-nights 1 --yes` removes those of all nights but the last, the champion's and its predecessor's",
        )
    if is_elsewhere(workspace.root):
        yield Held("DVC's cache that lies elsewhere", 1, "it is not looked into: `dvc gc` there")
    models = [
        entry
        for entry in sorted((workspace.root / "registry").glob(f"*/{ENTRIES}/*"))
        if any(_is_told(path) for path in (entry / BUNDLE).rglob(_PREPROCESSOR))
    ]
    if models:
        yield Held(
            "registry entries with their levels or scales, and with what was fitted on them",
            len(models),
            "`dwell clean` removes models of old champions; the champion's serves until another is promoted or `dwell retire`",
        )


def _holds(files: Mapping[str, Path]) -> bool:
    """Tell whether an output folder holds values of users, levels that models learned, or what these make of a user."""
    if FILE in files or any(_is_told(path) for name, path in files.items() if Path(name).name == _PREPROCESSOR):
        return True
    rows = files.get(ROWS_FILE)
    return rows is not None and any(SENSITIVE in name for name in pq.read_schema(rows).names)


def _is_told(preprocessor: Path) -> bool:
    return bool(read_json(preprocessor).get("sensitive"))
