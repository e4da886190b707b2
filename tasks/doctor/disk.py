"""Free space against what a night takes."""

import shutil
from collections.abc import Iterator

from tasks.core.layout import Workspace
from tasks.doctor.finding import Finding

_FIRST_NIGHT = 2 * 2**30
"""Bytes that should be free before anything is known of a night's size."""
_COPIES = 3
"""An output while it is replaced, its successor, and the copy in DVC's cache."""


def disk(workspace: Workspace) -> Iterator[Finding]:
    """Yield a finding where the next night may not fit."""
    free = shutil.disk_usage(workspace.root).free
    folders = (workspace.root / name for name in ("data", "artifacts"))
    standing = sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())
    needed = _COPIES * standing or _FIRST_NIGHT
    if free < needed:
        yield Finding(
            f"{free / 2**30:.2f} GiB are free, a night here takes up to {needed / 2**30:.2f} GiB",
            "free some space: `dwell clean --keep-nights 14 --yes` drops what old nights hold",
            grave=free < standing,
        )
