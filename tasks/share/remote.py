"""The place in DVC's remote, be it a folder, S3 or another of its kinds: DVC opens it with its own settings and credentials."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.errors import ConfigError, StorageError

_FOLDER = "dwell"
"""Below the remote's path, beside DVC's own `files`."""


@dataclass(frozen=True)
class Shelf:
    """A folder of a remote.

    Attributes:
        name: of the remote in DVC's configuration.
        filesystem: DVC's, of the remote.
        path: the folder there.
    """

    name: str
    filesystem: Any
    path: str

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None where there is none."""
        path = self._at(name)
        with self._words(f"read {name}"):
            return bytes(self.filesystem.cat_file(path)) if self.filesystem.exists(path) else None

    def put(self, file: Path, name: str) -> None:
        """Copy a file there, in place of another of its name."""
        path = self._at(name)
        with self._words(f"write {name}"):
            self.filesystem.makedirs(self.filesystem.parent(path), exist_ok=True)
            self.filesystem.put_file(str(file), path)

    def get(self, name: str, file: Path) -> None:
        """Copy a file from there."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._words(f"read {name}"):
            self.filesystem.get_file(self._at(name), str(file))

    def _at(self, name: str) -> str:
        return str(self.filesystem.join(self.path, *name.split("/")))

    @contextlib.contextmanager
    def _words(self, what: str) -> Iterator[None]:
        """Say in one line what a remote did not do, whatever kind of error its kind raises."""
        try:
            yield
        except Exception as error:
            raise StorageError(
                f"remote {self.name} ({self.path}): could not {what}: {type(error).__name__}: {error}; nothing here was changed"
            ) from error


@contextlib.contextmanager
def shelf(root: Path, remote: str | None = None) -> Iterator[tuple[Any, Shelf]]:
    """Open DVC's repository and our place in a remote.

    Args:
        root: the workspace.
        remote: name in DVC's configuration; None: the default one.

    Raises:
        ConfigError: if there is no such remote, or DVC fails inside.
    """
    from dvc.config import NoRemoteError
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            found = repo.cloud.get_remote(name=remote)
            yield repo, Shelf(str(found.name), found.fs, str(found.fs.join(found.path, _FOLDER)))
    except NoRemoteError as error:
        raise ConfigError(
            "there is no remote to share with: `dvc remote add --default NAME PATH_OR_URL` makes one"
        ) from error
    except DvcException as error:
        raise ConfigError(f"DVC: {' '.join(str(error).split())}") from error
