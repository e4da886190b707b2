"""The README as pages: a newcomer who reads a site wants one thing per page, one who reads a repository wants one file."""

import re
from collections.abc import Iterator

from manual.markdown import FENCE

PAGES = {
    "index.md": ("", "What stands where", "Licence"),
    "first_night.md": ("Run it", "Look at the result"),
    "use_your_data.md": ("Use your own data",),
    "change_a_model.md": ("Change a model",),
    "schedule_it.md": ("Schedule it",),
    "scale_it.md": ("Scale it",),
}
"""Page -> the sections of the README that it holds; "" is what stands before the first of them."""


def readme_pages(readme: str) -> dict[str, str]:
    """Return page -> its text: every section of the README on exactly one of them, under a heading of the first level.

    Raises:
        ValueError: if a page names a section that is not there, or no page has one.
    """
    found = dict(sections(readme))
    named = [name for names in PAGES.values() for name in names]
    if sorted(named) != sorted(found):
        raise ValueError(f"the README has the sections {sorted(found)}, and manual.readme.PAGES names {sorted(named)}")
    return {page: _page(page, names, found) for page, names in PAGES.items()}


def _page(page: str, names: tuple[str, ...], found: dict[str, str]) -> str:
    first, *rest = names
    text = found[first] if first == "" else f"# {first}\n{found[first]}"
    return text + "".join(f"\n## {name}\n{found[name]}" for name in rest)


def sections(text: str) -> Iterator[tuple[str, str]]:
    """Yield the sections of the second level, first what stands before them under ""; headings in code are none."""
    code = [range(*match.span()) for match in FENCE.finditer(text)]
    heads = [
        match
        for match in re.finditer(r"^## (.+)\n", text, re.MULTILINE)
        if not any(match.start() in span for span in code)
    ]
    ends = [*(head.start() for head in heads), len(text)]
    yield "", text[: ends[0]]
    for head, end in zip(heads, ends[1:], strict=True):
        yield head[1], text[head.end() : end]
