"""What every interchangeable part of a recipe shares: a frozen configuration that is picked by its `kind`."""

from collections.abc import Mapping
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, Field


class ComponentConfig(BaseModel):
    """Configuration of one component. Frozen, and an unknown key is an error.

    Every subclass declares `kind: Literal["<registry key>"] = "<registry key>"`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str


def default_of(registry: Mapping[str, Any], kind: str, **settings: Any) -> Any:
    """Return the configuration that stands where a recipe says nothing.

    Args:
        registry: as for `one_of`.
        kind: registry key.
        settings: what differs from the component's own defaults.
    """
    return registry[kind].Config.model_validate({"kind": kind, **settings})


def one_of(registry: Mapping[str, Any]) -> Any:
    """Return the pydantic type "one of these components, told apart by `kind`".

    Args:
        registry: registry key to component class; each class carries its configuration type as `Config`.

    Raises:
        ValueError: if a registry key differs from the `kind` its configuration declares.
    """
    for key, component in registry.items():
        declared = component.Config.model_fields["kind"].default
        if declared != key:
            raise ValueError(
                f"registry key {key!r} names {component.__name__}, whose configuration says kind={declared!r}"
            )
    configs = tuple(component.Config for component in registry.values())
    if len(configs) == 1:
        return configs[0]
    return Annotated[Union[configs], Field(discriminator="kind")]  # noqa: UP007 - built from a runtime tuple
