"""Configuration of components: told apart by kind, strict about keys."""

from typing import Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from models.component import ComponentConfig, one_of


class _OneConfig(ComponentConfig):
    kind: Literal["one"] = "one"


class _TwoConfig(ComponentConfig):
    kind: Literal["two"] = "two"
    size: int = 3


class _One:
    Config = _OneConfig


class _Two:
    Config = _TwoConfig


def test_kind_picks_the_configuration() -> None:
    either = TypeAdapter(one_of({"one": _One, "two": _Two}))
    assert either.validate_python({"kind": "two"}) == _TwoConfig(size=3)


def test_a_registry_of_one_needs_no_kind() -> None:
    assert TypeAdapter(one_of({"two": _Two})).validate_python({"size": 4}) == _TwoConfig(size=4)


def test_registry_key_and_kind_must_agree() -> None:
    with pytest.raises(ValueError, match=r"registry key 'three' names _Two.*kind='two'"):
        one_of({"three": _Two})


def test_configurations_are_frozen() -> None:
    with pytest.raises(ValidationError):
        _TwoConfig().size = 5
