"""Which components a recipe is made of: the choices its configuration makes, resolved by the registries."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from models.backbones import BACKBONES
from models.balance import BALANCES
from models.component import ComponentConfig
from models.compression import COMPRESSIONS
from models.encoders import ENCODERS
from models.encoders.history import HISTORIES
from models.heads import HEADS
from models.objectives import OBJECTIVES
from models.pretraining import PRETRAININGS
from models.propensity import PROPENSITIES
from models.ranking import RANKINGS
from models.trunks import TRUNKS

REGISTRIES: Mapping[str, Mapping[str, Any]] = {
    "models.backbones": BACKBONES,
    "models.balance": BALANCES,
    "models.compression": COMPRESSIONS,
    "models.encoders": ENCODERS,
    "models.encoders.history": HISTORIES,
    "models.heads": HEADS,
    "models.objectives": OBJECTIVES,
    "models.pretraining": PRETRAININGS,
    "models.propensity": PROPENSITIES,
    "models.ranking": RANKINGS,
    "models.trunks": TRUNKS,
}
"""Module of a registry -> the registry. Such a module holds nothing else: what it imports is not what a recipe runs."""


def components_of(recipe: BaseModel) -> frozenset[type]:
    """Return the class of every component that a recipe chooses or takes by default; trees choose none."""
    by_config = {component.Config: component for registry in REGISTRIES.values() for component in registry.values()}
    return frozenset(by_config[type(config)] for config in _configs(recipe) if type(config) in by_config)


def _configs(value: Any) -> Iterator[ComponentConfig]:
    """Yield the configurations in a block, at any depth."""
    if isinstance(value, ComponentConfig):
        yield value
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _configs(inner)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from _configs(inner)
