"""The fitted trees of one seed: what a bundle of trees keeps of it, and what it predicts.

Shapes: B rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import TrainingError
from tasks.table.columns import Array
from tasks.train.trees.columns import TreeColumns
from tasks.train.trees.targets import Target

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Forest:
    """Boosters by what they predict.

    Attributes:
        columns: what they read.
        target: reads the score back.
        boosters: `score`, `mean` where it has trees of its own, `p_<task>` -> the fits that are averaged.
        truncated: whether labels end at the duration, which then bounds the mean.
    """

    columns: TreeColumns
    target: Target
    boosters: "Mapping[str, tuple[Booster, ...]]"
    truncated: bool

    def predict(self, columns: Mapping[str, Array], threads: int) -> dict[str, Floats]:
        """Return `score`, `mean` (seconds) where it has trees of its own, and `p_<task>` of encoded rows, each [B]."""
        matrix, duration_s = self.columns.matrix(columns), columns["duration_s"].astype(np.float64)
        found: dict[str, Floats] = {
            name: np.mean([_predicted(fit, matrix, threads) for fit in fits], axis=0)
            for name, fits in self.boosters.items()
        }
        found["score"] = self.target.decode(found["score"], duration_s)
        if "mean" in found:
            found["mean"] = np.clip(found["mean"], 0, duration_s if self.truncated else None)
        return found

    def important(self, number: int = 20) -> tuple[str, ...]:
        """Return the columns that gained most in the score's first fit."""
        gain = self.boosters["score"][0].feature_importance("gain")
        return tuple(self.columns.names[place] for place in np.argsort(-gain, kind="stable")[:number])

    def save(self, folder: Path) -> None:
        """Write every booster as LightGBM's own text."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, fits in self.boosters.items():
            for number, fit in enumerate(fits):
                (folder / f"{name}-{number}.txt").write_text(fit.model_to_string(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, columns: TreeColumns, target: Target, truncated: bool) -> Self:
        """Read what `save` wrote.

        Raises:
            TrainingError: if there are no trees of the score, or they read other columns.
        """
        import lightgbm

        found: dict[str, list[Booster]] = {}
        for file in tree_files(folder):
            found.setdefault(file.stem.rpartition("-")[0], []).append(lightgbm.Booster(model_file=file))
        if "score" not in found or any(fit.num_feature() != len(columns.names) for fit in found["score"]):
            raise TrainingError(f"{folder}: the trees of the score are missing or do not fit the manifest")
        return cls(columns, target, {name: tuple(fits) for name, fits in found.items()}, truncated)


def _predicted(fit: "Booster", matrix: NDArray[np.float32], threads: int) -> Floats:
    """Return what one fit predicts; LightGBM refuses to predict no rows."""
    return np.asarray(fit.predict(matrix, num_threads=threads)) if len(matrix) else np.empty(0)


def tree_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a seed's boosters, the fits of each in order."""
    yield from sorted(
        folder.glob("*.txt"), key=lambda file: (file.stem.rpartition("-")[0], int(file.stem.rpartition("-")[2]))
    )


def seed_folder(bundle: Path, seed: int) -> Path:
    """Return where the trees of one seed lie in a bundle."""
    return bundle / "trees" / f"seed{seed}"
