"""Partitions that are made once: what stands with the key of its inputs is re-used, all else is made again."""

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.core.files import read_json, remove, write_json, writing

Manifest = dict[str, Any]
MANIFEST = "manifest.json"


def stored(manifest: Path, key: str, *parts: Path) -> Manifest | None:
    """Return a manifest that the same key made, or None where something must be made (again).

    Args:
        manifest: JSON file that holds the key, beside or inside what was made.
        key: hash of the inputs, the configuration and the code.
        parts: files that must stand too.
    """
    if not all(path.is_file() for path in (manifest, *parts)):
        return None
    try:
        found = read_json(manifest)
    except ValueError:  # damaged: not made by this key, whatever it was
        return None
    return found if isinstance(found, dict) and found.get("key") == key else None


@contextmanager
def making(folder: Path, day: dt.date, key: str) -> Iterator[tuple[Path, Manifest]]:
    """Yield a temporary folder to fill and the manifest to add to; on success both replace `folder`.

    Raises:
        StorageError: if the disk is full or the folder cannot be written; `folder` then is as it was.
    """
    manifest: Manifest = {"key": key, "day": day.isoformat()}
    with writing(folder) as temporary:
        temporary.mkdir()
        yield temporary, manifest
        write_json(temporary / MANIFEST, manifest)


def outputs(folder: Path) -> dict[str, str]:
    """Return day -> hash of what its partition holds, as the manifests of `making` say under "output"."""
    manifests = sorted(folder.glob(f"day=*/{MANIFEST}"))
    return {path.parent.name.removeprefix("day="): str(read_json(path).get("output")) for path in manifests}


def keep_only(folder: Path, days: Collection[dt.date]) -> None:
    """Remove the partitions (folders or Parquet files) of other days: what stands is a function of this run alone."""
    kept = {f"day={day.isoformat()}" for day in days}
    for path in folder.glob("day=*"):
        if path.name.removesuffix(".parquet") not in kept:
            remove(path)
