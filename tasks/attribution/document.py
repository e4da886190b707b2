"""`importance.json`: what one fitted network reads, and the part of it that the ledger keeps for the next night."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tasks.core.document import Document, read_optional

FILE = "importance.json"
ROWS_FILE = "attributions.parquet"
"""The attributed rows one by one: who, what was predicted, and the seconds that every field makes."""
DECODE = "decode"
"""What stands for a field where the head itself reads the duration (docs/methods/attribution.md#integrated-gradients)."""
LAST_FILE = "field_ranks.json"
"""File of the last night's ranks beside the champion."""


class FieldScores(Document):
    """The fields of one task, in the order of `Importance.fields`."""

    score: tuple[float, ...]
    """F-Permutation; orders the fields of this task, and nothing else"""
    rank: tuple[int, ...]
    """1: the task depends on it most"""


class FieldSeconds(Document):
    """Integrated gradients of predicted seconds, before calibration."""

    of: Literal["mean", "median"]
    """what of the head is attributed"""
    rows: int
    complete_share: float
    """of the rows, whose fields add up to the prediction; the others are left out of means"""
    accepted: bool
    """whether they are enough for the means to be believed"""
    predicted_s: float
    """mean of the rows"""
    baseline_s: float
    """mean of the rows with every field at its mean"""
    mean_absolute_s: Mapping[str, float | None]
    """field, or `decode` -> mean absolute seconds; null where no row is complete"""
    duration_share: float | None
    """share of all of them that what tells the duration makes"""
    agreement: float | None
    """Spearman's correlation with the order of fields from another baseline, one row drawn at random; null where either
    is not accepted"""


class FieldRanks(Document):
    """The ranks of a network's fields: what a later night compares with."""

    fields: tuple[str, ...]
    rank: Mapping[str, tuple[int, ...]]
    """task -> 1 for the field that it depends on most, in the order of `fields`"""

    def of(self, task: str) -> dict[str, int]:
        """Return field -> rank of a task; empty where the network had no such task."""
        return dict(zip(self.fields, self.rank[task], strict=True)) if task in self.rank else {}


class LastRanks(Document):
    """The ranks of the last night that has any, for the night that reads them."""

    night: dt.date
    recipes: Mapping[str, FieldRanks]


class Importance(Document):
    """What one fitted network reads, on a fixed sample of the validation day."""

    name: str
    seed: int
    """whose network"""
    day: dt.date
    rows: int
    """ranked; the attributed ones are the first of them"""
    fields: tuple[str, ...]
    tasks: Mapping[str, FieldScores]
    """by trained task"""
    seconds: FieldSeconds | None
    """null where no head predicts seconds"""

    @property
    def ranks(self) -> FieldRanks:
        """The part that the ledger keeps."""
        return FieldRanks(fields=self.fields, rank={task: found.rank for task, found in self.tasks.items()})


def read_importance(folder: Path, name: str) -> Importance | None:
    """Read what a challenger reads from beside its judge table; None where it is no network.

    Raises:
        ContractError: if the file holds something else.
    """
    return read_optional(folder / FILE, Importance, f"evaluate@{name}")
