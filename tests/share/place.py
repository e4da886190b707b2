"""A workspace that shares what its nights decided."""

from pathlib import Path
from typing import Any

from dvc.repo import Repo

from tasks.core.files import hash_tree, write_json
from tasks.core.layout import Workspace
from tasks.share import Exchange, shelf
from tests.registry.conftest import Nights, day

SOURCE = "registry"
"""Name of the source, because `Nights` calls the folder of its registry so."""


class Place:
    """A workspace with a remote."""

    def __init__(self, root: Path, remote: str) -> None:
        root.mkdir()
        self.workspace, self.nights = Workspace(root), Nights(root / "registry")
        with Repo.init(str(root), no_scm=True) as repo, repo.config.edit("repo") as config:
            config["core"]["remote"] = "store"
            config["remote"]["store"] = {"url": remote}

    def night(self, number: int, **decision: Any) -> None:
        self.nights.run(number, **decision)
        archive = self.workspace.night(SOURCE, day(number))
        archive.mkdir(parents=True, exist_ok=True)
        (archive / "report.html").write_text(f"report of {number}")
        write_json(self.workspace.headline(SOURCE, day(number)), {"night": number})

    def push(self) -> str:
        with shelf(self.workspace.root) as (_, place):
            return str(Exchange(self.workspace, place).push())

    def pull(self) -> str:
        with shelf(self.workspace.root) as (_, place):
            return str(Exchange(self.workspace, place).pull())

    def shared(self) -> dict[str, str]:
        """Return the hash of everything that is shared."""
        root, registry = self.workspace.root, self.workspace.registry(SOURCE)
        places = {"nights": root / "nights", "registry": registry, "proposals": root / "proposals"}
        return {name: hash_tree(path) for name, path in places.items()}
