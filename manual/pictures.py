"""The pictures that benchmarks recorded, on one page, each leading to the numbers behind it."""

import re
from collections.abc import Mapping
from itertools import groupby

from manual.markdown import title

_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def pictures_page(pages: Mapping[str, str], report: str | None) -> str:
    """Return the gallery.

    Args:
        pages: place -> Markdown of all pages, of which those of benchmarks are looked through.
        report: place of the report of a night, which is linked; None: there is none.
    """
    lines = ["# Pictures", "", "What was recorded, as it was drawn then; every heading leads to the numbers.", ""]
    if report is not None:
        lines += [f"[The report of a night]({report}) as the morning sees it: one file that fetches nothing.", ""]
    found = [
        (place, text, file)
        for place, page in sorted(pages.items())
        if place.startswith("benchmarks/")
        for text, file in _PICTURE.findall(page)
    ]
    for place, pictures in groupby(found, key=lambda picture: picture[0]):
        lines += [f"## [{title(pages[place])}]({place})", ""]
        for _, text, file in pictures:
            lines += [f"![{text}]({place.rpartition('/')[0]}/{file})", "", text, ""]
    return "\n".join(lines) + "\n"
