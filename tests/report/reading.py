"""Read the parts of a page in a test: every block, the folded ones too."""

from collections.abc import Iterator
from typing import Any

from tasks.report.view import Details, PageTable, Section


def flat(section: Section) -> Iterator[Any]:
    """Yield every block, those folded away too."""

    def walk(blocks: Any) -> Iterator[Any]:
        for block in blocks:
            yield block
            if isinstance(block, Details):
                yield from walk(block.blocks)

    return walk(section.blocks)


def tables(section: Section) -> list[PageTable]:
    return [block for block in flat(section) if isinstance(block, PageTable)]


def words(section: Section) -> str:
    return " ".join(block.text for block in flat(section) if block.kind in ("text", "heading"))


def texts(table: PageTable) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]
