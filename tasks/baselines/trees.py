"""Boosted trees for several targets over one binned matrix."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.baselines.config import BaselineConfig
from tasks.baselines.rows import Floats

if TYPE_CHECKING:
    from lightgbm import Booster


class TreeTrainer:
    """Bins the features once and fits one booster per target, each stopped by its own loss on the validation rows."""

    def __init__(
        self,
        fit: NDArray[np.float32],
        validation: NDArray[np.float32],
        categorical: list[int],
        config: BaselineConfig,
    ) -> None:
        import lightgbm

        self._lightgbm = lightgbm
        self._config = config.lightgbm
        self._parameters: dict[str, Any] = {
            "num_leaves": config.lightgbm.num_leaves,
            "learning_rate": config.lightgbm.learning_rate,
            "min_data_in_leaf": config.lightgbm.min_data_in_leaf,
            "max_bin": config.lightgbm.max_bin,
            "feature_fraction": config.lightgbm.feature_fraction,
            "bagging_fraction": config.lightgbm.bagging_fraction,
            "bagging_freq": 1,
            "seed": config.seed,
            "num_threads": config.num_threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        shared: dict[str, Any] = {"categorical_feature": categorical, "params": self._parameters}
        self._fit = lightgbm.Dataset(fit, **shared).construct()
        self._validation = lightgbm.Dataset(validation, reference=self._fit, **shared).construct()

    def train(self, objective: str, fit_target: Floats, validation_target: Floats) -> "Booster":
        """Fit one target.

        Args:
            objective: LightGBM's name of the loss.
            fit_target: one value per fit row.
            validation_target: one value per validation row.
        """
        self._fit.set_label(fit_target)
        self._validation.set_label(validation_target)
        stop = self._lightgbm.early_stopping(self._config.patience, verbose=False)
        booster = self._lightgbm.train(
            {**self._parameters, "objective": objective},
            self._fit,
            num_boost_round=self._config.max_rounds,
            valid_sets=[self._validation],
            callbacks=[stop],
        )
        booster.free_dataset()
        return booster
