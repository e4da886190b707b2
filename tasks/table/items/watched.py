"""Vectors of videos from who watched them on the fit days; a video that came later has none
(docs/methods/representation.md#vectors-of-watches).

Shapes: P watched pairs, U users, V videos with a vector, N videos asked for, D width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.retrieval.watched import Watched
from tasks.core.errors import ContractError
from tasks.table.items.config import CollaborativeVectors, CoWatchVectors
from tasks.table.items.controls import Ids
from tasks.table.items.tokenizer import Doubles

Floats = NDArray[np.float32]
_PRECISION = 1e-9
"""Relative to the largest eigenvalue."""


@dataclass(frozen=True, eq=False)
class WatchedPairs(Watched):
    """Who watched what, each pair once, whenever that was; identifiers ascend, and all have a pair."""

    @classmethod
    def of(cls, pairs: pl.DataFrame) -> Self:
        """Return the pairs of a frame of `user_id` and `video_id`, in whatever order they come and however often."""
        pairs = pairs.cast(pl.Int64).unique().sort("user_id", "video_id")
        user_id_U, user_P = np.unique(pairs["user_id"].to_numpy(), return_inverse=True)
        video_id_V, video_P = np.unique(pairs["video_id"].to_numpy(), return_inverse=True)
        return cls(user_P, video_P, np.zeros_like(user_P), user_id_U, video_id_V)

    @property
    def watchers(self) -> Ids:
        """Users who watched each video, [V]."""
        return np.bincount(self.video_P, minlength=self.video_id_V.size)


class WatchCounter:
    """Collects the watched pairs of the fit days over any number of chunks."""

    def __init__(self, watched: str) -> None:
        self.columns = ("user_id", "video_id", watched)
        self.found = pl.DataFrame(schema={"user_id": pl.Int64(), "video_id": pl.Int64()})

    def add(self, rows: pl.DataFrame) -> None:
        """Add one chunk."""
        user, video, watched = self.columns
        self.add_pairs(rows.filter(pl.col(watched) == 1).select(pl.col(user, video).cast(pl.Int64)))

    def add_pairs(self, pairs: pl.DataFrame) -> None:
        """Add pairs of `user_id` and `video_id`, as `found` has them."""
        self.found = pl.concat([self.found, pairs]).unique()

    @property
    def pairs(self) -> WatchedPairs:
        """What was collected."""
        return WatchedPairs.of(self.found)


@dataclass(frozen=True, eq=False)
class LearnedVectors:
    """A vector of every video that was watched often enough.

    Attributes:
        kind: `table.items.vectors.kind`.
        video_id_V: identifiers, ascending.
        vector_VD: vectors of length 1.
    """

    kind: str
    video_id_V: Ids
    vector_VD: Floats

    def of(self, video_id_N: Ids) -> tuple[NDArray[np.bool_], Doubles]:
        """Return which of some videos have a vector, [N], and the vectors of those."""
        place_N = np.minimum(np.searchsorted(self.video_id_V, video_id_N), self.video_id_V.size - 1)
        has_vector_N = self.video_id_V[place_N] == video_id_N
        return has_vector_N, self.vector_VD[place_N[has_vector_N]].astype(np.float64)

    def save(self, path: Path) -> None:
        """Write one Parquet file, `video_id` and `vector`."""
        vectors = pl.Series("vector", self.vector_VD.tolist(), dtype=pl.List(pl.Float32))
        pl.DataFrame([pl.Series("video_id", self.video_id_V), vectors]).write_parquet(path, compression="zstd")

    @classmethod
    def load(cls, kind: str, path: Path) -> Self:
        """Read what `save` wrote."""
        frame = pl.read_parquet(path)
        return cls(kind, frame["video_id"].to_numpy(), np.array(frame["vector"].to_list(), dtype=np.float32))


class Learning(Protocol):
    """Learns vectors from watched pairs; the same pairs give the same bits."""

    def __call__(self, pairs: WatchedPairs, config: Any) -> LearnedVectors:
        """Return the vectors."""


def collaborative(pairs: WatchedPairs, config: CollaborativeVectors) -> LearnedVectors:
    """Return the video vectors of LightGCN after so many epochs, on one thread."""
    import torch  # seconds to load, for who learns vectors and not for who reads them

    from models.retrieval.lightgcn import LightGcnFit

    kept_V = _often_enough(pairs.watchers, config.min_watchers, config.kind)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        generator = torch.Generator().manual_seed(config.seed)
        fit = LightGcnFit(pairs, config.width, config, generator)
        for _ in range(config.epochs):
            fit.one_pass(config.batch_size, generator)
        vector_VD = fit.vectors()[1].numpy().astype(np.float64)
    finally:
        torch.set_num_threads(threads)
    return LearnedVectors(config.kind, pairs.video_id_V[kept_V], _unit(vector_VD[kept_V]))


def co_watch(pairs: WatchedPairs, config: CoWatchVectors) -> LearnedVectors:
    """Return rows of the first eigenvectors of D^-1/2 S D^-1/2, S_vw the users who watched both v and w, S_vv = 0.

    Raises:
        ContractError: if too few videos share a user for so many eigenvectors.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import LinearOperator, eigsh
    from threadpoolctl import threadpool_limits

    often_V = _often_enough(pairs.watchers, config.min_watchers, config.kind)
    matrix = csr_array((np.ones(pairs.user_P.size), (pairs.user_P, pairs.video_P)), (pairs.num_users, len(often_V)))
    matrix = matrix[:, np.flatnonzero(often_V)]
    watchers_V: Doubles = matrix.sum(axis=0)
    # S = A^T A without its diagonal is never made: users of n videos would make n^2 entries.
    degree_V = matrix.T @ matrix.sum(axis=1) - watchers_V
    linked = np.flatnonzero(degree_V > 0)
    if linked.size <= config.width + 1:
        raise ContractError(
            f"table.items: {linked.size} videos have a user in common with another of {config.min_watchers} or more watchers, and "
            f"vectors 'co_watch' of width {config.width} need more than {config.width + 1}: lower width or min_watchers, or fit on more days"
        )
    matrix, watchers_V, root_V = matrix[:, linked], watchers_V[linked], np.sqrt(degree_V[linked])

    def spread(weight_V: Doubles) -> Doubles:
        scaled_V = weight_V.ravel() / root_V
        found_V: Doubles = (matrix.T @ (matrix @ scaled_V) - watchers_V * scaled_V) / root_V
        return found_V

    operator = LinearOperator((linked.size, linked.size), matvec=spread, dtype=np.float64)
    begin_V = np.random.default_rng(config.seed).normal(size=linked.size)
    with threadpool_limits(limits=1):
        value_D, vector_VD = eigsh(operator, config.width, which="LA", v0=begin_V, tol=_PRECISION)
    vector_VD = vector_VD[:, np.argsort(-value_D, kind="stable")]
    largest_D = np.abs(vector_VD).argmax(axis=0)
    vector_VD = vector_VD * np.sign(vector_VD[largest_D, np.arange(config.width)])
    return LearnedVectors(config.kind, pairs.video_id_V[often_V][linked], _unit(vector_VD))


def _often_enough(watchers_V: Ids, fewest: int, kind: str) -> NDArray[np.bool_]:
    often_V: NDArray[np.bool_] = watchers_V >= fewest
    if not often_V.any():
        raise ContractError(
            f"table.items: no video of the fit days has {fewest} watchers, and vectors {kind!r} are learned from those: lower "
            "table.items.vectors.min_watchers, choose another watched, or fit on more days"
        )
    return often_V


def _unit(vector_VD: Doubles) -> Floats:
    length_V1 = np.linalg.norm(vector_VD, axis=1, keepdims=True)
    unit_VD: Floats = (vector_VD / np.maximum(length_V1, 1e-12)).astype(np.float32)
    return unit_VD


LEARNINGS: Mapping[str, Learning] = {"collaborative": collaborative, "co_watch": co_watch}
"""`table.items.vectors.kind` -> what learns them; `content` is learned from nothing."""
