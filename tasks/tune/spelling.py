"""How recipes are spelled in YAML files: one line for every part, and nothing else in the file is touched."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

_NO_WRAP = 1 << 16


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
    """Return a YAML text with one entry added, or put in the place of what stood there.

    Args:
        text: a mapping in YAML.
        keys: path of the entry; mappings on the way that do not exist are made.
        value: its value.
        after: sibling it stands behind; None: it comes last.
    """
    document = block = parsed(without_entry(text, keys))
    first_new: Sequence[str] = ()
    for depth, key in enumerate(keys[:-1], start=1):
        if key not in block:
            first_new = first_new or keys[:depth]
        if not block.get(key):
            block[key] = CommentedMap()
        block = block[key]
    block.insert(len(block) if after is None else list(block).index(after) + 1, keys[-1], value)
    return _above_comments(to_text(document), first_new or keys)


def without_entry(text: str, keys: Sequence[str]) -> str:
    """Return a YAML text without one entry, which need not be there."""
    document = parsed(text)
    block = document
    for key in keys[:-1]:
        block = block.get(key) or CommentedMap()
    if keys[-1] not in block:
        return text
    if block.fa.flow_style():
        del block[keys[-1]]
        return to_text(document)
    lines = text.splitlines(keepends=True)
    begin, end = _span(lines, block, keys[-1])
    return "".join(lines[:begin] + lines[end:])


def _above_comments(text: str, keys: Sequence[str]) -> str:
    """Move an added entry above the blank lines and comments before it: they belong to what follows."""
    block: Any = parsed(text)
    for key in keys[:-1]:
        block = block[key]
    if block.fa.flow_style():
        return text
    lines = text.splitlines(keepends=True)
    begin, end = _span(lines, block, keys[-1])
    top = begin
    while top and _is_remark(lines[top - 1]):
        top -= 1
    return "".join(lines[:top] + lines[begin:end] + lines[top:begin] + lines[end:])


def _span(lines: Sequence[str], block: CommentedMap, key: str) -> tuple[int, int]:
    """Return the lines [begin, end) of an entry, without what follows it."""
    begin, column = block.lc.key(key)
    end = begin + 1
    while end < len(lines) and (_is_remark(lines[end]) or len(lines[end]) - len(lines[end].lstrip()) > column):
        end += 1
    while _is_remark(lines[end - 1]):
        end -= 1
    return begin, end


def _is_remark(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


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
