"""The folder a fit leaves: everything a recipe needs to predict, and nothing about where or when it was made.

manifest.json               recipe, schema, seeds, hashes, counts
preprocessor/               vocabularies, normalisation
head_state.safetensors      label state of the head
propensity.safetensors      state of the propensity model, where the objective weighs by one
overlap.json                what its weights can carry: overlap, balance, calibration, warnings
learned.json                numbers the objective learned per seed, where it learns some
weights-seed<S>.safetensors one per seed
tables-seed<S>/             compressed embedding tables per seed, which its weights then lack (`tasks.train.tables`)
calibrators.json            correction, if any, mean and median calibrator per seed
curves.csv                  losses per seed and epoch
validation.json             metrics on the validation day per seed
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from tasks.core.files import write_json
from tasks.train.calibrate import Calibration
from tasks.train.fit import Fitted

Arrays = Mapping[str, NDArray[Any]]


def weights_file(folder: Path, seed: int) -> Path:
    """Return the weights of one seed."""
    return folder / f"weights-seed{seed}.safetensors"


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write named arrays; a scalar is an array of shape ()."""
    save_arrays({name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in arrays.items()}, path)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read named arrays."""
    return load_arrays(path)


def write_weights(folder: Path, fitted: Fitted, names: Collection[str]) -> None:
    """Write the best weights of one seed.

    Args:
        folder: of the bundle.
        fitted: the fit.
        names: those that predict; what a compressed table replaced is left out.
    """
    weights = {name: value.contiguous() for name, value in fitted.weights.items() if name in names}
    save_file(weights, weights_file(folder, fitted.seed))


def write_calibrators(folder: Path, calibrations: Mapping[int, Calibration]) -> None:
    """Write the calibrators of every seed."""
    write_json(folder / "calibrators.json", {str(seed): value.to_dict() for seed, value in calibrations.items()})
