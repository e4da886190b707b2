"""How recipes are spelled in YAML files: one line for every part, and nothing else in the file is touched."""

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

_NO_WRAP = 1 << 16


@dataclass(frozen=True)
class Entry:
    """One entry that a file is to have.

    Attributes:
        keys: its path.
        value: its value; None: it is not to be there.
        after: sibling a new entry stands behind; None: it comes last.
    """

    keys: tuple[str, ...]
    value: Any
    after: str | None = None


def with_entries(text: str, entries: Iterable[Entry]) -> str:
    """Return a YAML text with some entries, one after the other."""
    for entry in entries:
        if entry.value is None:
            text = without_entry(text, entry.keys)
        else:
            value = entry.value if isinstance(entry.value, CommentedMap) else _flow(entry.value)
            text = with_entry(text, entry.keys, value, entry.after)
    return text


def to_text(document: Any) -> str:
    """Return a document, read by `parsed` or made here, as YAML."""
    out = io.StringIO()
    _yaml().dump(document, out)
    return out.getvalue()


def parsed(text: str) -> CommentedMap:
    """Return a YAML text with what `to_text` needs to write it as it was."""
    document: CommentedMap = _yaml().load(text)
    return document


def one_line_each(block: Mapping[str, Any]) -> CommentedMap:
    """Return a mapping that is written with one line for every key."""
    return CommentedMap((key, _flow(value)) for key, value in block.items())


def with_entry(text: str, keys: Sequence[str], value: Any, after: str | None = None) -> str:
    """Return a YAML text with one entry added, or put in the place of what stood there; one line keeps its remark.

    Args:
        text: a mapping in YAML.
        keys: path of the entry; mappings on the way that do not exist are made.
        value: its value.
        after: sibling a new entry stands behind; None: it comes last.
    """
    lines = _lines(text)
    block, depth = _innermost_block(text, keys)
    key, below = keys[depth], keys[depth + 1 :]
    if key in block:
        begin, end = _span(lines, block, key)
    else:
        sibling = list(block)[-1] if after is None or below else after
        begin = end = _span(lines, block, sibling)[1]
    entry = parsed("".join(lines[begin:end])) if key in block and below else CommentedMap()
    inner, name = entry, key
    for deeper in below:
        if not inner.get(name):
            inner[name] = CommentedMap()
        inner, name = inner[name], deeper
    inner[name] = value
    written = _indented(entry, block)
    if key in block and end == begin + 1 and written.count("\n") == 1 and not below:
        written = written.rstrip("\n") + _remark_behind(lines[begin], key) + "\n"
    return "".join(lines[:begin]) + written + "".join(lines[end:])


def without_entry(text: str, keys: Sequence[str]) -> str:
    """Return a YAML text without one entry, which need not be there."""
    lines = _lines(text)
    block, depth = _innermost_block(text, keys)
    if keys[depth] not in block:
        return text
    begin, end = _span(lines, block, keys[depth])
    if depth == len(keys) - 1:
        return "".join(lines[:begin] + lines[end:])
    entry = parsed("".join(lines[begin:end]))
    inner: Any = entry
    for key in keys[depth:-1]:
        inner = inner.get(key) or CommentedMap()
    if keys[-1] not in inner:
        return text
    del inner[keys[-1]]
    return "".join(lines[:begin]) + _indented(entry, block) + "".join(lines[end:])


def _innermost_block(text: str, keys: Sequence[str]) -> tuple[CommentedMap, int]:
    """Return the innermost mapping on the way to an entry that has lines of its own, and the number of keys to it."""
    block = parsed(text)
    for depth, key in enumerate(keys[:-1]):
        inner = block.get(key)
        if not isinstance(inner, CommentedMap) or not inner or inner.fa.flow_style():
            return block, depth
        block = inner
    return block, len(keys) - 1


def _indented(entry: CommentedMap, block: CommentedMap) -> str:
    """Return an entry's lines with the indentation of the mapping they belong to."""
    column = block.lc.key(next(iter(block)))[1]
    return textwrap.indent(to_text(entry), " " * column)


def _lines(text: str) -> list[str]:
    return [line + "\n" for line in text.splitlines()]


def _span(lines: Sequence[str], block: CommentedMap, key: str) -> tuple[int, int]:
    """Return the lines [begin, end) of an entry, without what follows it."""
    begin, column = block.lc.key(key)
    end = begin + 1
    while end < len(lines) and (_is_remark(lines[end]) or _belongs(lines[end], column)):
        end += 1
    while _is_remark(lines[end - 1]):
        end -= 1
    return begin, end


def _belongs(line: str, column: int) -> bool:
    """Whether a line is of the entry whose key stands in a column; items of a list may stand right below their key."""
    indent = len(line) - len(line.lstrip())
    return indent > column or (indent == column and line.lstrip().startswith("- "))


def _is_remark(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _remark_behind(line: str, key: str) -> str:
    """Return what is remarked behind the entry of a line, with a space before it."""
    tokens = parsed(line).ca.items.get(key)
    return f" {tokens[2].value.strip()}" if tokens and tokens[2] else ""


def _flow(value: Any) -> Any:
    if not isinstance(value, Mapping | list):
        return value
    flow = CommentedMap(value) if isinstance(value, Mapping) else CommentedSeq(value)
    flow.fa.set_flow_style()
    return flow


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, _NO_WRAP
    return yaml
