"""Corrections by `kind`."""

from models.correction.base import Correction
from models.correction.dadf import Dadf

CORRECTIONS: dict[str, type[Correction]] = {"dadf": Dadf}
