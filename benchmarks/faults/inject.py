"""Run one stage while the machine refuses something: `inject.py KIND STAGE [--recipe NAME]`, in a workspace."""

import errno
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _refuse(module: Any, name: str, number: int, skip: int) -> None:
    """Let a function of the system fail from its `skip`-th call that concerns an output on."""
    real: Callable[..., Any] = getattr(module, name)
    calls = 0

    def refusing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        if any(".dwell-" in str(argument) for argument in arguments):
            calls += 1
            if calls > skip:
                raise OSError(number, os.strerror(number), str(arguments[0]))
        return real(*arguments, **options)

    setattr(module, name, refusing)


def _out_of_memory() -> None:
    """Let hashing a file, which every stage that keeps a manifest does, find no memory."""
    from tasks.core import files

    def refusing(*_: Any, **__: Any) -> None:
        raise MemoryError

    files.hash_file = files.hash_tree = files.write_json = refusing  # type: ignore[assignment]


KINDS: dict[str, Callable[[], object]] = {
    "EIO when a file is put in place": lambda: _refuse(os, "replace", errno.EIO, 1),
    "EACCES when a folder is made": lambda: _refuse(Path, "mkdir", errno.EACCES, 1),
    "EROFS when a folder is made": lambda: _refuse(Path, "mkdir", errno.EROFS, 0),
    "EDQUOT when a file is put in place": lambda: _refuse(os, "replace", errno.EDQUOT, 0),
    "no memory": _out_of_memory,
    "files of 2 KB at most": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048)),
    "6 open files at most": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6)),
}

if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    KINDS[sys.argv[1]]()
    from tasks.main import main

    sys.exit(main(sys.argv[2:]))
