"""Whether an event is what the specification allows, by the classes that the client generates from it."""

import types
import typing
from collections.abc import Iterator
from enum import Enum
from typing import Any

import attr
from openlineage.client import facet_v2
from openlineage.client.event_v2 import RunEvent


def _facets() -> dict[str, type]:
    """Return address of its schema -> class of every facet that the client knows."""
    modules = [value for value in vars(facet_v2).values() if isinstance(value, types.ModuleType)]
    classes = [found for module in modules for found in vars(module).values() if isinstance(found, type)]
    return {
        found._get_schema(): found for found in classes if attr.has(found) and issubclass(found, facet_v2.BaseFacet)
    }


FACETS = _facets()


def problems(value: Any, kind: Any = RunEvent, place: str = "event") -> Iterator[str]:
    """Yield what is wrong with a JSON value that should be of a class of the specification."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(kind) if choice is not types.NoneType]
        yield from [] if value is None else problems(value, choices[0], place)
    elif typing.get_origin(kind) is list:
        yield from [] if isinstance(value, list) else [f"{place} is no list"]
        for number, item in enumerate(value):
            yield from problems(item, typing.get_args(kind)[0], f"{place}[{number}]")
    elif typing.get_origin(kind) is dict:
        of = typing.get_args(kind)[1]
        for name, item in value.items():
            is_facet = isinstance(of, type) and issubclass(of, facet_v2.BaseFacet)
            known = FACETS.get(item.get("_schemaURL")) if is_facet else of
            if known is None or (is_facet and not issubclass(known, of)):
                yield f"{place}.{name} is of no schema of {of.__name__}"
            else:
                yield from problems(item, known, f"{place}.{name}")
    elif isinstance(kind, type) and attr.has(kind):
        yield from _of_class(value, kind, place)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield from [] if value in {choice.value for choice in kind} else [f"{place} is {value!r}"]
    elif not isinstance(value, kind):
        yield f"{place} is {value!r}, no {kind.__name__}"


def _of_class(value: Any, kind: type, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place} is {value!r}, no {kind.__name__}"
        return
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in attr.fields(kind)}
    yield from (f"{place} has an unknown {name}" for name in value.keys() - fields.keys())
    yield from (
        f"{place} has no {name}"
        for name, field in fields.items()
        if field.default is attr.NOTHING and name not in value
    )
    for name in value.keys() & fields.keys():
        yield from problems(value[name], hints[name], f"{place}.{name}")
    if not place.startswith("event.") and value.get("schemaURL") != RunEvent._get_schema():
        yield f"{place} is of the schema {value.get('schemaURL')}"
