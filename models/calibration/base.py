"""What both calibrators are: curves of one day that go to JSON and back."""

from typing import Self

from pydantic import BaseModel, ConfigDict

from models.calibration.curve import Array
from models.calibration.group_curves import GroupCurves


class Calibrator(BaseModel):
    """Maps a head's mean or score to seconds. The ranking score itself is never overwritten."""

    # A TRE may be infinite, and JSON has no word for that unless told.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    day: str
    """Day it was fitted on, as the caller names it."""
    curves: GroupCurves

    def apply(self, value: Array, duration_s: Array) -> Array:
        """Return calibrated seconds in [0, duration], or from 0 on where the label counts replays, float64 [rows].

        Args:
            value: what the calibrator was fitted on: the head's mean, or its score, [rows].
            duration_s: seconds, [rows].
        """
        return self.curves.apply(value, duration_s)

    def to_json(self) -> str:
        """Return the calibrator as JSON; its floats come back bit for bit."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the calibrator that `to_json` wrote."""
        return cls.model_validate_json(text)
