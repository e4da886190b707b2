"""Modules by task name. `nn.ModuleDict` refuses names that a module has as attributes, and `forward` is a task."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast

from torch import nn

Module = TypeVar("Module", bound=nn.Module)
_PREFIX = "task_"


def key_of(task: str) -> str:
    """Return the attribute name under which a task's module or parameter is registered."""
    return f"{_PREFIX}{task}"


class ByTask(nn.Module, Generic[Module]):
    """One module per task, read like a dictionary.

    Args:
        modules: task -> module.
    """

    def __init__(self, modules: Mapping[str, Module]) -> None:
        super().__init__()
        self.of = nn.ModuleDict({key_of(task): module for task, module in modules.items()})

    def get(self, task: str) -> Module | None:
        """Return the module of a task, None where there is none."""
        return self[task] if key_of(task) in self.of else None

    def __getitem__(self, task: str) -> Module:
        return cast(Module, self.of[key_of(task)])

    def values(self) -> Iterator[Module]:
        """Yield the modules, in order."""
        return (module for _, module in self.items())

    def items(self) -> Iterator[tuple[str, Module]]:
        """Yield task and module, in order."""
        for key, module in self.of.items():
            yield key.removeprefix(_PREFIX), cast(Module, module)
