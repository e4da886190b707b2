"""Whether the watch-time label of a prediction table ends at the duration, as the metadata of its Parquet file says."""

from pathlib import Path

import pyarrow.parquet as pq

from tasks.core.errors import ContractError

_KEY = "truncate_watch"
_SPELLED = {True: "true", False: "false"}


def bound_metadata(truncate_watch: bool) -> dict[str, str]:
    """Return the metadata that a writer of predictions puts into its file."""
    return {_KEY: _SPELLED[truncate_watch]}


def read_bound(path: Path) -> bool:
    """Return whether the label is min(play, duration).

    A file that does not say is one written before files did, or by hand; it is read with the default of
    `table.truncate_watch`, true, which nearly all of them have. Labels beyond the duration contradict it, and their
    reader refuses them.

    Raises:
        ContractError: if the metadata says something else than true or false.
    """
    said = (pq.read_metadata(path).metadata or {}).get(_KEY.encode(), b"true").decode()
    for value, spelled in _SPELLED.items():
        if said == spelled:
            return value
    raise ContractError(f"{path}: the metadata has {_KEY} {said!r}, not true or false: predict the day again")
