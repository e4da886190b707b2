"""Markdown of generated pages."""

import re
from collections.abc import Iterable, Iterator, Sequence

FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\[[^\]]*\]\()([^)\s]+)(\))")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table, and the empty one after it; cells are Markdown of ours and may hold any sign."""
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
    yield ""


def title(text: str) -> str:
    """Return the first heading of a page.

    Raises:
        ValueError: if it has none.
    """
    if found := re.search(r"^# (.+)$", FENCE.sub("", text), re.MULTILINE):
        return found[1]
    raise ValueError(f"no heading in the page that begins {text[:60]!r}: begin it with '# '")
