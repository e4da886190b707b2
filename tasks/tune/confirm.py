"""The gain of the best trial over the recipe as it is, from fits whose seeds chose nothing.

The best of many trials is partly the luckiest: of the order of the weights and rows, and of the day. Fresh seeds take the
first away; the second stays, as the rows are those the trial was chosen on.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.files import remove, writing
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, difference
from tasks.evaluate.metrics.grouped import xgauc
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.resampling import Resampler
from tasks.table.training_table import TrainingTable
from tasks.train.calibrate import ValidationRows
from tasks.tune.result import Gain
from tasks.tune.study import Search
from tasks.tune.trial import CandidateFits, Floats, ignore


def confirm(search: Search, index: int, values: Mapping[str, Any], evaluation: EvaluationConfig) -> Gain:
    """Fit a trial and the recipe as it is with the confirmation seeds and compare them, paired by user.

    Args:
        search: the search.
        index: of the trial.
        values: its values.
        evaluation: replicates, seed and confidence of the interval.

    Raises:
        TrainingError: if a fit cannot go on.
    """
    tuned = _scores(search, index, values)
    default = _scores(search, 0, search.space.defaults)
    metric = "xgauc" if search.config.metric == "xgauc" else "xauc"
    first, second = (_draws(search, metric, scores, evaluation) for scores in (tuned, default))
    gap = difference(first, second, evaluation.confidence)
    means = [float(np.mean([draw.result.value for draw in draws])) for draws in (first, second)]
    return Gain(
        metric=metric,
        seeds=search.config.confirmation_seeds,
        tuned=means[0],
        default=means[1],
        difference=gap,
        level=evaluation.confidence,
    )


def _scores(search: Search, index: int, values: Mapping[str, Any]) -> list[Floats]:
    """Return the validation day's scores of every fit; those of an earlier run are kept."""
    missing = [seed for seed in search.config.confirmation_seeds if not _file(search, index, seed).exists()]
    if missing:
        checkpoints = search.folder / "confirmation" / f"checkpoints{index}"
        fits = CandidateFits.open(search.table, search.space.candidate(values), search.config.metric, checkpoints)
        for seed in missing:
            measured = fits.measure(seed, ignore)
            with writing(_file(search, index, seed)) as temporary, temporary.open("wb") as stream:
                np.save(stream, measured.score_B)
        remove(checkpoints)
    return [np.load(_file(search, index, seed)) for seed in search.config.confirmation_seeds]


def _file(search: Search, index: int, seed: int) -> Path:
    return search.folder / "confirmation" / f"trial{index}-seed{seed}.npy"


def _draws(search: Search, metric: str, scores: list[Floats], evaluation: EvaluationConfig) -> list[Draw]:
    rows = ValidationRows.of(TrainingTable.open(search.table))
    users = encode_groups(rows.user)
    resampler = Resampler(users.num_groups, evaluation.replicates, evaluation.seed)
    measure = xgauc if metric == "xgauc" else xauc_influence
    return [resampler.draw({metric: measure(rows.watch_s, score_B, users)})[metric] for score_B in scores]
