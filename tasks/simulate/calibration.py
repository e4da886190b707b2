"""Intercepts that give the stated rates, found once per configuration on a pilot sample of the first day."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from tasks.simulate import counters, model
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.users import Users
from tasks.simulate.videos import Videos
from tasks.simulate.world import alive_users, alive_videos

SLOPES: Mapping[str, float] = {
    "like": 0.9,
    "follow": 1.0,
    "comment": 0.8,
    "forward": 0.8,
    "hate": -1.0,
    "profile_enter": 0.7,
}
"""b_flag: change of the log-probability of each feedback per unit of latent preference"""
CAP = 0.9
_PILOT = 60_000
_PILOT_BLOCK = 99


@dataclass(frozen=True)
class Intercepts:
    """What the configuration leaves open.

    Attributes:
        exposure: c, intercept of g_o.
        watch: how preference becomes seconds.
        feedback: a_flag by flag.
    """

    exposure: float
    watch: model.WatchModel
    feedback: Mapping[str, float]


@lru_cache(maxsize=16)
def calibrate(config: SimulatorConfig) -> Intercepts:
    """Find the intercepts of one configuration."""
    rng = counters.generator(config.seed, 0, _PILOT_BLOCK)
    users, videos = Users(config, alive_users(config, 0)), Videos(config, alive_videos(config, 0))
    # Active users come more often, so the pilot's users do too; candidates are offered evenly.
    weights = users.activity.astype(np.float64)
    user = rng.choice(len(users.ids), _PILOT, p=weights / weights.sum())
    video = rng.integers(len(videos.ids), size=_PILOT)
    scene = model.SCENE_OF_RANK[rng.choice(model.SCENES, _PILOT, p=model.SCENE_SHARE)]
    position = rng.integers(config.list_length, size=_PILOT)
    is_bored = model.bored(config, 0, users.ids[user], videos.topic[video])
    taste = model.affinity(config, users, videos, user, video)

    # Exposure is a probit: P(o = 1) = Phi(c + pull). The mean rate rises with c, so one root fits it.
    pull = model.exposure_of_videos(config, 0, videos)[video] + model.exposure_of_positions(config)[position]
    pull = (pull + np.float32(config.strengths.exposed_taste) * taste).astype(np.float64)
    exposure = float(brentq(lambda c: ndtr(c + pull).mean() - config.exposure_rate, -20, 20))

    # The two noises correlate by rho: what exposes beyond its index also pleases (or not) beyond its index.
    exposing, preferring = rng.standard_normal(_PILOT), rng.standard_normal(_PILOT)
    noise = config.rho * exposing + np.sqrt(1 - config.rho**2) * preferring
    mean = config.strengths.taste * taste + videos.effect[video] + users.effect[user]
    mean = mean + model.scene_shift(config)[scene] - config.strengths.boredom * is_bored
    mean = mean + model.relation(config, users, videos, user, video)
    shown = exposure + pull + exposing > 0
    preference = (mean + noise)[shown]
    # Who skips on sight plays nothing whatever the preference: rates are of those who stay, weighted by how likely.
    stay = 1 - model.skip_probability(config, users.impatience[user], is_bored)[shown].astype(np.float64)

    order = np.argsort(preference)
    # The least liked plays are those of zero seconds: walk up from the lowest preference until their mass is the rate.
    zero_mass = np.cumsum(stay[order]) / len(stay)
    cut = min(int(np.searchsorted(zero_mass, config.rates.zero_watch)), len(order) - 1)
    # A played time of exp(location + spread * preference) has its log mean at the configured scale, over who stays.
    watch = model.WatchModel(
        zero=float(np.float32(preference[order][cut])),
        location=float(np.log(config.watch_scale_seconds) - config.watch_spread * np.average(preference, weights=stay)),
        elasticity=config.duration_elasticity,
        spread=config.watch_spread,
    )
    feedback = {
        name: _intercept(slope, getattr(config.rates, name), preference, stay) for name, slope in SLOPES.items()
    }
    return Intercepts(exposure, watch, feedback)


def _intercept(slope: float, rate: float, preference: model.Doubles, stay: model.Doubles) -> float:
    weight = stay if slope > 0 else np.ones_like(stay)

    def excess(intercept: float) -> float:
        return float((weight * np.minimum(CAP, np.exp(intercept + slope * preference))).mean() - rate)

    return float(brentq(excess, -40, 40))
