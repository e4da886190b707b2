"""How the memory that tensors leave is kept for the next ones.

The C library gives a large block back to the system when it is freed and asks for a new one, which the system fills with zeros page
by page. A step of a fit allocates the same blocks as the step before: a sixth of its time went into that.
"""

import ctypes

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""Parameters of glibc's `mallopt`: the smallest block that is mapped for itself, and how much free memory is kept."""
_MAPPED_BYTES, _KEPT_BYTES = 32 << 20, 512 << 20


def keep_freed_memory() -> bool:
    """Keep what this process frees, but for blocks of 32 MiB and more; the peak stays what it was.

    Results do not change. Call it where a process does the work of one stage: a long-lived one would hold on to memory.

    Returns:
        Whether the C library can be told; other ones than glibc cannot.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES) and mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))
