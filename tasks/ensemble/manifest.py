"""`manifest.json` of an ensemble: which fitted recipes it averages, and how they were calibrated together."""

from pydantic import ConfigDict

from tasks.core.document import Document
from tasks.predict.manifest import ServableEnsemble
from tasks.train.config import CalibrationConfig


class EnsembleSettings(Document):
    """What of the training configuration counts for an ensemble."""

    calibration: CalibrationConfig
    threads: int


class EnsembleManifest(ServableEnsemble):
    """Manifest of several recipes whose scores are averaged."""

    model_config = ConfigDict(extra="forbid")

    training: EnsembleSettings
