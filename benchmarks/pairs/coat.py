"""Coat shopping ratings (Schnabel et al., ICML 2016) in their distributed layout.

The distributors state no licence: the files are read where the user keeps them and never copied.
"""

from pathlib import Path

import numpy as np

from benchmarks.pairs.data import FloatArray, PairData, Ratings

NUM_USERS, NUM_ITEMS = 290, 300


def read_coat(folder: Path) -> PairData:
    """Read Coat.

    Args:
        folder: holds train.ascii, test.ascii, propensities.ascii and user_item_features/.

    Raises:
        FileNotFoundError: if a file is absent.
        ValueError: if a matrix has another shape or a rating is outside 0 to 5.
    """
    features = folder / "user_item_features"
    return PairData(
        name="Coat",
        num_users=NUM_USERS,
        num_items=NUM_ITEMS,
        train=_ratings(folder / "train.ascii"),
        test=_ratings(folder / "test.ascii"),
        user_UF=_matrix(features / "user_features.ascii", NUM_USERS),
        item_IG=_matrix(features / "item_features.ascii", NUM_ITEMS),
        propensity_UI=_matrix(folder / "propensities.ascii", NUM_USERS, NUM_ITEMS),
    )


def _ratings(path: Path) -> Ratings:
    rating_UI = _matrix(path, NUM_USERS, NUM_ITEMS).astype(np.int64)
    if not 0 <= rating_UI.min() <= rating_UI.max() <= 5:
        raise ValueError(f"{path}: ratings run from {rating_UI.min()} to {rating_UI.max()}, allowed is 0 (none) to 5")
    user_B, item_B = np.nonzero(rating_UI)
    return Ratings(user_B.astype(np.int64), item_B.astype(np.int64), rating_UI[user_B, item_B])


def _matrix(path: Path, num_rows: int, num_columns: int | None = None) -> FloatArray:
    values = np.loadtxt(path, ndmin=2)
    if values.shape[0] != num_rows or (num_columns is not None and values.shape[1] != num_columns):
        wanted = f"{num_rows} rows" + ("" if num_columns is None else f" of {num_columns} columns")
        raise ValueError(f"{path}: found {values.shape[0]} rows of {values.shape[1]} columns, Coat has {wanted}")
    return values
