"""A real log as a world whose outcomes are all known, and exposures drawn over it with known probabilities.

The logged impressions of KuaiRand-Pure are taken for the whole population D: their watch times are real and all are
known. A second, artificial selection then hides most of them, by a rule that is known exactly:

    z_O = c + pop * z(log popularity) + dur * z(log duration) + taste * T + position * z(slot) + U_O,     o = 1{z_O > 0}
    U_O = rho * R + sqrt(1 - rho^2) * noise

T is the standardised sum of what user and video are worth: their shrunken effects on log(1 + watch), a function of ids that
a model can learn. R is the normal score, among rows of like popularity and duration, of what both leave unexplained. So at
rho = 0 the outcome itself plays no part (MAR given x), and otherwise something hidden moves exposure and outcome alike. The
slot is artificial: it moves exposure and nothing else, which an exclusion restriction asks for; at position 0 there is none.
Given what the index reads the probability of exposure is Phi(index), whatever rho.

Shapes: B rows of the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm, rankdata

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LOG = "data/log_standard_4_25_to_5_04_pure.csv"
SLOTS = 10
EXPOSED = 0.3
"""Share of the rows that is exposed."""
SHRINKAGE = 5.0
"""Pseudo-rows at 0 of every user and video effect."""
_BUCKETS = 20


@dataclass(frozen=True)
class Regime:
    """How exposure depends on what.

    Attributes:
        name: as the tables call it.
        popularity: effect of one standard deviation of log popularity on the index.
        duration: of log duration.
        taste: of what user and video are worth.
        position: of the slot.
        rho: correlation of the noise of exposure with that of the outcome.
    """

    name: str
    popularity: float = 0.5
    duration: float = 0.5
    taste: float = 0.0
    position: float = 0.7
    rho: float = 0.0


@dataclass(frozen=True, eq=False)
class World:
    """Every row of D with its outcome.

    Attributes:
        fields: categorical inputs, name -> codes [B]; 0 is "unknown".
        watch_s: [B] seconds, at most the duration.
        duration_s: [B] seconds.
        user: [B] user ids.
        log_popularity: [B] standardised.
        log_duration: [B] standardised.
        taste: [B] what user and video are worth, standardised.
        residual: [B] normal scores of what both leave unexplained, given popularity and duration.
        day: [B] 0 for the first day.
    """

    fields: dict[str, Ints]
    watch_s: Floats
    duration_s: Floats
    user: Ints
    log_popularity: Floats
    log_duration: Floats
    taste: Floats
    residual: Floats
    day: Ints

    def __len__(self) -> int:
        return len(self.watch_s)

    @property
    def part(self) -> dict[str, Bools]:
        """Fit days, validation day (the last but one) and test day (the last)."""
        last = int(self.day.max())
        return {"fit": self.day < last - 1, "validation": self.day == last - 1, "test": self.day == last}


@dataclass(frozen=True, eq=False)
class Exposure:
    """Who was exposed.

    Attributes:
        world: with the slots as one more field.
        observed: [B].
        propensity: [B] P(o = 1 | x), exact.
        slot: [B] standardised.
    """

    world: World
    observed: Bools
    propensity: Floats
    slot: Floats


def read_world(folder: Path, rows: int | None = None) -> World:
    """Read KuaiRand-Pure: exact duplicates and videos without a duration dropped, watch time cut at the duration.

    Popularity is how often a video stands in the fit days; vocabularies are those of the fit days.

    Args:
        folder: KuaiRand-Pure.
        rows: keep about so many, every day in proportion; None keeps all.
    """
    columns = ["user_id", "video_id", "date", "tab", "play_time_ms", "duration_ms", "time_ms"]
    log = pl.read_csv(folder / LOG).unique(maintain_order=True).select(columns).filter(pl.col("duration_ms") > 0)
    if rows is not None:
        log = log.gather_every(max(1, log.height // rows))
    day = rankdata(log["date"].to_numpy(), method="dense").astype(np.int64) - 1
    fit = day < day.max() - 1
    duration_s = log["duration_ms"].to_numpy() / 1000
    watch_s = np.minimum(log["play_time_ms"].to_numpy() / 1000, duration_s)
    user, video = log["user_id"].to_numpy(), log["video_id"].to_numpy()
    videos, shown = np.unique(video[fit], return_counts=True)
    place = np.minimum(np.searchsorted(videos, video), len(videos) - 1)
    popularity = np.where(videos[place] == video, shown[place], 0)
    fields = {
        "user_id": _codes(user, fit),
        "video_id": _codes(video, fit),
        "popularity_bucket": _buckets(popularity, fit),
        "duration_bucket": _buckets(duration_s, fit),
        "tab": _codes(log["tab"].to_numpy(), fit),
    }
    taste, left = _effects(np.log1p(watch_s), fields)
    return World(
        fields=fields,
        watch_s=watch_s,
        duration_s=duration_s,
        user=user,
        log_popularity=_standardised(np.log1p(popularity)),
        log_duration=_standardised(np.log(duration_s)),
        taste=_standardised(taste),
        residual=_normal_scores(left, fields),
        day=day,
    )


def expose(world: World, regime: Regime, seed: int) -> Exposure:
    """Draw slots and exposures."""
    draw = np.random.default_rng([seed, 1])
    slot = draw.integers(SLOTS, size=len(world))
    effect = _standardised(-slot.astype(np.float64))
    pull = (
        regime.popularity * world.log_popularity
        + regime.duration * world.log_duration
        + regime.taste * world.taste
        + regime.position * effect
    )
    intercept = float(brentq(lambda c: ndtr(c + pull).mean() - EXPOSED, -20, 20))
    noise = regime.rho * world.residual + np.sqrt(1 - regime.rho**2) * draw.standard_normal(len(world))
    index = intercept + pull
    fields = world.fields | {"slot": slot + 1}
    return Exposure(replace(world, fields=fields), index + noise > 0, ndtr(index), effect)


def _codes(value: Ints, fit: Bools) -> Ints:
    """Return codes from 1 of the values seen on fit days, 0 for all others."""
    known = np.unique(value[fit])
    place = np.minimum(np.searchsorted(known, value), len(known) - 1)
    return np.where(known[place] == value, place + 1, 0)


def _buckets(value: Floats, fit: Bools) -> Ints:
    """Return equal-count buckets of the fit days, from 1."""
    edges = np.unique(np.quantile(value[fit], np.arange(1, _BUCKETS) / _BUCKETS))
    return np.searchsorted(edges, value, side="right").astype(np.int64) + 1


def _standardised(value: Floats) -> Floats:
    scaled: Floats = (value - value.mean()) / value.std()
    return scaled


def _effects(outcome: Floats, fields: Mapping[str, Ints]) -> tuple[Floats, Floats]:
    """Return the sum of the shrunken effects of video and user, and what they leave of the outcome."""
    left = outcome - outcome.mean()
    for code in (fields["video_id"], fields["user_id"]):
        effect = np.bincount(code, left) / (np.bincount(code) + SHRINKAGE)
        left = left - effect[code]
    return outcome - outcome.mean() - left, left


def _normal_scores(value: Floats, fields: Mapping[str, Ints]) -> Floats:
    """Return normal scores within cells of popularity and duration, so that they tell nothing about either."""
    cell = fields["popularity_bucket"] * (_BUCKETS + 1) + fields["duration_bucket"]
    order = np.lexsort((value, cell))
    _, begins, counts = np.unique(cell[order], return_index=True, return_counts=True)
    rank = np.empty(len(value))
    rank[order] = np.arange(len(value)) - np.repeat(begins, counts) + 0.5
    scores: Floats = norm.ppf(rank / np.bincount(cell)[cell])
    return scores
