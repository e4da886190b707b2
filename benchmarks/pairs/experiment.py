"""Fits over seeds, each kept on disk until the experiment is over, and settings chosen on validation ratings.

Shape legend: U users, I items.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.pairs.config import PairMethod
from benchmarks.pairs.data import FloatArray, PairData
from benchmarks.pairs.fit import FittedPairs, fit_pairs
from benchmarks.pairs.propensity import PropensityName, fit_propensity
from benchmarks.pairs.splits import hold_out
from tasks.core.files import hash_value, read_json, write_json, writing

SEEDS_TO_CHOOSE = 2


@dataclass(frozen=True, eq=False)
class Chosen:
    """A method with its decay chosen, and its fits.

    Attributes:
        method: as it was fitted.
        fits: one per seed.
        criteria: decay -> mean validation criterion of the seeds that chose it.
    """

    method: PairMethod
    fits: Sequence[FittedPairs]
    criteria: dict[float, float]


class Experiment:
    """Fits pair methods.

    Args:
        data: the catalogue; test ratings select nothing here, nothing reads them.
        seeds: one fit each; a seed also draws the validation ratings.
        scratch: folder of finished fits; those found there are not fitted again. It knows a method by its configuration,
            not by its code: start with an empty one after a change of code.
        share: of each user's training ratings that validates.
    """

    def __init__(self, data: PairData, seeds: Sequence[int], scratch: Path, share: float = 0.1) -> None:
        self.data, self.seeds, self.share = data, tuple(seeds), share
        self._scratch = scratch
        self._propensities: dict[PropensityName, FloatArray] = {}

    def chosen(self, method: PairMethod, decays: Sequence[float]) -> Chosen:
        """Walk from the method's own decay along the grid while the validation criterion falls, then fit every seed.

        The first two seeds choose, each on its own validation ratings.

        Args:
            method: what to fit.
            decays: increasing grid; empty keeps the method's decay.
        """
        criteria: dict[float, float] = {}

        def criterion(decay: float) -> float:
            if decay not in criteria:
                tried = _with_decay(method, decay)
                fits = [self.fit(tried, seed) for seed in self.seeds[:SEEDS_TO_CHOOSE]]
                criteria[decay] = float(np.mean([fit.criterion for fit in fits]))
            return criteria[decay]

        best = method.training.decay
        if decays:
            place = int(np.argmin([abs(np.log(decay / best)) for decay in decays]))
            best = decays[_descend(decays, place, criterion)]
        final = _with_decay(method, best)
        return Chosen(final, [self.fit(final, seed) for seed in self.seeds], criteria)

    def fit(self, method: PairMethod, seed: int) -> FittedPairs:
        """Return the fit of one seed; without validation ratings where the training loss stops it."""
        target = self._scratch / f"{hash_value([self._fingerprint, self.share, method.model_dump(), seed])}.npz"
        if target.exists():
            return _load(target)
        fit, held_out = (
            (self.data.train, None)
            if method.training.stop == "train_loss"
            else hold_out(self.data.train, self.share, seed)
        )
        fitted = fit_pairs(self.data, fit, held_out, self.propensity(method.propensity), method, seed)
        return _save(fitted, target)

    def propensity(self, name: PropensityName) -> FloatArray:
        """Return exposure probabilities, [U, I], fitted once."""
        if name not in self._propensities:
            self._propensities[name] = fit_propensity(self.data, name)
        return self._propensities[name]

    @cached_property
    def _fingerprint(self) -> str:
        train = self.data.train
        return hash_value([self.data.name, train.user_B.tolist(), train.item_B.tolist(), train.rating_B.tolist()])


def _descend(grid: Sequence[float], place: int, criterion: Callable[[float], float]) -> int:
    """Return the place where a walk from `place` ends: uphill is never taken; upwards is tried first."""
    lowest = criterion(grid[place])
    for step in (1, -1):
        moved = False
        while 0 <= place + step < len(grid) and (value := criterion(grid[place + step])) < lowest:
            place, lowest, moved = place + step, value, True
        if moved:
            break
    return place


def _with_decay(method: PairMethod, decay: float) -> PairMethod:
    return method.model_copy(update={"training": method.training.model_copy(update={"decay": decay})})


def _save(fitted: FittedPairs, target: Path) -> FittedPairs:
    score_UI, probability_UI = fitted.score_UI.astype(np.float32), fitted.probability_UI.astype(np.float32)
    write_json(
        target.with_suffix(".json"),
        {"criterion": fitted.criterion, "epochs": fitted.epochs, "diagnostics": fitted.diagnostics},
    )
    with writing(target) as temporary, temporary.open("wb") as stream:
        np.savez(stream, score=score_UI, probability=probability_UI)
    return fitted


def _load(target: Path) -> FittedPairs:
    with np.load(target) as arrays:
        score_UI, probability_UI = arrays["score"].astype(np.float64), arrays["probability"].astype(np.float64)
    about = read_json(target.with_suffix(".json"))
    return FittedPairs(score_UI, probability_UI, about["criterion"], about["epochs"], about["diagnostics"])
