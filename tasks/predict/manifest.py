"""What serving reads of a bundle's manifest, be it of one recipe or of several together."""

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from tasks.core.document import Document, read_document
from tasks.core.errors import TrainingError
from tasks.train.manifest import FILE, BundleManifest, ServableRecipe


class Member(Document):
    """A recipe of an ensemble, and the content hash of its bundle."""

    name: str
    hash: str


class ServableEnsemble(BundleManifest):
    """What serving reads of an ensemble's manifest."""

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[Member, ...]

    @property
    def member_names(self) -> tuple[str, ...]:
        """Members in the order of the configuration."""
        return tuple(member.name for member in self.members)


class BundleKind(Document):
    """Which of the two a manifest is about; a recipe's does not say."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["recipe", "ensemble"] = "recipe"


def read_manifest(path: Path) -> ServableRecipe | ServableEnsemble:
    """Read a bundle's manifest.

    Raises:
        TrainingError: if there is none.
        ContractError: if it lacks what serving needs; the message names it.
    """
    manifest = path / FILE
    if not manifest.is_file():
        raise TrainingError(f"{path} holds no {FILE}: it is no bundle, or its training did not finish")
    if read_document(manifest, BundleKind, "train").kind == "ensemble":
        return read_document(manifest, ServableEnsemble, "ensemble")
    return read_document(manifest, ServableRecipe, "train")
