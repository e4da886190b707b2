"""The impressions of one hour: requests, candidates, what is shown, how long it plays and what is tapped.

Shape legend: Q requests, L slots of a list, R rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tasks.core.contract import FLAGS
from tasks.core.days import HOUR_MS
from tasks.simulate import model
from tasks.simulate.calibration import CAP, SLOPES, calibrate
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.counters import Floats, Ids
from tasks.simulate.users import Users
from tasks.simulate.videos import Videos
from tasks.simulate.world import alive_users, alive_videos, midnight_ms

HOUR_SHARE = np.array(
    [
        2.6,
        1.6,
        1.0,
        0.7,
        0.6,
        0.8,
        1.6,
        2.8,
        3.6,
        4.0,
        4.2,
        4.8,
        6.0,
        5.6,
        4.6,
        4.4,
        4.6,
        5.2,
        6.4,
        7.4,
        8.2,
        8.2,
        6.6,
        4.5,
    ]
)
HOUR_SHARE = HOUR_SHARE / HOUR_SHARE.sum()
_SLOT_MS = 12_000
_CHUNK = 1 << 16
Columns = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Today:
    """All that a day's events draw on."""

    config: SimulatorConfig
    index: int

    @cached_property
    def users(self) -> Users:
        return Users(self.config, alive_users(self.config, self.index))

    @cached_property
    def videos(self) -> Videos:
        return Videos(self.config, alive_videos(self.config, self.index))

    @cached_property
    def activity(self) -> NDArray[np.float64]:
        """Cumulative share of the requests by user."""
        total = np.cumsum(self.users.activity, dtype=np.float64)
        share: NDArray[np.float64] = total / total[-1]
        return share

    @cached_property
    def pull(self) -> Floats:
        """c and the video's own part of g_o."""
        own = model.exposure_of_videos(self.config, self.index, self.videos)
        return own + np.float32(calibrate(self.config).exposure)


@dataclass(frozen=True)
class Shown:
    """Impressions before anything is watched: rows of the day's users and videos, time, place and latent noise."""

    user: Ids
    video: Ids
    time_ms: Ids
    scene: NDArray[np.int16]
    position: NDArray[np.int16]
    affinity: Floats
    exposure_noise: Floats
    probability: Floats
    random: NDArray[np.bool_]


