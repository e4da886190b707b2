"""The order in which a viewer's acts imply each other: not skipped, then valid, then long, then finished."""

from collections.abc import Iterable

CHAIN = ("skip", "valid_play", "long_view", "finish")
"""By rule every finish is a long view, every long view valid, and no valid play a skip.

Source: docs/methods/watch_time.md#labels.
"""


def chain_of(tasks: Iterable[str]) -> tuple[str, ...]:
    """Return the tasks that stand in the chain, in its order."""
    known = set(tasks)
    return tuple(task for task in CHAIN if task in known)
