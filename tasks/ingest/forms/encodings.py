"""In which encoding a text is that is not UTF-8: where that shows first, and what it probably is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

_LINES = 50
"""Lines that are not UTF-8 and are looked at for a guess."""
_CANDIDATES = ("gbk", "cp1252")
_COMMON_HANZI = re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]")
"""The 3,755 most frequent Chinese characters and the punctuation, in GB 2312 and all that extend it."""
_UNUSED = re.compile("[\x80-\x9f\ufffd]")


@dataclass(frozen=True)
class Foreign:
    """The first line of a text that is not UTF-8.

    Attributes:
        line: its number, from 1.
        encoding: what it reads as; None where that is not known.
        found: what stands there, in that encoding, or as bytes.
    """

    line: int
    encoding: str | None
    found: str | bytes

    def __str__(self) -> str:
        if self.encoding is None:
            return f"line {self.line} is not UTF-8 (it holds {self.found!r})"
        return f"line {self.line} is not UTF-8; it reads as {self.encoding.upper()} ({self.found!r})"


def not_utf8(lines: Iterable[bytes]) -> Foreign | None:
    """Return the first line of a text that is not UTF-8; None if all are."""
    wrong = ((number, line.rstrip(b"\r\n")) for number, line in enumerate(lines, 1) if not _is_utf8(line))
    first = next(wrong, None)
    if first is None:
        return None
    number, line = first
    encoding = guess(b"\n".join([line, *(line for _, line in islice(wrong, _LINES))]))
    text = line if encoding is None else line.decode(encoding)
    start = next(at for at in range(len(text)) if not text[at : at + 1].isascii())
    return Foreign(number, encoding, text[start : start + 16])


def guess(text: bytes) -> str | None:
    """Return an encoding in which bytes that are not UTF-8 make sense; None if none is known."""
    for encoding in _CANDIDATES:
        try:
            decoded = text.decode(encoding)
        except UnicodeDecodeError:
            continue
        high = sum(byte > 127 for byte in text)
        if encoding == "gbk" and 2 * len(_COMMON_HANZI.findall(text)) < 0.8 * high:
            continue
        if not _UNUSED.search(decoded):
            return encoding
    return None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
