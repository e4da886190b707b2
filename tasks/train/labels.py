"""The watch-time labels of a split, as heads and calibrators read them."""

import numpy as np

from models.heads.base import TrainLabels
from tasks.table.training_table import TrainingTable


def watch_labels(table: TrainingTable, split: str) -> TrainLabels:
    """Return watch time and duration of a split, seconds, and whether the configuration ends labels at the duration."""
    columns = table.columns(split)
    watch_s, duration_s = (columns[name].astype(np.float64) for name in ("watch_s", "duration_s"))
    return TrainLabels(watch_s, duration_s, truncated=table.metadata.config.truncate_watch)
