"""A bank of nights: whole comparisons of every pair of models, made by the real `compare()` on tables of a simulated log.

Models are exchangeable: a world draws nights from the bank and deals the models out anew each time, so that under equal models
no difference is expected, exactly, whatever luck the bank itself had.

Shapes: B bank nights, M models (the equal ones first, then one per gain), T metrics that are tested.
"""

import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.gate.workers import mapped
from benchmarks.gate.world import FloatArray, NightLog
from tasks.core.files import writing
from tasks.evaluate.catalogue import TESTED
from tasks.evaluate.compare import compare
from tasks.evaluate.comparison import Comparison, PairedMetric
from tasks.evaluate.config import EvaluationConfig

EQUAL = 21
"""Models of equal quality: a champion and up to 20 challengers."""
NOISE = 0.3
"""Standard deviation in logits: a night's paired XAUC then has a standard error of about .0018."""
GAINS: Mapping[float, float] = {0.001: 0.262, 0.002: 0.218, 0.003: 0.162}
"""XAUC above the equal ones -> noise of a model that has it, as measured on 30 nights of no bank."""
XGAUC_PER_XAUC = 0.8
"""What XGAUC gains where less noise gives XAUC a gain of 1, as measured on the same nights."""
DAY_SD = 0.0274
"""Where days have an effect: standard deviation of the noise's variance between nights; it moves a difference of two models
by about one standard error."""
EVALUATION = EvaluationConfig(replicates=200)
"""Fewer resamples than a night's 1,000, which costs XGAUC's standard error 5 % of noise and XAUC's nothing."""

Pair = tuple[int, int]
Pairs = Mapping[Pair, Comparison]


@dataclass(frozen=True)
class Bank:
    """Comparisons of some nights.

    Attributes:
        nights: per night, every pair of equal models once and every better one with each of them, as (candidate, reference).
        equal: number of equal models.
    """

    nights: Sequence[Pairs]
    equal: int

    def comparison(self, night: int, candidate: int, reference: int) -> Comparison:
        """Return how a model compares with another on a night."""
        found = self.nights[night].get((candidate, reference))
        return found if found is not None else reversed_comparison(self.nights[night][reference, candidate])

    def better(self, gain: float) -> int:
        """Return the model that is better by this."""
        return self.equal + list(GAINS).index(gain)

    @cached_property
    def deltas(self) -> FloatArray:
        """[B, M, M, T] candidate - reference, the better models moved so that their mean over the bank is exactly their gain."""
        raw = self._table("value")
        for gain in GAINS:
            model = self.better(gain)
            residual_T = gain * np.array([1, XGAUC_PER_XAUC]) - raw[:, model, : self.equal].mean(axis=(0, 1))
            raw[:, model, : self.equal] += residual_T
            raw[:, : self.equal, model] -= residual_T
        return raw

    @cached_property
    def errors(self) -> FloatArray:
        """[B, M, M, T] standard errors of the same."""
        return np.abs(self._table("standard_error"))

    @cached_property
    def typical_errors(self) -> FloatArray:
        """[T] root mean square of one night's standard error between equal models."""
        off = ~np.eye(self.equal, dtype=bool)
        mean_T: FloatArray = np.sqrt((self.errors[:, : self.equal, : self.equal][:, off] ** 2).mean(axis=(0, 1)))
        return mean_T

    @cached_property
    def spreads(self) -> FloatArray:
        """[T] standard deviation of a difference of equal models between nights and pairs."""
        off = ~np.eye(self.equal, dtype=bool)
        sd_T: FloatArray = np.sqrt((self.deltas[:, : self.equal, : self.equal][:, off] ** 2).mean(axis=(0, 1)))
        return sd_T

    def measured_gain(self, gain: float) -> FloatArray:
        """Return the mean difference of a better model to the equal ones as it was measured, per tested metric."""
        mean_T: FloatArray = self._table("value")[:, self.better(gain), : self.equal].mean(axis=(0, 1))
        return mean_T

    def _table(self, field: str) -> FloatArray:
        models = self.equal + len(GAINS)
        table = np.zeros((len(self.nights), models, models, len(TESTED)))
        for night, pairs in enumerate(self.nights):
            for (i, j), found in pairs.items():
                values = [getattr(found.metrics[name], field) for name in TESTED]
                table[night, i, j], table[night, j, i] = values, np.negative(values)
        return table


