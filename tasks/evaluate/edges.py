"""Duration edges of the fit days, which every model of a night is measured with."""

from pathlib import Path

import numpy as np

from models.duration_groups import duration_cuts


def fit_duration_edges(table: Path, groups: int) -> list[float]:
    """Return the inner edges, in seconds, of equal-count duration groups of the fit rows.

    Args:
        table: folder of the table stage.
        groups: number of groups.
    """
    # Not the opened table: stages that measure depend on this one column, not on all that table.json says.
    durations_s = np.load(table / "fit/duration_s.npy", mmap_mode="r")
    return [float(edge) for edge in duration_cuts(durations_s, groups)]
