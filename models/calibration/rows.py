"""The rows a calibrator is fitted on, its guards, and the users on whom it is judged."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.calibration.curve import Array
from models.ranges import Number, Rows

HOLDOUT_SHARE = 0.2


class CalibrationRefused(ValueError):
    """A calibrator that must not serve: too few rows, or totals off on held-out users. The message says which."""


class CalibratorConfig(BaseModel):
    """Variant and guards (docs/methods/watch_time.md#calibration)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variant: Literal["per_group", "global"] = "per_group"
    """One curve per duration group, or one for all."""
    min_group_rows: Rows = 500
    """A group with fewer rows uses the curve of all rows."""
    min_rows: Rows = 2000
    """Fewer rows than this are refused."""
    max_tre: Number = Field(default=0.10, gt=0, le=100)
    """A mean calibrator whose total is further off on held-out users is refused."""


@dataclass(frozen=True)
class CalibrationRows:
    """Rows of the day a calibrator is fitted on, all [rows].

    Attributes:
        value: float64, the head's mean in seconds, or its score.
        watch_s: float64, seconds.
        duration_s: float64, seconds.
        user: int64, a stable key of the user; not a vocabulary row, in which all unknown users are one.
        bounded: whether the label ends at the duration; false where it counts replays.
        random: bool, whether the row was exposed uniformly at random; None: nobody asks.
    """

    value: Array
    watch_s: Array
    duration_s: Array
    user: NDArray[np.int64]
    bounded: bool = True
    random: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.value)

    def where(self, keep: NDArray[np.bool_]) -> "CalibrationRows":
        """Return the rows that `keep` marks."""
        random = None if self.random is None else self.random[keep]
        return CalibrationRows(
            self.value[keep], self.watch_s[keep], self.duration_s[keep], self.user[keep], self.bounded, random
        )

    def refuse_if_few(self, config: CalibratorConfig) -> None:
        """Raise CalibrationRefused under `min_rows` rows."""
        if len(self) < config.min_rows:
            raise CalibrationRefused(f"{len(self)} rows are too few to calibrate on: {config.min_rows} are needed")


def held_out_users(user: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the rows of a fixed pseudo-random fifth of the users (SplitMix64 of the key), whatever rows there are."""
    z = user.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return z < np.uint64(int(HOLDOUT_SHARE * 2**64))
