"""YAML files as checked blocks: a wrong key or value is one line that names the file, the key and what is nearest to it."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from tasks.core.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: if it is missing or is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist: run dwell in the project's root folder") from error
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path} must hold a mapping of keys, got {type(value).__name__}")
    return value


def parse(model: type[Model], value: Any, file: str, prefix: tuple[str, ...] = ()) -> Model:
    """Return a checked block.

    Args:
        model: type of the block.
        value: what the file holds.
        file: its name, for the message.
        prefix: keys that lead to the block.

    Raises:
        ConfigError: one line per wrong key, with the nearest key that exists.
    """
    if lines := problems_of(model, value, file, prefix):
        raise ConfigError("\n".join(lines))
    return model.model_validate(value)


def problems_of(model: type[BaseModel], value: Any, file: str, prefix: tuple[str, ...] = ()) -> list[str]:
    """Return what `parse` would refuse, one line per wrong key or value."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [_explain(item, model, file, prefix) for item in error.errors()]
    return []


def _explain(item: Mapping[str, Any], model: type[BaseModel], file: str, prefix: tuple[str, ...]) -> str:
    """Say in one line which key of which file is wrong, and which valid key is nearest to a misspelt one."""
    location = [str(step) for step in item["loc"] if step != "[key]"]
    where = f"{file}: {'.'.join([*prefix, *location])}"
    if item["type"] == "extra_forbidden":
        allowed = _allowed_keys(model.model_json_schema(), location[:-1])
        return f"{where}: unknown key {location[-1]!r}{nearest(location[-1], allowed)}"
    if item["type"] == "union_tag_invalid":
        context = item["ctx"]
        choices = [tag.strip(" '") for tag in context["expected_tags"].split(",")]
        return f"{where}: unknown kind {context['tag']!r}{nearest(context['tag'], choices)}"
    if item["type"] == "missing":
        return f"{where}: missing; add the key"
    return f"{where}: {item['msg']} (got {item['input']!r})"


def _allowed_keys(schema: dict[str, Any], location: list[str]) -> list[str]:
    """Return the keys that may stand at `location`, following references, maps and unions of the JSON schema."""
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for step in location:
        nodes = [child for node in nodes for child in _children(node, step, definitions)]
    return sorted({key for node in nodes for key in _resolve(node, definitions).get("properties", {})})


def _resolve(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    return node


def _children(node: dict[str, Any], step: str, definitions: dict[str, Any]) -> list[dict[str, Any]]:
    node = _resolve(node, definitions)
    options = node.get("oneOf") or node.get("anyOf") or [node]
    found = []
    for option in (_resolve(option, definitions) for option in options):
        kind = option.get("properties", {}).get("kind", {}).get("const")
        if kind == step:
            found.append(option)
        elif step in option.get("properties", {}):
            found.append(option["properties"][step])
        elif isinstance(option.get("additionalProperties"), dict):
            found.append(option["additionalProperties"])
        elif "items" in option:
            found.append(option["items"])
    return found


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the choice most like it, and all that are valid."""
    known = [str(choice) for choice in choices]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} (valid: {', '.join(known)})"
