"""What the machine refused, in words, whichever library reports it: disk, memory, handles, rights."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator

from tasks.core.errors import DwellError, MachineError

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EFBIG: "the file is larger than this file system or its limits allow: choose another folder",
    errno.EDQUOT: "the disk quota is used up: free some space and run again",
    errno.EACCES: "permission denied: make the folder writable for this user",
    errno.EPERM: "not permitted: make the folder writable for this user",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EIO: "the disk reports an input/output error: check the disk, then run again",
    errno.EMFILE: "too many open files: raise the limit (`ulimit -n 4096`) and run again",
    errno.ENFILE: "the machine has too many open files: close other programs and run again",
    errno.ENOMEM: "out of memory: give the machine more, or lower nightly.parallel_stages and cluster.workers",
    errno.EAGAIN: "no further process or thread may start: raise the limit (`ulimit -u`) or lower the threads",
}
_OS_ERROR = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)


@contextlib.contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn what the machine refuses inside into an error a person is meant to read.

    Args:
        what: what was being done, for the message.

    Raises:
        MachineError: for an error of the system, of whatever library; others pass as they are.
    """
    try:
        yield
    except DwellError:
        raise
    except Exception as error:
        reason = remedy_of(error)
        if reason is None:
            raise
        raise MachineError(f"{what}: {_first_line(error)}: {reason}") from error


def remedy_of(error: BaseException) -> str | None:
    """Return what is wrong with the machine and what to do; None: the error, and what it was raised from, is of another kind."""
    seen: BaseException | None = error
    while seen is not None:
        number = errno.ENOMEM if isinstance(seen, MemoryError) else _number(seen)
        if number in _REMEDIES:
            return _REMEDIES[number]
        seen = seen.__cause__ or seen.__context__
    return None


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _number(error: BaseException) -> int | None:
    """Return the number of the system's error: as Python holds it, or as a library's message gives it."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    if match := _OS_ERROR.search(text):
        return int(match[1] or match[2])
    return next((number for number in _REMEDIES if os.strerror(number).lower() in text.lower()), None)
