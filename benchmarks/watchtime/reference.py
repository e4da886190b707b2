"""Figures to reach on protocol R0, 1-4 May: measured before this project by small re-implementations, untuned.

Source: docs/methods/watch_time.md#reference-figures-of-protocol-r0.
"""

from dataclasses import dataclass
from typing import Literal

Decode = Literal["native_mean", "native_median"]


@dataclass(frozen=True)
class Reference:
    """One row.

    Attributes:
        decode: which of the head's own numbers MAE, RMSE and TRE are of.
        mae: seconds.
        rmse: seconds.
        tre: relative error of the total.
        xauc: of the ranking score.
        xgauc_across_days: of the ranking score, a user's days pooled, features frozen.
        xauc_sd: between fits; None where it is not stated.
    """

    decode: Decode
    mae: float
    rmse: float
    tre: float
    xauc: float
    xgauc_across_days: float
    xauc_sd: float | None = None


REFERENCES: dict[str, Reference] = {
    "vr_mse": Reference("native_mean", 22.21, 36.70, 0.08, 0.6533, 0.6149, 0.0013),
    "vr_l1": Reference("native_median", 18.09, 39.71, 1.22, 0.6686, 0.6152, 0.0009),
    "vr_phuber": Reference("native_median", 18.44, 38.62, 0.77, 0.6714, 0.6210, 0.0003),
    "tr_log": Reference("native_median", 18.19, 39.40, 1.28, 0.6728, 0.6183, 0.0008),
    "transun": Reference("native_mean", 22.49, 36.96, 0.13, 0.6463, 0.6068),
    "wlr": Reference("native_mean", 21.88, 36.64, 0.08, 0.6582, 0.6156, 0.0075),
    "d2q": Reference("native_median", 18.03, 39.90, 1.37, 0.6717, 0.6196, 0.0003),
    "wtg": Reference("native_mean", 22.32, 36.97, 0.09, 0.6502, 0.6128, 0.0021),
    "cread": Reference("native_mean", 19.45, 37.48, 0.25, 0.6720, 0.6199, 0.0009),
    "hazard": Reference("native_mean", 21.09, 36.54, 0.04, 0.6624, 0.6182, 0.0006),
    "tpm": Reference("native_mean", 21.27, 36.57, 0.06, 0.6569, 0.6160, 0.0003),
    "cqe": Reference("native_mean", 20.97, 37.08, 0.03, 0.6424, 0.6006, 0.0085),
    "cwm": Reference("native_median", 18.53, 41.47, 3.00, 0.6632, 0.6129, 0.0013),
    "hegm": Reference("native_mean", 20.97, 37.38, 0.09, 0.6582, 0.6152, 0.0069),
}
RANK_AVERAGE = {"xauc": 0.6752, "xgauc_across_days": 0.6235}
"""Of d2q, cread, vr_l1 and wlr."""
LIGHTGBM = {"xauc": 0.6759, "xgauc_across_days": 0.615}
"""On nine groups of shrunken past-day rates; the better of two, and the middle of the stated range."""
