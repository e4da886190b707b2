"""Duration edges of the fit days, which every model of a night is measured with."""

from pathlib import Path

from models.heads.duration_groups import duration_cuts
from tasks.table.training_table import TrainingTable


def fit_duration_edges(table: Path, groups: int) -> list[float]:
    """Return the inner edges, in seconds, of equal-count duration groups of the fit rows.

    Args:
        table: folder of the table stage.
        groups: number of groups.
    """
    durations_s = TrainingTable.open(table).columns("fit")["duration_s"]
    return [float(edge) for edge in duration_cuts(durations_s, groups)]
