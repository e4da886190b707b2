"""Where a page keeps the script that draws its charts: inside it, or in a file that many pages share."""

import gzip
import hashlib
import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass

_OPEN, _CLOSE = '<script type="text/plain" id="library">', "</script>"
_POLICY, _OF_FILES = b"; script-src ", b"; script-src &#39;self&#39; file: "
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
"""Of gzip: without a time, from no system that it names; releases of Python name different ones."""


class DamagedLibrary(ValueError):
    """A page holds a library that cannot be read."""


@dataclass(frozen=True)
class Shared:
    """A page without its library.

    Attributes:
        html: the page, which loads the library from a file.
        name: of that file, for what is in it.
        script: the file.
    """

    html: bytes
    name: str
    script: bytes


def packed(script: str) -> str:
    """Return a script as base64 of gzip: a third of its size as it is, half of it in a page."""
    return b64encode(_HEADER + gzip.compress(script.encode(), 9, mtime=0)[len(_HEADER) :]).decode()


def library_element(script: str) -> str:
    """Return the element that holds a library.

    Args:
        script: as `packed` returns it.
    """
    return f"{_OPEN}{script}{_CLOSE}"


def share_library(html: bytes, folder: str) -> Shared | None:
    """Take the library out of a page; None where it holds none.

    A file cannot be allowed by its hash when a page is opened without a server, so the policy of the page allows scripts of
    the place that the page itself comes from.

    Args:
        html: as `tasks.report.html.page_html` writes it, in UTF-8.
        folder: where the file will be, as seen from the page; "" or ending in "/".

    Raises:
        DamagedLibrary: if the page was cut or changed after it was written.
    """
    before, found, rest = html.partition(_OPEN.encode())
    if not found:
        return None
    library, closed, after = rest.partition(_CLOSE.encode())
    if not closed:
        raise DamagedLibrary("the page ends inside its library")
    try:
        script = gzip.decompress(b64decode(library, validate=True))
    except (EOFError, OSError, ValueError, zlib.error) as problem:
        raise DamagedLibrary(f"its library cannot be unpacked ({problem})") from problem
    name = f"charts-{hashlib.sha256(script).hexdigest()[:12]}.js"
    held = f'{_OPEN[:-1]} data-file="{folder}{name}">{_CLOSE}'
    return Shared(before.replace(_POLICY, _OF_FILES, 1) + held.encode() + after, name, script)
