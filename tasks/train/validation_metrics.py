"""`validation.json`: how a fit does on the validation day, seed by seed."""

from tasks.core.document import Document

FILE = "validation.json"


class CalibratedMetrics(Document):
    """What `validation.json` says of one seed; the calibrated numbers are in-sample, but for the held-out TRE."""

    xauc: float
    xgauc: float
    rmse: float
    """Seconds."""
    mae: float
    """Seconds."""
    tre_signed: float
    tre_before: float
    """Held out, without the calibrator."""
    tre_after: float
    """Held out, with it."""

    def minus(self, other: "CalibratedMetrics") -> dict[str, float]:
        """Return metric -> difference to another model of the same rows."""
        return {name: getattr(self, name) - getattr(other, name) for name in CalibratedMetrics.model_fields}


class FittedMetrics(CalibratedMetrics):
    """The same of one seed that was fitted."""

    loss: float
    """What early stopping minimised, at its best epoch."""
    best_epoch: int
