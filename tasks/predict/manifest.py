"""What serving reads of a bundle's manifest, be it of a network, of trees or of several together."""

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from tasks.core.document import Document, read_document
from tasks.core.errors import TrainingError
from tasks.train.manifest import FILE, BundleManifest, ServableRecipe
from tasks.train.trees.manifest import ServableTrees


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
    """Which of the three a manifest is about; a network's does not say."""

    model_config = ConfigDict(extra="ignore")

    kind: Literal["recipe", "trees", "ensemble"] = "recipe"


def read_manifest(path: Path) -> ServableRecipe | ServableTrees | ServableEnsemble:
    """Read a bundle's manifest.

    Raises:
        TrainingError: if there is none.
        ContractError: if it lacks what serving needs; the message names it.
    """
    manifest = path / FILE
    if not manifest.is_file():
        raise TrainingError(f"{path} holds no {FILE}: it is no bundle, or its training did not finish")
    kind = read_document(manifest, BundleKind, "train").kind
    if kind == "ensemble":
        return read_document(manifest, ServableEnsemble, "ensemble")
    if kind == "trees":
        return read_document(manifest, ServableTrees, "train")
    return read_document(manifest, ServableRecipe, "train")
