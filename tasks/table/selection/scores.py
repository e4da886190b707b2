"""What makes rows wanted, by kind of selection. None reads a label of the rows it scores, or a day after the fit days.

Shapes: R rows of a part, K levels of a key, U users, N dense features, C clusters.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import ContractError
from tasks.table.columns import open_column
from tasks.table.selection.config import RareSelection, SearchSelection, UniformSelection
from tasks.table.selection.distance import Moments, frechet
from tasks.table.selection.probabilities import Floats, Ints, Scores

PART_ROWS = 65_536
"""Rows read at a time; sums are added up part by part, so the number is not the caller's to choose."""


@dataclass(frozen=True)
class FitRows:
    """The encoded rows of the fit days.

    Attributes:
        folder: their columns.
        last_day_ms: when the last fit day began.
    """

    folder: Path
    last_day_ms: int

    def __len__(self) -> int:
        return len(open_column(self.folder, "user_id"))

    def parts(self, *names: str) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield some columns, a part of the rows at a time; the memory maps are dropped again."""
        for begin in range(0, len(self), PART_ROWS):
            yield tuple(np.array(open_column(self.folder, name)[begin : begin + PART_ROWS]) for name in names)

    def counted(self, key: str) -> tuple[Ints, Ints]:
        """Return the levels of a key, ascending, and the rows of each."""
        level_K, rows_K = np.unique(open_column(self.folder, key), return_counts=True)
        return level_K.astype(np.int64), rows_K.astype(np.int64)


def uniform(rows: FitRows, config: UniformSelection) -> Scores:
    """Want all alike."""
    level_K, rows_K = rows.counted("user_id")
    return Scores("user_id", config.unit, level_K, rows_K, np.ones(len(level_K)))


def rare(rows: FitRows, config: RareSelection) -> Scores:
    """Want a row of a video with n rows by n^-power."""
    level_K, rows_K = rows.counted("video_id")
    return Scores("video_id", "row", level_K, rows_K, rows_K.astype(np.float64) ** -config.power)


def search(rows: FitRows, config: SearchSelection) -> Scores:
    """Want users by the rank of their cluster's distance from the requests of the last fit day.

    Source: docs/methods/selection.md#data-search. Features are the dense columns of the table, which know of a row's past alone.

    Raises:
        ContractError: if the table has no dense feature, or the last fit day no row.
    """
    level_U, rows_U = rows.counted("user_id")
    mean_UN = _means(rows, level_U, rows_U)
    cluster_U, clusters = _clusters(mean_UN, config)
    moments, target = [Moments.none(mean_UN.shape[1]) for _ in range(clusters)], Moments.none(mean_UN.shape[1])
    for user_R, time_R, dense_RN in rows.parts("user_id", "event_time_ms", "dense"):
        cluster_R, features_RN = cluster_U[np.searchsorted(level_U, user_R)], dense_RN.astype(np.float64)
        for cluster in np.unique(cluster_R):
            moments[cluster].add(features_RN[cluster_R == cluster])
        target.add(features_RN[time_R >= rows.last_day_ms])
    if not target.rows:
        raise ContractError(
            "table.selection: the last fit day has no row that others could resemble: choose kind uniform or rare"
        )
    distance_C = np.array([frechet(target, found) for found in moments])
    rank_C = np.empty(clusters, dtype=np.int64)
    rank_C[np.argsort(distance_C, kind="stable")] = np.arange(clusters)
    return Scores("user_id", "user", level_U, rows_U, ((clusters - rank_C) / clusters)[cluster_U])


def _means(rows: FitRows, level_U: Ints, rows_U: Ints) -> Floats:
    """Return the mean dense features of every user's rows, [U, N]."""
    width = open_column(rows.folder, "dense").shape[1]
    if not width:
        raise ContractError("table.selection: kind search compares dense features, and table.dense names none")
    sum_UN = np.zeros((len(level_U), width))
    for user_R, dense_RN in rows.parts("user_id", "dense"):
        np.add.at(sum_UN, np.searchsorted(level_U, user_R), dense_RN.astype(np.float64))
    return sum_UN / rows_U[:, None]


def _clusters(mean_UN: Floats, config: SearchSelection) -> tuple[Ints, int]:
    """Return the cluster of every user, and how many there are."""
    # Loads the libraries of codebooks, which other selections have no use for.
    from tasks.table.items.rq_kmeans import residual_centres
    from tasks.table.items.tokenizer import nearest

    (centre_CN,) = residual_centres(mean_UN, 1, config.clusters, config.seed)
    found, cluster_U = np.unique(nearest(mean_UN, centre_CN), return_inverse=True)
    return cluster_U.astype(np.int64), len(found)


SCORES: dict[str, Callable[[FitRows, Any], Scores]] = {"uniform": uniform, "rare": rare, "search": search}
"""Selections by kind. A new one is one function and one line here, and its block in the configuration."""
