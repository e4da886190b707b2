"""Losses and predictions of a ranker on the validation split, in bounded memory."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.ranker import Ranker, RankerOutputs, refuse_non_finite
from models.recipe import WATCH_TIME
from tasks.core.predictions import probability
from tasks.evaluate.metrics.pairwise import xauc
from tasks.table.columns import open_column
from tasks.train.batches import Split
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
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


def validate(ranker: Ranker, population: Population, config: TrainingConfig, device: Device) -> Validation:
    """Measure a ranker in evaluation mode.

    Raises:
        FloatingPointError: if a loss is not finite.
    """
    ranker.eval()
    totals: dict[str, float] = {}
    scores = []
    rows = population.mapped(lambda split: split.on(device.name))
    with torch.no_grad(), device.autocast():
        for shown, batch in rows.evaluation(config.evaluation_rows, shared=True):
            encoded = ranker.encode(batch)
            of_batch = ranker.losses(batch, encoded)
            refuse_non_finite(of_batch)
            for task, loss in of_batch.items():
                totals[task] = totals.get(task, 0.0) + float(loss) * len(shown)
            predicted = ranker.predict_encoded(encoded, shown) if batch is shown else ranker.predict(shown)
            scores.append(predicted.score_B.double().cpu().numpy())
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
