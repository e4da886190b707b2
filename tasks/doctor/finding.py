"""One thing that is not as it should be."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What is wrong, and what to do.

    Attributes:
        problem: what, with the place and the value.
        remedy: what a person does about it.
        mend: mends it without loss and returns what it did; None where only a person can.
        grave: whether a night would fail or lose something.
    """

    problem: str
    remedy: str
    mend: Callable[[], str] | None = None
    grave: bool = True

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}"
