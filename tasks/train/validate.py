"""Losses and predictions of a ranker on the validation split, in bounded memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.batch import Batch
from models.ranker import Ranker, RankerOutputs, refuse_non_finite
from models.recipe import WATCH_TIME
from tasks.core.predictions import probability
from tasks.evaluate.metrics.pairwise import xauc
from tasks.table.columns import open_column
from tasks.train.batches import Split
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.group import ALONE, Group
from tasks.train.population import Population

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Validation:
    """What a ranker does on the validation split.

    Attributes:
        losses: task -> mean loss over the recipe's population.
        xauc: of the first head's score against whole seconds, impressions only.
    """

    losses: Mapping[str, float]
    xauc: float

    def criterion(self, config: TrainingConfig) -> float:
        """Return what early stopping minimises."""
        if config.stop_on == "xauc":
            return -self.xauc
        watch = [loss for task, loss in self.losses.items() if task.startswith(WATCH_TIME)]
        return sum(watch) if config.stop_on == "watch_loss" else sum(self.losses.values())


def _reads_all(batch: Batch | None) -> None:
    """Do nothing: whole tables can be read."""


def validate(
    ranker: Ranker,
    population: Population,
    config: TrainingConfig,
    device: Device,
    group: Group = ALONE,
    look_up: Callable[[Batch | None], None] = _reads_all,
) -> Validation:
    """Measure a ranker in evaluation mode.

    Args:
        ranker: on its device.
        population: rows of the validation day.
        config: how many rows are predicted at a time.
        device: where the ranker is.
        group: processes that fit together: parts of the rows are dealt among them, and each gets the measures of all rows.
        look_up: is told every batch before it is encoded; None where others encode one and this process does not.

    Raises:
        FloatingPointError: if a loss is not finite.
    """
    ranker.eval()
    measured = []
    rows = population.mapped(lambda split: split.on(device.name))
    with torch.no_grad(), device.autocast():
        for part in group.dealt(rows.evaluation(config.evaluation_rows, shared=True)):
            look_up(None if part is None else part[1])
            if part is None:
                continue
            shown, batch = part
            encoded = ranker.encode(batch)
            losses = {task: float(loss) for task, loss in ranker.losses(batch, encoded).items()}
            predicted = ranker.predict_encoded(encoded, shown) if batch is shown else ranker.predict(shown)
            measured.append((losses, predicted.score_B.double().cpu().numpy()))
    totals: dict[str, float] = {}
    scores = []
    for losses, score_B in group.gathered(measured):
        refuse_non_finite(losses)
        for task, loss in losses.items():
            totals[task] = totals.get(task, 0.0) + loss * len(score_B)
        scores.append(score_B)
    impressions = population.impressions
    watch_s = open_column(impressions.folder, "watch_s").astype(np.float64)
    losses = {task: total / impressions.num_rows for task, total in totals.items()}
    return Validation(losses, xauc(watch_s, np.concatenate(scores)).value)


def as_arrays(predictions: RankerOutputs) -> dict[str, Floats]:
    """Return predictions before calibration by name, in double precision.

    Names: `score`, `score_<task>` of further heads, native `mean` and `median` where a head has them, `p_<task>`.
    """
    named = {"score": predictions.score_B, "mean": predictions.mean_B, "median": predictions.median_B}
    named |= {f"score_{task}": value for task, value in predictions.further_scores.items()}
    named |= {probability(task): value for task, value in predictions.probability.items()}
    return {name: value.double().cpu().numpy() for name, value in named.items() if value is not None}


def predict_split(ranker: Ranker, split: Split, config: TrainingConfig, device: Device) -> dict[str, Floats]:
    """Return the predictions of a whole split before calibration, in float32 as they will be served."""
    ranker.eval()
    parts = []
    with torch.no_grad():
        for rows in split.on(device.name).chunks(config.evaluation_rows):
            parts.append(as_arrays(ranker.predict(rows.batch(0, len(rows), shared=True))))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
