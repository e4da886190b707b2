"""Requirements with the hashes of the files that may be taken for them: what a lock file holds."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LINE = re.compile(r"^([^#\s].*?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Locked:
    """One requirement.

    Attributes:
        requirement: with its one version, and a marker where only some environments have it.
        hashes: SHA-256 of the files, sorted as the file has them.
    """

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name as registries compare it."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The one version."""
        return str(next(iter(self.requirement.specifier)).version)


def read_lock(path: Path) -> list[Locked]:
    """Return the requirements of a lock file, in its order."""
    found = LINE.findall(path.read_text())
    return [Locked(Requirement(line), tuple(re.findall(r"sha256:(\w+)", hashes))) for line, hashes in found]
