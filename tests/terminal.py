"""A terminal for tests: what is written to it is kept, as a person's screen would get it."""

import contextlib
import os
import pty
import termios
import threading
from collections.abc import Iterator


class Terminal:
    """The end that a program writes to, and what it has written.

    Attributes:
        descriptor: of the end to write to.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._sent = bytearray()

    @property
    def sent(self) -> str:
        return self._sent.decode()

    def read(self, other_end: int) -> None:
        """Keep what is written until the last writer has gone."""
        with contextlib.suppress(OSError):  # so Linux says that
            while block := os.read(other_end, 4096):
                self._sent += block


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    """Make a terminal of 24 lines; what was sent is whole when the block has ended and nobody else holds it."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 100))
    made = Terminal(theirs)
    reading = threading.Thread(target=made.read, args=(ours,))
    reading.start()
    try:
        yield made
    finally:
        os.close(theirs)
        reading.join(timeout=60)
        os.close(ours)
