"""How a trap is tested: one check, which what the product computes passes and what fell into the trap does not."""

from collections.abc import Callable
from typing import TypeVar

import pytest

Subject = TypeVar("Subject")


def tells_apart(check: Callable[[Subject], None], right: Subject, *wrong: Subject) -> None:
    """Hold a check against the product, and against twins that are wrong on purpose.

    Args:
        check: asserts.
        right: the product's own; it passes.
        wrong: what fell into the trap; the same assertions fail. One that raises anything else proves nothing.
    """
    check(right)
    for twin in wrong:
        with pytest.raises(AssertionError):
            check(twin)
