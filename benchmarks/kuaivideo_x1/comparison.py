"""Judge floors and a machine on one log, stopped honestly and as is the habit, beside what was published."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks.fields.fit import FieldTraining, fit_machine
from benchmarks.kuaivideo_x1.judge import METRICS, VideoJudge, criterion
from benchmarks.kuaivideo_x1.ladder import LADDER
from benchmarks.kuaivideo_x1.rows import VideoData, VideoRows
from benchmarks.pairs.scoring import Scores, over_fits
from benchmarks.parts.cells import spread
from benchmarks.parts.part import Options, Table
from tasks.evaluate.metrics.inputs import FloatArray

TRAINING = FieldTraining(factors=64, patience=2)
"""Batch, step, width and patience of BARS; its penalty and its smaller steps on a plateau are left out."""
PRIOR_ROWS = 20
_LABELS = {"auc": "AUC", "gauc": "gAUC", "logloss": "log loss"}
_Method = Callable[[VideoData, FieldTraining, int], FloatArray]


def _random(data: VideoData, training: FieldTraining, seed: int) -> FloatArray:
    return np.random.default_rng(seed).normal(size=len(data.test))


def _item_rate(data: VideoData, training: FieldTraining, seed: int) -> FloatArray:
    """Return the logit of each item's share of clicks in train, drawn towards the mean by 20 rows of it."""
    item_T, code_T = np.unique(data.train.item_B, return_inverse=True)
    mean = float(data.train.label_B.mean())
    rate_T = (np.bincount(code_T, data.train.label_B) + PRIOR_ROWS * mean) / (np.bincount(code_T) + PRIOR_ROWS)
    place_B = np.minimum(np.searchsorted(item_T, data.test.item_B), item_T.size - 1)
    rate_B = np.where(item_T[place_B] == data.test.item_B, rate_T[place_B], mean)
    logit_B: FloatArray = np.log(rate_B / (1 - rate_B))
    return logit_B


def _machine(data: VideoData, training: FieldTraining, seed: int) -> FloatArray:
    """Return the machine that held-out users stop: no test row selects anything."""
    return _fitted(data, training, seed, *data.held_out(seed))


def _machine_stopped_on_test(data: VideoData, training: FieldTraining, seed: int) -> FloatArray:
    """Return the machine as published ones are fitted: on all of train, and the epoch is chosen on test."""
    return _fitted(data, training, seed, data.train, data.test)


def _fitted(data: VideoData, training: FieldTraining, seed: int, fit: VideoRows, stop: VideoRows) -> FloatArray:
    fitted = fit_machine(
        fit.fields,
        fit.label_B,
        data.num_codes,
        training,
        lambda model: criterion(stop, model.scores(stop.fields)),
        seed,
    )
    return fitted.model.scores(data.test.fields)


METHODS: Mapping[str, _Method] = {
    "random": _random,
    "item's share of clicks (prior 20)": _item_rate,
    "FM, stopped on 5 % of the training users": _machine,
    "FM, stopped on test (the habit)": _machine_stopped_on_test,
}


def tables(title: str, data: VideoData, options: Options, training: FieldTraining, notes: Sequence[str]) -> list[Table]:
    """Return the metrics of every method on the test rows, and the published ladder.

    Args:
        title: which log.
        data: the log.
        options: how the part is run.
        training: how the machine is fitted.
        notes: what a reader must know of the log.
    """
    torch.set_num_threads(1)
    judge = VideoJudge(data.test, replicates=100 if options.quick else 1000)
    how = replace(training, max_epochs=1) if options.quick else training
    found = {
        name: over_fits([judge.scores(method(data, how, seed)) for seed in options.seeds])
        for name, method in METHODS.items()
    }
    about = [
        f"train {len(data.train):,} rows, test {len(data.test):,} rows of {data.test.users.num_groups:,} users. {' '.join(notes)}",
        "The machine reads user, item and the means of the items clicked and not clicked before; no visual vectors, which the published "
        "models read.",
        "Mean over fits ± standard deviation between fits [95 % interval of 1,000 resamples of users].",
    ]
    numbers = {name: {metric: scores[metric].per_fit for metric in METRICS} for name, scores in found.items()}
    rows = [_row(name, scores) for name, scores in found.items()]
    return [Table(title, ["method", *_LABELS.values()], rows, about, numbers), _ladder()]


def _row(name: str, scores: Scores) -> list[str]:
    cells = [name]
    for metric in METRICS:
        estimate = scores[metric]
        low, high = estimate.interval()
        cells.append(f"{spread(estimate.value, estimate.fit_sd, _digits)} [{_digits(low)}, {_digits(high)}]")
    return cells


def _ladder() -> Table:
    rows = [
        [
            one.model,
            _digits(one.auc),
            _digits(one.gauc),
            "" if one.logloss is None else _digits(one.logloss),
            one.source,
        ]
        for one in LADDER
    ]
    note = "Test rows of KuaiVideo_x1 as published, epochs chosen on these very rows; not run here."
    return Table("Published ladder (KuaiVideo_x1)", ["model", *_LABELS.values(), "source"], rows, [note])


def _digits(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")
