"""The fitted model that a name means in a workspace."""

from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import ConfigError
from tasks.registry import Registry
from tasks.registry.entry import BUNDLE, ENTRIES, read_entry
from tasks.stages import Night

CHAMPION = "champion"


@dataclass(frozen=True)
class NamedBundle:
    """A fitted model.

    Attributes:
        name: of the recipe or ensemble.
        path: its bundle.
        entry: its registry entry; None: a challenger of the night.
    """

    name: str
    path: Path
    entry: str | None = None

    @property
    def registered(self) -> tuple[Path, str]:
        """Folder and id of its registry entry.

        Raises:
            ConfigError: if it has none.
        """
        if self.entry is None:
            raise ConfigError(
                f"{self.name} is a challenger of the night and not registered: only what was promoted has an entry"
            )
        return self.path.parent, self.entry

    def __str__(self) -> str:
        return self.name if self.entry is None else f"{self.name} ({self.entry})"


def named_bundle(night: Night, name: str) -> NamedBundle:
    """Return the model of a name.

    Args:
        night: of the workspace.
        name: "champion", which is whoever would serve now, after rollbacks too; a recipe or ensemble of the night; or the
            id of a registry entry or its beginning.

    Raises:
        ConfigError: if there is none, or several entries begin so; the message lists what there is.
        RegistryError: if the entry is damaged.
    """
    registry = Registry(night.workspace.registry(night.key.source))
    if name == CHAMPION:
        status = registry.status()
        if status.entry is None:
            raise ConfigError(f"{night.key.source} has no champion yet: {_known(night, registry)}")
        return NamedBundle(
            status.entry.recipe, registry.path / ENTRIES / str(status.champion) / BUNDLE, status.champion
        )
    if name in night.params.nightly.challengers and night.workspace.challenger(name).is_dir():
        return NamedBundle(name, night.workspace.challenger(name))
    if entry := registry.entry_named(name):
        folder = registry.path / ENTRIES / entry
        return NamedBundle(read_entry(folder, entry).recipe, folder / BUNDLE, entry)
    raise ConfigError(f"no fitted model is called {name!r}: {_known(night, registry)}")


def _known(night: Night, registry: Registry) -> str:
    fitted = [name for name in night.params.nightly.challengers if night.workspace.challenger(name).is_dir()]
    return (
        f"the night in run.yaml has {', '.join(fitted) or 'none'}, the registry {', '.join(registry.entries) or 'none'}"
    )
