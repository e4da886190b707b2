"""Problems of many files, told at once."""

import contextlib
from collections.abc import Iterator

from tasks.core.errors import SourceError

MOST = 20
"""Lines that a person is shown of one run; the rest is counted."""


class Problems:
    """What is wrong with the files of a source."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Take note of what is wrong, and go on."""
        try:
            yield
        except SourceError as error:
            self.lines += [line for line in str(error).splitlines() if line not in self.lines]

    def refuse(self) -> None:
        """Refuse the source if anything was noted.

        Raises:
            SourceError: one line per problem.
        """
        if self.lines:
            further = len(self.lines) - MOST
            rest = [f"... and {further} further problems of these files"] if further > 0 else []
            raise SourceError("\n".join([*self.lines[:MOST], *rest]))
