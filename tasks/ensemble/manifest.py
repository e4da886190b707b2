"""`manifest.json` of an ensemble: which fitted recipes it averages, and how they were calibrated together."""

from typing import Literal

from pydantic import ConfigDict

from tasks.core.document import Document
from tasks.train.config import CalibrationConfig
from tasks.train.manifest import BundleManifest


class Member(Document):
    """A recipe of an ensemble, and the content hash of its bundle."""

    name: str
    hash: str


class EnsembleSettings(Document):
    """What of the training configuration counts for an ensemble."""

    calibration: CalibrationConfig
    threads: int


class EnsembleManifest(BundleManifest):
    """Manifest of several recipes whose scores are averaged."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["ensemble"] = "ensemble"
    members: tuple[Member, ...]
    training: EnsembleSettings
