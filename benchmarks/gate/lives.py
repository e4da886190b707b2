"""Worlds of many nights: nights drawn from a bank, models dealt out anew each night, effects of days added.

Shapes: W worlds, N nights, K challengers, T tested metrics; slot 0 of the dealt models is the champion.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.gate.bank import EQUAL, Bank, bank_of
from benchmarks.gate.paths import Increments
from benchmarks.gate.world import FloatArray
from tasks.evaluate.comparison import Comparison
from tasks.evaluate.metrics.inputs import IntArray

Days = Literal["none", "independent", "ar3", "ar6"]
"""What a model's day does to it beside the fit: nothing; an effect as large as a night's standard error, by the bank's own
tables; the same with an autocorrelation of .3 or .6, added to the banked differences."""
DAYS: dict[Days, str] = {
    "none": "no day effect",
    "independent": "day effect of one s.e.",
    "ar3": "AR(.3) days",
    "ar6": "AR(.6) days",
}
BANKED: tuple[Days, ...] = ("none", "independent")
"""Those whose nights are all from real tables."""
AUTOCORRELATION: dict[Days, float] = {"ar3": 0.3, "ar6": 0.6}
YEAR = 365


@dataclass(frozen=True)
class Banks:
    """Where the banks lie, and how large they are.

    Attributes:
        folder: of their files.
        nights: in each.
        equal: equal models of a night.
    """

    folder: Path
    nights: int
    equal: int = EQUAL

    def make(self, days: Days, processes: int = 1) -> Bank:
        """Return the bank for one kind of days; make what its folder lacks."""
        kind = "days" if days == "independent" else "plain"
        return bank_of(
            self.folder / f"{kind}-{self.equal}",
            self.nights,
            days_differ=days == "independent",
            equal=self.equal,
            processes=processes,
        )

    def of(self, days: Days) -> Bank:
        """Return the same, read once by every process."""
        return _read(self, "independent" if days == "independent" else "none")


@lru_cache
def _read(banks: Banks, days: Days) -> Bank:
    return banks.make(days)


@dataclass(frozen=True, eq=False)
class Lives:
    """Some worlds.

    Attributes:
        bank: the nights come from.
        night_WN: bank night of every night.
        model_WNS: [W, N, 1 + K] the models that play champion and challengers on it.
        increments: what it says of every challenger.
    """

    bank: Bank
    night_WN: IntArray
    model_WNS: IntArray
    increments: Increments

    def comparison(self, world: int, night: int, challenger: int) -> Comparison:
        """Return the banked comparison behind one increment."""
        models = self.model_WNS[world, night]
        return self.bank.comparison(self.night_WN[world, night], models[1 + challenger], models[0])


def draw(
    banks: Banks,
    days: Days,
    worlds: int,
    challengers: int,
    rng: np.random.Generator,
    gain: float | None = None,
    nights: int = YEAR,
) -> Lives:
    """Draw worlds.

    Args:
        banks: nights to draw from.
        days: what a day does.
        worlds: W.
        challengers: K.
        rng: what draws.
        gain: XAUC by which the first challenger is truly better; None: all are equal.
        nights: N.
    """
    bank = banks.of(days)
    night_WN = rng.integers(0, len(bank.nights), (worlds, nights))
    model_WNS = rng.random((worlds, nights, bank.equal)).argsort(axis=-1)[..., : 1 + challengers]
    if gain is not None:
        model_WNS[..., 1] = bank.better(gain)
    at = night_WN[..., None], model_WNS[..., 1:], model_WNS[..., :1]
    delta, error = (np.moveaxis(table[at], 1, -1) for table in (bank.deltas, bank.errors))
    if days in AUTOCORRELATION:
        delta = delta + _lasting(AUTOCORRELATION[days], bank.typical_errors, (worlds, challengers, nights), rng)
    return Lives(bank, night_WN, model_WNS, Increments(delta, error))


def _lasting(rho: float, size_T: FloatArray, shape: tuple[int, int, int], rng: np.random.Generator) -> FloatArray:
    """Return [W, K, T, N] autoregressive effects of days on differences, with the standard deviation of a night's s.e."""
    worlds, challengers, nights = shape
    shock = rng.normal(0, np.sqrt(1 - rho**2), (worlds, 1 + challengers, nights))
    effect = np.empty_like(shock)
    effect[..., 0] = shock[..., 0] / np.sqrt(1 - rho**2)
    for night in range(1, nights):
        effect[..., night] = rho * effect[..., night - 1] + shock[..., night]
    difference = (effect[:, 1:] - effect[:, :1]) / np.sqrt(2)
    lasting: FloatArray = difference[:, :, None, :] * size_T[:, None]
    return lasting