def bank_of(folder: Path, nights: int, *, days_differ: bool, equal: int = EQUAL, processes: int = 1) -> Bank:
    """Return the bank that a folder keeps, one file a night; make those that are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number}.pickle" for number in range(nights)]
    missing = [number for number, file in enumerate(files) if not file.is_file()]
    for _ in mapped(partial(_keep_night, folder, days_differ=days_differ, equal=equal), missing, processes):
        pass
    return Bank([pickle.loads(file.read_bytes()) for file in files], equal)


def _keep_night(folder: Path, number: int, *, days_differ: bool, equal: int) -> None:
    found = pickle.dumps(_night(number, days_differ=days_differ, equal=equal))
    with writing(folder / f"{number}.pickle") as new:
        new.write_bytes(found)


def _night(number: int, *, days_differ: bool, equal: int) -> Pairs:
    """Compare every pair of models on one night."""
    log = NightLog.draw(number)
    rng = np.random.default_rng([74, number])
    with TemporaryDirectory(prefix="dwell-gate-bank-") as folder:
        tables = []
        for model, noise in enumerate([*[NOISE] * equal, *GAINS.values()]):
            seed = (number, model)
            believed = math.sqrt(_gamma(rng, noise**2)) if days_differ else noise
            tables.append(log.write_model(Path(folder) / f"{model}.parquet", believed, seed))
        return {(i, j): compare([tables[i]], [tables[j]], EVALUATION) for i, j in _pairs(equal, len(tables))}


def _pairs(equal: int, models: int) -> Iterator[Pair]:
    yield from combinations(range(equal), 2)
    yield from ((better, other) for better in range(equal, models) for other in range(equal))


def _gamma(rng: np.random.Generator, mean: float) -> float:
    return rng.gamma((mean / DAY_SD) ** 2, DAY_SD**2 / mean)


def reversed_comparison(found: Comparison) -> Comparison:
    """Return the comparison with its sides exchanged, in all that a gate checks."""
    return replace(
        found,
        metrics={name: _reversed(paired) for name, paired in found.metrics.items()},
        candidate_levels=found.reference_levels,
        reference_levels=found.candidate_levels,
    )


def _reversed(paired: PairedMetric) -> PairedMetric:
    value, error = -paired.value, paired.standard_error
    if paired.name == "rmse_ratio":
        value, error = 1 / (1 + paired.value) - 1, error / (1 + paired.value) ** 2
    return replace(paired, value=value, standard_error=error, candidate=paired.reference, reference=paired.candidate)


def changed(found: Comparison, gain: float, scale: float = 1.0) -> Comparison:
    """Return the comparison if the candidate were better by so much XAUC, on a log whose errors are `scale` times as large."""
    by = dict(zip(TESTED, (gain, gain * XGAUC_PER_XAUC), strict=True))
    moved = {
        name: replace(
            found.metrics[name],
            value=found.metrics[name].value * scale + by[name],
            standard_error=found.metrics[name].standard_error * scale,
        )
        for name in TESTED
    }
    return replace(found, metrics={**found.metrics, **moved})


def pooled(nights: Sequence[Comparison]) -> Comparison:
    """Return what a comparison of several nights' rows would say: means, with the errors of independent nights.

    Levels are those of the last night, as the gate takes them.
    """
    metrics = {}
    for name, last in nights[-1].metrics.items():
        found = [night.metrics[name] for night in nights]
        error = math.sqrt(sum(metric.standard_error**2 for metric in found)) / len(found)
        metrics[name] = replace(last, value=float(np.mean([m.value for m in found])), standard_error=error)
    return replace(nights[-1], metrics=metrics)
