"""Every configuration key with type, default and meaning, from the models that read `params.yaml`.

Blocks are sections named by the place where they stand; a block that may stand in several places is described once, at the
first of them in reading order, and linked from the others.
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from manual.markdown import table
from tasks.schema import json_schema

_LONGEST = 60
"""Signs of a default that are shown in a row; a longer one is that of the keys of its block."""
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<", "minLength": "length ≥",
           "maxLength": "length ≤", "minItems": "items ≥", "maxItems": "items ≤"}  # fmt: skip
_INTRODUCTION = {
    "params": "Generated from the models that read the file. A key that is left out has its default; a misspelt one is an error "
    "that names the nearest. `dwell schema` prints the same as a JSON schema.",
    "recipe": "Generated from the models that read a recipe: what stands below `recipes.NAME` in `params.yaml`. Parts that have "
    "alternatives choose one by `kind`. `dwell schema --part recipe` prints the same as a JSON schema.",
}
_TITLES = {"params": "Every key of params.yaml", "recipe": "Every key of a recipe"}
_ROOTS = {"params": "", "recipe": "recipes.NAME"}


def keys_page(part: str) -> str:
    """Return the page of all keys.

    Args:
        part: of the schema, "params" or "recipe".
    """
    return (
        "\n".join([f"# {_TITLES[part]}", "", _INTRODUCTION[part], "", *Keys(json_schema(part), _ROOTS[part]).lines()])
        + "\n"
    )


@dataclass(frozen=True)
class _Block:
    """A block of keys, and where it stands."""

    place: str
    schema: Mapping[str, Any]

    @property
    def heading(self) -> str:
        return (self.place or "Top level") + (f" (kind: {self.kinds})" if self.kinds else "")

    @property
    def kinds(self) -> str:
        """The kinds that the block is of; "" where it has no alternatives."""
        kind = self.schema["properties"].get("kind", {})
        return ", ".join(kind.get("enum") or [kind["const"]]) if kind else ""

    @property
    def meaning(self) -> str:
        """What the class says of itself, but for what it raises."""
        return " ".join(str(self.schema.get("description", "")).partition("\nRaises:")[0].split())


class Keys:
    """The blocks of a schema in reading order: each before those that stand in it, nearest first."""

    def __init__(self, schema: Mapping[str, Any], root: str = "") -> None:
        """Walk from the root.

        Args:
            schema: as `json_schema` returns it.
            root: place of what the schema is of; "" for the whole file.
        """
        self._definitions: Mapping[str, Any] = schema["$defs"]
        self.blocks: dict[str, _Block] = {}
        waiting = deque([(root, schema)])
        while waiting:
            place, node = waiting.popleft()
            if name := node.get("$ref", "").rpartition("/")[2]:
                if name not in self.blocks:
                    waiting.append((place, self._definitions[name]))
                    self.blocks[name] = _Block(place, self._definitions[name])
            elif "properties" in node:
                if node is schema:
                    self.blocks[""] = _Block(place, node)
                waiting += [(f"{place}.{key}".lstrip("."), value) for key, value in node["properties"].items()]
            else:
                waiting += [(place, one) for one in (*node.get("anyOf", ()), *node.get("oneOf", ()))]
                if isinstance(of := node.get("additionalProperties"), Mapping):
                    waiting.append((f"{place}.NAME", of))
                if isinstance(node.get("items"), Mapping):
                    waiting.append((place, node["items"]))
        self.blocks = {name: block for name, block in self.blocks.items() if "properties" in block.schema}

    def lines(self) -> Iterator[str]:
        """Yield the sections."""
        for block in self.blocks.values():
            yield from (f"## {block.heading}", "", block.meaning, "")
            required = set(block.schema.get("required", ()))
            rows = [
                (f"`{key}`", self._type(value), _default(value, key in required), self._meaning(value))
                for key, value in block.schema["properties"].items()
                if key != "kind"
            ]
            if rows:
                yield from table(("key", "type", "default", "meaning"), rows)

    def _type(self, node: Mapping[str, Any]) -> str:
        """Return the type of a value as a person writes it, blocks as links."""
        if name := node.get("$ref", "").rpartition("/")[2]:
            return self._link(name) if name in self.blocks else self._type(self._definitions[name])
        if "const" in node or "enum" in node:
            return ", ".join(f"`{_written(value)}`" for value in node.get("enum", [node.get("const")]))
        if alternatives := [*node.get("anyOf", ()), *node.get("oneOf", ())]:
            return " or ".join(dict.fromkeys(map(self._type, alternatives)))
        if "prefixItems" in node:
            return f"list of {', '.join(map(self._type, node['prefixItems']))}"
        if "items" in node:
            return f"list of {self._type(node['items'])}{_bounds(node)}"
        if isinstance(of := node.get("additionalProperties"), Mapping):
            return f"by name: {self._type(of)}"
        names = {"array": "list", "object": "block", "null": "`null`"}
        said = str(node.get("type", "anything"))
        return names.get(said, said) + _bounds(node)

    def _meaning(self, node: Mapping[str, Any]) -> str:
        """Return what a key says of itself; one that is a block and says nothing, what the block does."""
        block = self.blocks.get(node["$ref"].rpartition("/")[2]) if "$ref" in node else None
        return str(node.get("description", "")) or (block.meaning if block else "")

    def _link(self, name: str) -> str:
        block = self.blocks[name]
        return f"[{block.kinds or block.heading}](#{anchor(block.heading)})"


def anchor(heading: str) -> str:
    """Return the anchor of a heading of these pages, as GitHub and the site make it."""
    kept = [sign for sign in heading.lower() if sign.isalnum() or sign in "-_ "]
    return "".join(kept).replace(" ", "-")


def _default(node: Mapping[str, Any], required: bool) -> str:
    if required:
        return "*required*"
    written = _written(node.get("default"))
    return f"`{written}`" if len(written) <= _LONGEST else "*as its keys say*"


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _bounds(node: Mapping[str, Any]) -> str:
    said = [f"{sign} {node[name]:g}" for name, sign in _BOUNDS.items() if name in node]
    return f" {', '.join(said)}" if said else ""
