"""What a log without content vectors tells of its videos: their categories, as numbers that codes can be learned of, as means, and dealt anew.

Shapes: V videos, C categories, P principal components, B rows that teach, N rows that are predicted, K keys.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.contract import CONTENT_VECTOR

VIDEOS = "videos.parquet"
"""Name of the catalogue in a folder of features."""
FEWEST_VIDEOS = 20
"""A category of fewer teaching videos is no number."""
COMPONENTS = 16
_MISSING = ("", "UNKNOWN")
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CategoryVectors:
    """Principal components of which categories a video has: nothing that was seen, heard or read in it.

    Attributes:
        categories: `column=level` of each, C of them.
        vector_VP: of the catalogue, in its order; of a video without any of them too.
        kept: share of the teaching videos' variance that the components hold.
    """

    categories: tuple[str, ...]
    vector_VP: Doubles
    kept: float

    @classmethod
    def of(cls, videos: pl.DataFrame, columns: Sequence[str], teaching: NDArray[np.int64]) -> "CategoryVectors":
        """Return the vectors of a catalogue.

        Args:
            videos: `video_id` and columns of categories, of which one cell may hold several, joined by commas.
            columns: names of these.
            teaching: videos of the fit days, from which categories and components are taken; others are projected.

        Raises:
            ValueError: if no category has enough of them.
        """
        is_taught_V = np.isin(videos["video_id"].to_numpy(), teaching)
        categories, flag_VC = _flags(videos, columns, is_taught_V)
        centred_VC = flag_VC - flag_VC[is_taught_V].mean(axis=0)
        taught = centred_VC[is_taught_V]
        variance_C, axis_CC = np.linalg.eigh(taught.T @ taught)
        axis_CP = axis_CC[:, ::-1][:, :COMPONENTS]
        largest_P = np.abs(axis_CP).argmax(axis=0)
        axis_CP = axis_CP * np.sign(axis_CP[largest_P, np.arange(axis_CP.shape[1])])
        kept = float(variance_C[::-1][:COMPONENTS].sum() / variance_C.sum())
        return cls(categories, centred_VC @ axis_CP, kept)


def _flags(
    videos: pl.DataFrame, columns: Sequence[str], is_taught_V: NDArray[np.bool_]
) -> tuple[tuple[str, ...], Doubles]:
    names, flags = [], []
    for column in columns:
        level = videos[column].fill_null("").str.split(",")
        for value in sorted(set(level.explode().to_list()) - set(_MISSING)):
            flag_V = level.list.contains(value).to_numpy()
            if flag_V[is_taught_V].sum() >= FEWEST_VIDEOS:
                names.append(f"{column}={value}")
                flags.append(flag_V.astype(np.float64))
    if not names:
        raise ValueError(
            f"no level of {', '.join(columns)} has {FEWEST_VIDEOS} videos of the fit days: name other columns, or fit on more days"
        )
    return tuple(names), np.stack(flags, axis=1)


def describe(features: Path, columns: Sequence[str], teaching: NDArray[np.int64]) -> CategoryVectors:
    """Write the vectors of a folder's videos into its catalogue, where a source with content has its own; other arguments as above."""
    videos = pl.read_parquet(features / VIDEOS)
    found = CategoryVectors.of(videos, columns, teaching)
    _write_vectors(videos, found.vector_VP, features / VIDEOS)
    return found


def dealt(features: Path, videos: NDArray[np.int64], out: Path, seed: int) -> Path:
    """Return a folder of the same features in which some videos have the vectors of others of them.

    Args:
        features: a described folder.
        videos: whose vectors are dealt.
        out: to write; all but the catalogue are links.
        seed: of the permutation.
    """
    out.mkdir(parents=True, exist_ok=True)
    for entry in features.iterdir():
        if entry.name != VIDEOS and not (out / entry.name).exists():
            (out / entry.name).symlink_to(entry.resolve())
    catalogue = pl.read_parquet(features / VIDEOS)
    place = np.flatnonzero(np.isin(catalogue["video_id"].to_numpy(), videos))
    order = np.arange(catalogue.height)
    order[place] = np.random.default_rng(seed).permutation(place)
    _write_vectors(catalogue, catalogue[CONTENT_VECTOR].to_numpy()[order], out / VIDEOS)
    return out


def _write_vectors(videos: pl.DataFrame, vector_VP: Any, path: Path) -> None:
    vectors = pl.Series(CONTENT_VECTOR, [list(vector) for vector in vector_VP], dtype=pl.List(pl.Float32))
    videos.with_columns(vectors).write_parquet(path)


def backed_off_means(
    watch_B: NDArray[np.floating], keys_BK: Ints, keys_NK: Ints, pseudo_rows: Mapping[int, float]
) -> Doubles:
    """Return the mean watch of the cell of each row, each cell's pulled to that of the cell it is a part of, [N].

    Cells of depth k share the first k keys; the mean of none is that of all rows. A cell nobody saw has the mean of the one around it.

    Args:
        watch_B: seconds.
        keys_BK: of the rows that teach, the coarsest first.
        keys_NK: of those that are predicted.
        pseudo_rows: depth -> rows at the mean of the cell around that are mixed in.
    """
    mean_R = np.full(len(keys_BK) + len(keys_NK), float(watch_B.mean()))
    both_RK = np.concatenate([keys_BK, keys_NK])
    for depth, strength in pseudo_rows.items():
        _, code_R = np.unique(both_RK[:, :depth], axis=0, return_inverse=True)
        around_C = np.zeros(code_R.max() + 1)
        around_C[code_R] = mean_R
        code_B = code_R[: len(keys_BK)]
        rows_C = np.bincount(code_B, minlength=len(around_C))
        sum_C = np.bincount(code_B, watch_B.astype(np.float64), minlength=len(around_C))
        mean_R = ((sum_C + strength * around_C) / (rows_C + strength))[code_R]
    return mean_R[len(keys_BK) :]
