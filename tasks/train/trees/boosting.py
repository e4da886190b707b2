"""Boosted trees for several targets over rows that are binned once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.train.trees.config import TreesRecipe
from tasks.train.trees.rows import TreeRows

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = NDArray[np.float64]
SAMPLED_ROWS = 200_000
"""Rows whose values decide where bins end."""


@dataclass(frozen=True)
class Boosted:
    """One fit.

    Attributes:
        booster: trees up to the best round.
        losses: split ("fit", "validation") -> its loss after every round up to the best.
    """

    booster: "Booster"
    losses: dict[str, list[float]]


class TreeTrainer:
    """Bins the features once and fits one booster per target, each stopped by its own loss on the validation rows.

    Args:
        fit: the fit rows.
        validation: the validation rows.
        categorical: positions of the columns that are codes.
        recipe: how to fit.
        threads: CPU threads.
        weights: how many rows each fit row stands for, over the mean of that; None: each for itself.
    """

    def __init__(
        self,
        fit: TreeRows,
        validation: TreeRows,
        categorical: list[int],
        recipe: TreesRecipe,
        threads: int,
        weights: Floats | None = None,
    ) -> None:
        import lightgbm

        self._lightgbm, self._recipe = lightgbm, recipe
        self._parameters: dict[str, Any] = {
            "num_leaves": recipe.num_leaves,
            "learning_rate": recipe.learning_rate,
            "min_data_in_leaf": recipe.min_data_in_leaf,
            "max_bin": recipe.max_bin,
            "bin_construct_sample_cnt": SAMPLED_ROWS,
            "feature_fraction": recipe.feature_fraction,
            "bagging_fraction": recipe.bagging_fraction,
            "bagging_freq": 1,
            "num_threads": threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        shared: dict[str, Any] = {"categorical_feature": categorical, "params": self._parameters}
        # Registered and no subclass: LightGBM is loaded by who fits trees alone.
        lightgbm.Sequence.register(TreeRows)
        # Where all rows are sampled, the sample is the matrix: as a sequence it would be made a row at a time.
        learned: Any = fit[:] if len(fit) <= SAMPLED_ROWS else fit
        held_out: Any = validation
        self._fit = lightgbm.Dataset(learned, weight=weights, **shared).construct()
        self._validation = lightgbm.Dataset(held_out, reference=self._fit, **shared).construct()

    def train(self, loss: str, fit_target: Floats, validation_target: Floats, seed: int) -> Boosted:
        """Fit one target.

        Args:
            loss: LightGBM's name of it.
            fit_target: one value per fit row.
            validation_target: one value per validation row.
            seed: of the rows and columns that trees are offered.
        """
        self._fit.set_label(fit_target)
        self._validation.set_label(validation_target)
        losses: dict[str, Any] = {}
        callbacks: list[Any] = [
            self._lightgbm.early_stopping(self._recipe.patience, verbose=False),
            self._lightgbm.record_evaluation(losses),
        ]
        booster = self._lightgbm.train(
            {**self._parameters, "objective": loss, "bagging_seed": seed, "feature_fraction_seed": seed},
            self._fit,
            num_boost_round=self._recipe.max_rounds,
            valid_sets=[self._fit, self._validation],
            valid_names=["fit", "validation"],
            callbacks=callbacks,
        )
        booster.free_dataset()
        kept = booster.best_iteration or booster.current_iteration()
        after = {split: [float(loss) for loss in next(iter(of.values()))[:kept]] for split, of in losses.items()}
        return Boosted(booster, after)
