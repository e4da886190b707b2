"""A check that takes seconds and is a function of its key alone need not be made twice in a row."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from tasks.core.errors import StorageError
from tasks.core.files import write_text


def once(file: Path, key: str, check: Callable[[], None]) -> None:
    """Make a check unless `file` says that it passed with this very key; a check that raises is not remembered.

    Args:
        file: holds the key of the last check that passed; may be deleted at any time.
        key: hash of everything the outcome depends on.
        check: raises where something is wrong.
    """
    if file.is_file() and file.read_text(encoding="utf-8").strip() == key:
        return
    check()
    with contextlib.suppress(StorageError, OSError):  # where nothing can be written the check is made every time
        write_text(file, key + "\n")
