"""Where a page keeps the script that draws its charts: inside it, or in a file that many pages share."""

import gzip
import hashlib
from base64 import b64decode
from dataclasses import dataclass

_OPEN, _CLOSE = '<script type="text/plain" id="library">', "</script>"
_POLICY, _OF_FILES = "; script-src ", "; script-src &#39;self&#39; file: "


@dataclass(frozen=True)
class Shared:
    """A page without its library.

    Attributes:
        html: the page, which loads the library from a file.
        name: of that file, for what is in it.
        script: the file.
    """

    html: str
    name: str
    script: str


def library_element(packed: str) -> str:
    """Return the element that holds a library.

    Args:
        packed: the script as base64 of gzip.
    """
    return f"{_OPEN}{packed}{_CLOSE}"


def share_library(html: str, folder: str) -> Shared | None:
    """Take the library out of a page; None where it holds none.

    A file cannot be allowed by its hash when a page is opened without a server, so the policy of the page allows scripts of
    the place that the page itself comes from.

    Args:
        html: as `tasks.report.html.page_html` writes it.
        folder: where the file will be, as seen from the page; "" or ending in "/".
    """
    before, found, rest = html.partition(_OPEN)
    if not found:
        return None
    packed, _, after = rest.partition(_CLOSE)
    name = f"charts-{hashlib.sha256(packed.encode()).hexdigest()[:12]}.js"
    opened = before.replace(_POLICY, _OF_FILES, 1) + f'{_OPEN[:-1]} data-file="{folder}{name}">{_CLOSE}'
    return Shared(opened + after, name, gzip.decompress(b64decode(packed)).decode())