@dataclass(frozen=True)
class _Lists:
    """Requests of one hour and their candidates; those whose exposure score and noise are above 0 together are shown."""

    user_Q: Ids
    time_Q: Ids
    scene_Q: NDArray[np.int16]
    video_QL: NDArray[np.int32]
    affinity_QL: Floats
    score_QL: Floats
    noise_QL: Floats

    @property
    def shown(self) -> NDArray[np.bool_]:
        shown_QL: NDArray[np.bool_] = self.score_QL + self.noise_QL > 0
        return shown_QL

    @property
    def step_ms(self) -> int:
        """Time between two slots."""
        return min(_SLOT_MS, HOUR_MS // (2 * int(self.video_QL.shape[1])))


def hour_rows(day: Today, hour: int, rows: float, rng: np.random.Generator) -> Columns:
    """Return the impressions of one hour as columns, unsorted.

    Args:
        day: the day they happen on.
        hour: hour of the day, 0-23.
        rows: expected number of impressions.
        rng: the only source of chance.
    """
    lists, randoms = _requests(day, hour, rows, rng)
    parts = [_listed(some, rng) for some in lists]
    parts.append(_random(day, hour, randoms, rng))
    outcomes = [_outcome(day, part, rng) for part in parts]
    return {name: np.concatenate([part[name] for part in outcomes]) for name in outcomes[0]}


def hour_candidates(day: Today, hour: int, rows: float, rng: np.random.Generator) -> Columns:
    """Return the candidates of one hour that were not shown as columns, unsorted; arguments as for `hour_rows`."""
    lists, _ = _requests(day, hour, rows, rng)
    refused = []
    for some in lists:
        refused.append(_refused(day, some))
        _listed(some, rng)  # draws what `hour_rows` draws between two chunks of lists
    return {name: np.concatenate([part[name] for part in refused]) for name in refused[0]} if refused else {}


def _requests(day: Today, hour: int, rows: float, rng: np.random.Generator) -> tuple[Iterator[_Lists], int]:
    """Return the lists of one hour, a chunk at a time, and how many impressions of it are random."""
    config = day.config
    randoms = rng.poisson(rows * config.random_share)
    lists = rng.poisson(rows * (1 - config.random_share) / (config.list_length * config.exposure_rate))
    return (_lists(day, hour, min(_CHUNK, lists - done), rng) for done in range(0, lists, _CHUNK)), randoms


def random_rows(day: Today, hour: int, count: int, rng: np.random.Generator) -> Columns:
    """Return `count` impressions of one hour, exposed uniformly at random, as columns, unsorted."""
    return _outcome(day, _random(day, hour, count, rng), rng)


def _request(day: Today, hour: int, count: int, rng: np.random.Generator) -> tuple[Ids, Ids, NDArray[np.int16]]:
    """Return the users, start times and scenes of some requests that end within the hour."""
    user = np.searchsorted(day.activity, np.sort(rng.random(count))).astype(np.int64)
    room = HOUR_MS - (day.config.list_length + 1) * min(_SLOT_MS, HOUR_MS // (2 * day.config.list_length))
    start = midnight_ms(day.config, day.index) + hour * HOUR_MS
    time_ms = start + rng.integers(max(room, 1), size=count)
    rank = np.searchsorted(np.cumsum(model.SCENE_SHARE)[:-1], rng.random(count))
    return user, time_ms, model.SCENE_OF_RANK[rank]


def _lists(day: Today, hour: int, count: int, rng: np.random.Generator) -> _Lists:
    config, length = day.config, day.config.list_length
    user_Q, time_Q, scene_Q = _request(day, hour, count, rng)
    video_QL = rng.integers(len(day.videos.ids), size=(count, length), dtype=np.int32)
    # einsum, not matmul: a BLAS may round differently with the number of its threads.
    taste_QK = np.take(day.users.factors, user_Q, axis=0) / np.float32(np.sqrt(config.factors))
    affinity_QL = np.einsum("qlk,qk->ql", np.take(day.videos.factors, video_QL, axis=0), taste_QK)
    score_QL = day.pull[video_QL] + model.exposure_of_positions(config)
    score_QL += np.float32(config.strengths.exposed_taste) * affinity_QL
    noise_QL = rng.standard_normal((count, length), dtype=np.float32)
    return _Lists(user_Q, time_Q, scene_Q, video_QL, affinity_QL, score_QL, noise_QL)


def _listed(lists: _Lists, rng: np.random.Generator) -> Shown:
    """Return what is shown of some lists."""
    request, slot = np.nonzero(lists.shown)
    step = lists.step_ms
    return Shown(
        user=lists.user_Q[request],
        video=lists.video_QL[request, slot].astype(np.int64),
        time_ms=lists.time_Q[request] + slot * step + rng.integers(step, size=len(slot)),
        scene=lists.scene_Q[request],
        position=slot.astype(np.int16),
        affinity=lists.affinity_QL[request, slot],
        exposure_noise=lists.noise_QL[request, slot],
        probability=ndtr(lists.score_QL[request, slot]),
        random=np.zeros(len(slot), dtype=np.bool_),
    )


def _refused(day: Today, lists: _Lists) -> Columns:
    """Return what is not shown of some lists: who could have seen what, when and where."""
    request, slot = np.nonzero(~lists.shown)
    video = lists.video_QL[request, slot]
    return {
        "user_id": day.users.ids[lists.user_Q[request]],
        "video_id": day.videos.ids[video],
        "event_time_ms": lists.time_Q[request] + slot * lists.step_ms,
        "duration_ms": day.videos.duration_ms[video],
        "scene": lists.scene_Q[request],
        "position": slot.astype(np.int16),
    }


def _random(day: Today, hour: int, count: int, rng: np.random.Generator) -> Shown:
    """Return `count` impressions of videos drawn uniformly, shown whatever their score."""
    user, time_ms, scene = _request(day, hour, count, rng)
    video = rng.integers(len(day.videos.ids), size=count)
    return Shown(
        user=user,
        video=video,
        time_ms=time_ms,
        scene=scene,
        position=rng.integers(day.config.list_length, size=count).astype(np.int16),
        affinity=model.affinity(day.config, day.users, day.videos, user, video),
        exposure_noise=rng.standard_normal(count, dtype=np.float32),
        probability=np.ones(count, dtype=np.float32),
        random=np.ones(count, dtype=np.bool_),
    )


def _outcome(day: Today, shown: Shown, rng: np.random.Generator) -> Columns:
    """Let the users watch and react."""
    config, count = day.config, len(shown.user)
    strengths, rho = config.strengths, np.float32(config.rho)
    is_bored = model.bored(config, day.index, day.users.ids[shown.user], day.videos.topic[shown.video])
    mean = np.float32(strengths.taste) * shown.affinity + day.videos.effect[shown.video] + day.users.effect[shown.user]
    mean += model.scene_shift(config)[shown.scene] - np.float32(strengths.boredom) * is_bored
    mean += model.relation(config, day.users, day.videos, shown.user, shown.video)
    noise = rho * shown.exposure_noise + np.sqrt(1 - rho * rho) * rng.standard_normal(count, dtype=np.float32)
    preference = mean + noise
    skip = model.skip_probability(config, day.users.impatience[shown.user], is_bored)
    chance = rng.random(count, dtype=np.float32)
    skipped = chance < skip

    duration_ms = day.videos.duration_ms[shown.video]
    played = calibrate(config).watch.play(preference, duration_ms.astype(np.float32) / np.float32(1000))
    played[skipped] = np.float32(model.SKIP_SECONDS) * (chance[skipped] / skip[skipped])
    watch_ms = (played.astype(np.float64) * 1000).astype(np.int64)
    complete = ~skipped & (played == duration_ms.astype(np.float32) / np.float32(1000))
    watch_ms[complete] = duration_ms[complete]
    return {
        "user_id": day.users.ids[shown.user],
        "video_id": day.videos.ids[shown.video],
        "event_time_ms": shown.time_ms,
        "duration_ms": duration_ms,
        "watch_ms": watch_ms,
        "scene": shown.scene,
        "random": shown.random,
        "position": shown.position,
        "probability": shown.probability,
        **_feedback(config, preference, skipped, rng),
        **_valid_and_long(watch_ms, duration_ms, rng),
        "preference": mean,
        "exposure_noise": shown.exposure_noise,
        "preference_noise": noise,
        "skip": skip,
        "true_duration_ms": duration_ms,
    }


def _feedback(
    config: SimulatorConfig, preference: Floats, skipped: NDArray[np.bool_], rng: np.random.Generator
) -> Columns:
    intercepts = calibrate(config).feedback
    flags: Columns = {}
    for name in FLAGS:
        if name not in SLOPES:
            continue
        probability = np.exp(np.float32(intercepts[name]) + np.float32(SLOPES[name]) * preference)
        tapped = rng.random(len(preference), dtype=np.float32) < np.minimum(probability, np.float32(CAP))
        flags[name] = (tapped & ~skipped if SLOPES[name] > 0 else tapped).astype(np.int8)
    return flags


def _valid_and_long(watch_ms: Ids, duration_ms: Ids, rng: np.random.Generator) -> Columns:
    """Return click (a valid play) and long_view by their published rules, with a few recorded wrongly."""
    wrong = rng.random((2, len(watch_ms)), dtype=np.float32) < np.array([[0.01], [0.002]], dtype=np.float32)
    finished = watch_ms >= duration_ms
    click = np.where(duration_ms <= 7_000, finished, watch_ms > 7_000)
    long_view = np.where(duration_ms <= 18_000, finished, watch_ms >= 18_000)
    return {"click": (click ^ wrong[0]).astype(np.int8), "long_view": (long_view ^ wrong[1]).astype(np.int8)}
