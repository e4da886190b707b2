"""Every number that a person can write into a configuration has a closed range, is finite, and is never a text or a truth value."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Strict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from models.recipe import Recipe
from tasks.config import Params
from tasks.protocol.config import ProtocolDays


def models_of(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the blocks that a type is made of, at any depth."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from models_of(field.annotation)
    for part in get_args(kind):
        yield from models_of(part)


def numbers_of(kind: Any, constraints: tuple[Any, ...] = ()) -> Iterator[tuple[type, tuple[Any, ...]]]:
    """Yield int or float, with the constraints on it, for every number that a type can hold."""
    if get_origin(kind) is Annotated:
        inner, *further = get_args(kind)
        flat = [part for item in further for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
        yield from numbers_of(inner, (*constraints, *flat))
    elif kind in (int, float):
        yield kind, constraints
    elif get_origin(kind) is not Literal:
        keep = constraints if get_origin(kind) in (Union, UnionType) else ()
        for part in get_args(kind):
            yield from numbers_of(part, keep)


FIELDS = {
    f"{model.__name__}.{name}": (field, numbers)
    for model in sorted({*models_of(Params), *models_of(Recipe)}, key=lambda model: model.__qualname__)
    for name, field in model.model_fields.items()
    if (numbers := list(numbers_of(field.annotation, tuple(field.metadata))))
}


def test_all_blocks_are_looked_at() -> None:
    blocks = {name.split(".")[0] for name in FIELDS}
    assert {
        "Window",
        "TrainingBlock",
        "Limits",
        "SimulatorConfig",
        "D2qConfig",
        "HomeConfig",
        "NetworkConfig",
    } <= blocks
    assert len(FIELDS) > 250 and ProtocolDays.__name__ not in blocks


def test_a_number_has_a_closed_range() -> None:
    wrong = []
    for name, (_, numbers) in FIELDS.items():
        for kind, constraints in numbers:
            for what, meant in (("lower", (Ge, Gt)), ("upper", (Le, Lt))):
                if not any(isinstance(part, meant) for part in constraints):
                    wrong.append(f"{name}: {kind.__name__} without {what} limit")
            if not any(isinstance(part, Strict) and part.strict for part in constraints):
                wrong.append(f"{name}: {kind.__name__} that takes texts and booleans")
    assert wrong == []


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 10**20, -(10**20), True])
def test_no_number_is_endless(value: float) -> None:
    """Whatever the annotations say: the value itself, alone, in a list and in a pair."""
    taken = []
    for name, (field, _) in FIELDS.items():
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, field])
        for given in (value, [value], [value, value]):
            try:
                adapter.validate_python(given)
            except ValidationError:
                continue
            taken.append(name)
    assert taken == []
