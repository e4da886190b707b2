"""How often the fit days read every row of the packed embedding table."""

import numpy as np
from numpy.typing import NDArray

from models.compression.base import RowUse
from tasks.table.training_table import TrainingTable
from tasks.train.lists import local_days

EFFECTIVE = "valid_play"
"""Label of an effective view."""
_BLOCK = 65_536
"""Rows counted at a time."""


def row_use(table: TrainingTable) -> RowUse:
    """Count the impressions of each fit day by the rows that their categorical fields read; a late one on the day it happened.

    Counts are of this table's own days, by its own numbers of rows, so a new vocabulary cannot shift them.
    """
    schema, ids = table.schema, table.column("fit", "ids")
    positive_B = table.column("fit", "labels")[:, table.tasks.index(EFFECTIVE)] == 1
    day_B = local_days(table.split("fit"), table.preprocessor.timezone)
    days = np.unique(day_B)
    counts_2TN = np.zeros((2, len(days), schema.num_rows), dtype=np.int32)
    for number, day in enumerate(days):
        for effective in (0, 1):
            touched = ids[np.flatnonzero((day_B == day) & (positive_B == effective))]
            counts_2TN[effective, number] = np.bincount(touched.ravel(), minlength=schema.num_rows)
    return RowUse(positive_TN=counts_2TN[1], negative_TN=counts_2TN[0], unseen=schema.offsets)


def reads_per_day(table: TrainingTable) -> NDArray[np.float64]:
    """Return how often a fit day reads every packed row, on average, [N]; the history is not counted."""
    ids, reads_N = table.column("fit", "ids"), np.zeros(table.schema.num_rows, dtype=np.int64)
    for begin in range(0, len(ids), _BLOCK):
        reads_N += np.bincount(ids[begin : begin + _BLOCK].ravel(), minlength=len(reads_N))
    return reads_N / len(table.metadata.days["fit"])
