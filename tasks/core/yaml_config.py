"""Checked blocks: a wrong key or value is one line that names the file, the line, the key and what is nearest to it."""

import copy
import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.core.errors import ConfigError
from tasks.core.yaml_file import Keys, Place

Model = TypeVar("Model", bound=BaseModel)

_LONGEST_VALUE = 80
_MEND_ROUNDS = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}{self.message}"


def parse(model: type[Model], value: Any, place: Place) -> Model:
    """Return a checked block.

    Args:
        model: type of the block.
        value: what the file holds.
        place: of the block.

    Raises:
        ConfigError: one line per wrong key, with the nearest key that exists.
    """
    refuse(problems_of(model, value, place))
    return model.model_validate(value)


def refuse(problems: Iterable[Problem]) -> None:
    """Raise if there are problems.

    Raises:
        ConfigError: one line per problem, by line of the file.
    """
    if found := sorted(problems, key=lambda problem: problem.place.line):
        raise ConfigError("\n".join(dict.fromkeys(map(str, found))))


def problems_of(model: type[BaseModel], value: Any, place: Place) -> list[Problem]:
    """Return what `parse` would refuse, one problem per wrong key or value."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        messages: dict[Keys, list[str]] = {}
        for item in error.errors(include_url=False):
            for keys, message in _explain(item, model, value):
                messages.setdefault(keys, []).append(message)
        return [Problem(place.below(*keys), "; or ".join(dict.fromkeys(several))) for keys, several in messages.items()]
    return []


def valid_part(model: type[Model], value: Any) -> Model | None:
    """Return the block without what is wrong in it, as far as the rest is one; None where it is not."""
    rest = copy.deepcopy(value)
    for _ in range(_MEND_ROUNDS):
        try:
            return model.model_validate(rest)
        except ValidationError as error:
            for keys in sorted(
                {_written(item, rest) for item in error.errors(include_url=False)}, key=str, reverse=True
            ):
                missing = _at(rest, keys) is _NOTHING
                if not _drop(rest, keys[:-1] if missing else keys):
                    return None
    return None


_NOTHING = object()


def _at(value: Any, keys: Keys) -> Any:
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return value


def _drop(value: Any, keys: Keys) -> bool:
    parent: Any = _at(value, keys[:-1]) if keys else _NOTHING
    if parent is _NOTHING:
        return False
    try:
        del parent[keys[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _written(item: Mapping[str, Any], value: Any) -> Keys:
    """Return the keys of an error as the file has them: without the names that pydantic gives to parts of a union."""
    keys: list[str | int] = []
    steps = [step for step in item["loc"] if step != "[key]"]
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        if isinstance(value, dict) and value.get("kind") == step and not last:
            continue
        inner = _at(value, (step,)) if isinstance(value, (dict, list)) else _NOTHING
        if inner is not _NOTHING:
            keys.append(step)
            value = inner
        elif last and item["type"] == "missing":
            keys.append(step)
    return tuple(keys)


def _explain(item: Mapping[str, Any], model: type[BaseModel], value: Any) -> Iterator[tuple[Keys, str]]:
    """Say in one line what is wrong, and which valid key is nearest to a misspelt one."""
    keys, found = _written(item, value), item["input"]
    match item["type"]:
        case "extra_forbidden":
            allowed = _allowed_keys(_schema(model), value, keys[:-1])
            yield keys, f"unknown key {keys[-1]!r}{nearest(str(keys[-1]), allowed)}"
        case "union_tag_invalid":
            choices = [tag.strip(" '") for tag in item["ctx"]["expected_tags"].split(",")]
            yield keys, f"unknown kind {item['ctx']['tag']!r}{nearest(item['ctx']['tag'], choices)}"
        case "union_tag_not_found":
            yield (*keys, "kind"), "missing; add the key"
        case "missing":
            yield keys, "missing; add the key"
        case "string_type" if isinstance(found, (bool, int, float)):
            yield keys, f'{found!r} is no text to YAML: write it in quotes, "{found}"'
        case "credentials":  # which nobody repeats
            yield keys, item["msg"]
        case "value_error":
            below, message = _named(item["msg"].removeprefix("Value error, "), found)
            yield (*keys, *below), message if isinstance(found, dict) else f"{message} (got {_short(found)})"
        case _:
            yield keys, f"{item['msg']} (got {_short(found)})"


def _named(message: str, value: Any) -> tuple[Keys, str]:
    """Split the message of a validator that knows a whole block into the key that it names first, and the rest."""
    name, colon, rest = message.partition(": ")
    keys = tuple(name.split("."))
    return (keys, rest) if colon and _at(value, keys) is not _NOTHING else ((), message)


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _allowed_keys(schema: dict[str, Any], value: Any, keys: Keys) -> list[str]:
    """Return the keys that may stand below `keys`, following references, maps and unions of the JSON schema."""
    definitions = schema.get("$defs", {})
    nodes = list(_options(schema, value, definitions))
    for key in keys:
        value = _at(value, (key,))
        inner = [child for node in nodes if (child := _child(node, key)) is not None]
        nodes = [option for node in inner for option in _options(node, value, definitions)]
    return sorted({key for node in nodes for key in node.get("properties", {})})


def _options(node: dict[str, Any], value: Any, definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a node of the schema may be; of kinds, the one that the value names."""
    while "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    options = node.get("oneOf") or node.get("anyOf")
    if not options:
        yield node
        return
    for option in options:
        for inner in _options(option, value, definitions):
            kind = inner.get("properties", {}).get("kind", {}).get("const")
            if kind is None or not isinstance(value, dict) or value.get("kind") in (None, kind):
                yield inner


def _child(node: dict[str, Any], key: str | int) -> dict[str, Any] | None:
    if key in node.get("properties", {}):
        found: dict[str, Any] = node["properties"][key]
        return found
    for name in ("additionalProperties", "patternProperties", "items"):
        if isinstance(inner := node.get(name), dict):
            return inner
    return None


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the choice most like it, and all that are valid."""
    known = [str(choice) for choice in choices]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} (valid: {', '.join(known)})"
