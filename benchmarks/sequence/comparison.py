"""Fit every method on a split, judge it on the test part, and lay the results out as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.pairs.scoring import Estimate, Scores, over_fits
from benchmarks.parts.cells import spread
from benchmarks.parts.part import Options, Table
from benchmarks.sequence.fits import fit
from benchmarks.sequence.methods import CHALLENGER, RIVALS, methods
from benchmarks.sequence.protocol.config import SequenceTraining
from benchmarks.sequence.protocol.floors import FLOORS
from benchmarks.sequence.protocol.scoring import METRICS, SequenceJudge
from benchmarks.sequence.protocol.split import Candidates, SequenceSplit

LABELS = {"auc": "AUC", "gauc": "GAUC", "ndcg_2": "NDCG_2"}


@dataclass(frozen=True, eq=False)
class Judged:
    """One row of a table.

    Attributes:
        name: as printed.
        test: metrics of the test candidates, mean over fits.
        epochs: mean of the best epochs; None for a floor.
    """

    name: str
    test: Scores
    epochs: float | None = None


def tables(title: str, data: SequenceSplit, options: Options, training: Mapping[str, Any]) -> list[Table]:
    """Return the metrics of all floors and models, and the differences of SINE to the others.

    Args:
        title: what the data is.
        data: the split.
        options: how the part is run.
        training: how models are trained here, beside what is the same in all parts.
    """
    judge = SequenceJudge(data.test, replicates=100 if options.quick else 1000)
    rows = [Judged(name, judge.scores(floor(data)[data.test.item_C])) for name, floor in FLOORS.items()]
    chosen = methods(training, options.quick)
    by_seed = [
        {name: fit(data, name, method, seed, options.scratch) for name, method in chosen.items()}
        for seed in options.seeds
    ]
    for name in chosen:
        fitted = [of_seed[name] for of_seed in by_seed]
        scores = over_fits([judge.scores(one.test_C) for one in fitted])
        rows.append(Judged(name, scores, float(np.mean([one.best_epoch for one in fitted]))))
    return [_metrics(title, data, rows, chosen[CHALLENGER].training), _differences(title, rows)]


def _metrics(title: str, data: SequenceSplit, rows: Sequence[Judged], training: SequenceTraining) -> Table:
    cells = [
        [row.name, *(_with_interval(row.test[m]) for m in METRICS), "" if row.epochs is None else f"{row.epochs:.1f}"]
        for row in rows
    ]
    notes = [
        f"{_sizes(data.test)}. {_learned(data, training.max_length)}.",
        "Mean over fits ± standard deviation between fits [95 % interval of 1,000 resamples of users]; floors have one fit.",
        f"Trained with length {training.max_length} (public code 200), at most {training.max_epochs} epochs (100), patience "
        f"{training.patience} (20), {training.batch_size} users in a batch (128), batches divided by length in pools of "
        f"{training.sorted_batches} (1), Adam {training.learning_rate:g}; the best epoch by the AUC of validation candidates.",
    ]
    numbers = {row.name: {m: _numbers(row.test[m]) for m in METRICS} for row in rows}
    return Table(title, ["model", *(LABELS[m] for m in METRICS), "best epoch"], cells, notes, numbers)


def _differences(title: str, rows: Sequence[Judged]) -> Table:
    by_name = {row.name: row.test for row in rows}
    rivals = [name for name in (*RIVALS, *FLOORS) if name in by_name]
    numbers: dict[str, Mapping[str, object]] = {}
    cells = []
    for name in rivals:
        apart = {m: by_name[CHALLENGER][m].minus(by_name[name][m]) for m in METRICS}
        cells.append([f"{CHALLENGER} - {name}", *(_interval(apart[m]) for m in METRICS)])
        numbers[name] = {m: _numbers(apart[m]) for m in METRICS}
    notes = [
        "The same resamples for both sides. The interval does not hold the spread between fits, which stands above."
    ]
    return Table(f"{title}: paired differences", ["difference", *(LABELS[m] for m in METRICS)], cells, notes, numbers)


def _sizes(candidates: Candidates) -> str:
    length_J = np.bincount(candidates.row_C, minlength=len(candidates.user_J))
    return (
        f"{len(candidates.user_J):,} users are judged (AUC, {len(candidates.item_C):,} candidates), "
        f"{(length_J > 1).sum():,} of them in NDCG_2, {(length_J > 2).sum():,} in GAUC"
    )


def _learned(data: SequenceSplit, max_length: int) -> str:
    train_U = data.sequences.train_U
    steps_U = train_U[train_U >= 2] - 1
    return (
        f"Models learn {np.minimum(steps_U, max_length).sum():,} next positives of {len(steps_U):,} users, "
        f"{data.num_items:,} items; {(steps_U > max_length).sum():,} sequences are cut, the longest has {steps_U.max()} steps"
    )


def _numbers(estimate: Estimate) -> dict[str, object]:
    low, high = estimate.interval()
    return {"value": estimate.value, "fit_sd": estimate.fit_sd, "low": low, "high": high, "fits": estimate.per_fit}


def _with_interval(estimate: Estimate) -> str:
    low, high = estimate.interval()
    return f"{spread(estimate.value, estimate.fit_sd, _digits)} [{_digits(low)}, {_digits(high)}]"


def _interval(estimate: Estimate) -> str:
    low, high = estimate.interval()
    return f"{estimate.value:+.4f} [{low:+.4f}, {high:+.4f}]"


def _digits(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")
