"""Fit a recipe on rows in memory: the ranker, optimizers and calibrators of a night, without its files.

Shapes: B rows, F categorical fields.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import phases
from models.batch import Batch
from models.early_stopping import EarlyStopping
from models.heads.base import TrainLabels
from models.ranker import Ranker, refuse_non_finite
from models.recipe import WATCH_TIME, Recipe
from models.schema import InputSchema
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.step import Step

Floats = NDArray[np.float64]
PREDICTED_ROWS = 16_384
"""Rows of one forward pass outside training."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a population D, observed or not, as tensors.

    Attributes:
        ids_BF: packed rows.
        watch_B: seconds; read only where observed.
        duration_B: seconds.
        observed_B: float32 0/1.
        propensity_B: float32.
    """

    ids_BF: Tensor
    watch_B: Tensor
    duration_B: Tensor
    observed_B: Tensor
    propensity_B: Tensor

    def __len__(self) -> int:
        return len(self.ids_BF)

    @classmethod
    def of(
        cls,
        fields: Mapping[str, NDArray[np.int64]],
        schema: InputSchema,
        watch_s: Floats,
        duration_s: Floats,
        observed: NDArray[np.bool_],
        propensity: Floats,
    ) -> "Rows":
        """Return arrays as tensors; what was not observed has watch time 0, so that nothing can leak."""
        ids = [fields[name] + offset for (name, _), offset in zip(schema.fields, schema.offsets, strict=True)]
        return cls(
            torch.from_numpy(np.stack(ids, axis=1)),
            torch.from_numpy(np.where(observed, watch_s, 0.0)).float(),
            torch.from_numpy(duration_s).float(),
            torch.from_numpy(observed).float(),
            torch.from_numpy(propensity).float(),
        )

    def batch(self, index: Tensor | slice) -> Batch:
        """Return some rows."""
        ids_BF = self.ids_BF[index]
        return Batch(
            ids_BF=ids_BF,
            dense_BN=torch.zeros(len(ids_BF), 0),
            duration_B=self.duration_B[index],
            watch_B=self.watch_B[index],
            observed_B=self.observed_B[index],
            propensity_B=self.propensity_B[index],
        )


def fit(recipe: Recipe, schema: InputSchema, rows: Rows, validation: Rows, config: TrainingConfig, seed: int) -> Ranker:
    """Fit one seed with early stopping on the objective's own watch-time loss of the validation rows.

    Args:
        recipe: one that learns watch time alone.
        schema: shape of the input.
        rows: D of the fit days.
        validation: D of the validation day.
        config: batch size, rates, epochs and patience.
        seed: of weights, dropout and order.

    Raises:
        FloatingPointError: if the loss of the validation rows is not finite.
    """
    torch.manual_seed(seed)
    seen = rows.observed_B > 0
    labels = TrainLabels(rows.watch_B[seen].double().numpy(), rows.duration_B[seen].double().numpy())
    ranker = Ranker(recipe, schema, recipe.fit_head_state(labels))
    take_step = Step(ranker, config, Device("cpu", bfloat16=False, compiled=False))
    stopping = EarlyStopping[dict[str, Tensor]](config.max_epochs, config.patience)
    while not stopping.exhausted or phases.second_is_due(ranker):
        if stopping.exhausted:
            assert stopping.kept is not None
            ranker.load_state_dict(stopping.kept)
            phases.begin_second(ranker)
            take_step, stopping = Step(ranker, config, Device("cpu", bfloat16=False, compiled=False)), stopping.again()
        ranker.train()
        for index in torch.split(torch.randperm(len(rows)), config.batch_size):
            take_step(rows.batch(index))
        take_step.optimizers.catch_up()
        stopping.improved(_loss(ranker, validation), lambda: copy.deepcopy(ranker.state_dict()))
    assert stopping.kept is not None
    ranker.load_state_dict(stopping.kept)
    return ranker.eval()


def scores(ranker: Ranker, rows: Rows) -> Floats:
    """Return the ranking scores, float64 [B]."""
    parts = [ranker.predict(rows.batch(index)).score_B.double() for index in _slices(len(rows))]
    return torch.cat(parts).numpy()


@torch.no_grad()
def _loss(ranker: Ranker, rows: Rows) -> float:
    ranker.eval()
    parts = [(float(ranker.losses(rows.batch(i))[WATCH_TIME]), i.stop - i.start) for i in _slices(len(rows))]
    mean = float(sum(loss * size for loss, size in parts) / len(rows))
    refuse_non_finite({WATCH_TIME: mean})
    return mean


def _slices(rows: int) -> list[slice]:
    return [slice(begin, min(begin + PREDICTED_ROWS, rows)) for begin in range(0, rows, PREDICTED_ROWS)]
