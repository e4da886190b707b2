"""The truth about any pair, whether it was shown or not: preference, exposure probability, expected watch time."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from tasks.simulate import model
from tasks.simulate.calibration import calibrate
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.counters import Ids
from tasks.simulate.model import Doubles
from tasks.simulate.users import Users
from tasks.simulate.videos import Videos
from tasks.simulate.world import day_index


@dataclass(frozen=True)
class _Pairs:
    """Pairs as rows into the attributes of the users and videos they name."""

    config: SimulatorConfig
    index: int
    users: Users
    videos: Videos
    user: Ids
    video: Ids

    @classmethod
    def of(cls, config: SimulatorConfig, day: dt.date, user_ids: ArrayLike, video_ids: ArrayLike) -> "_Pairs":
        wanted_users, wanted_videos = np.broadcast_arrays(
            np.asarray(user_ids, np.int64), np.asarray(video_ids, np.int64)
        )
        users, user = np.unique(wanted_users.ravel(), return_inverse=True)
        videos, video = np.unique(wanted_videos.ravel(), return_inverse=True)
        return cls(config, day_index(config, day), Users(config, users), Videos(config, videos), user, video)

    @property
    def is_bored(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        topic = self.videos.topic[self.video]
        return model.bored(self.config, self.index, self.users.ids[self.user], topic)

    @property
    def affinity(self) -> Doubles:
        return model.affinity(self.config, self.users, self.videos, self.user, self.video).astype(np.float64)

    def preference(self, scene_shift: float) -> Doubles:
        strengths = self.config.strengths
        own = self.videos.effect[self.video] + self.users.effect[self.user]
        own = own + model.relation(self.config, self.users, self.videos, self.user, self.video)
        result: Doubles = strengths.taste * self.affinity + own + scene_shift - strengths.boredom * self.is_bored
        return result


def preference(
    config: SimulatorConfig, day: dt.date, user_ids: ArrayLike, video_ids: ArrayLike, scene: int | None = None
) -> Doubles:
    """Return g_r, the mean latent preference of each pair on a day.

    Args:
        config: the simulated world.
        day: boredom depends on it.
        user_ids: int [n], or any shape that broadcasts with `video_ids`; the result is flat.
        video_ids: int [n].
        scene: page of the product; None averages over the scenes.

    Raises:
        ConfigError: if the day lies before the first day.
    """
    shifts = model.scene_shift(config)
    shift = float(shifts[model.SCENE_OF_RANK] @ model.SCENE_SHARE) if scene is None else float(shifts[scene])
    return _Pairs.of(config, day, user_ids, video_ids).preference(shift)


def exposure_probability(
    config: SimulatorConfig, day: dt.date, user_ids: ArrayLike, video_ids: ArrayLike, position: ArrayLike | None = None
) -> Doubles:
    """Return Phi(g_o), the probability that a candidate is shown by the standard policy.

    Args:
        config: the simulated world.
        day: freshness depends on it.
        user_ids: int [n], or any shape that broadcasts with `video_ids`; the result is flat.
        video_ids: int [n].
        position: slot, from 0, scalar or [n]; None averages over the slots.

    Raises:
        ConfigError: if the day lies before the first day.
    """
    pairs = _Pairs.of(config, day, user_ids, video_ids)
    pull = calibrate(config).exposure + config.strengths.exposed_taste * pairs.affinity
    pull = pull + model.exposure_of_videos(config, pairs.index, pairs.videos)[pairs.video]
    slots = model.exposure_of_positions(config)
    if position is not None:
        chosen: Doubles = ndtr(pull + slots[np.asarray(position)])
        return chosen
    average: Doubles = np.mean([ndtr(pull + slot) for slot in slots], axis=0)
    return average


def expected_watch(
    config: SimulatorConfig, day: dt.date, user_ids: ArrayLike, video_ids: ArrayLike, scene: int | None = None
) -> Doubles:
    """Return E[min(play, duration)] in seconds of each pair, were it shown whatever its exposure noise.

    Args:
        config: the simulated world.
        day: boredom depends on it.
        user_ids: int [n], or any shape that broadcasts with `video_ids`; the result is flat.
        video_ids: int [n].
        scene: page of the product; None averages over the scenes.

    Raises:
        ConfigError: if the day lies before the first day.
    """
    pairs = _Pairs.of(config, day, user_ids, video_ids)
    watch = calibrate(config).watch
    duration = pairs.videos.duration_ms[pairs.video] / 1000.0
    skip = model.skip_probability(config, pairs.users.impatience[pairs.user], pairs.is_bored).astype(np.float64)
    base = pairs.preference(0.0)
    shifts = model.scene_shift(config)
    if scene is not None:
        return watch.expected(base + float(shifts[scene]), duration, skip)
    by_shift = {float(s): float(model.SCENE_SHARE[shifts[model.SCENE_OF_RANK] == s].sum()) for s in np.unique(shifts)}
    total: Doubles = sum(
        (share * watch.expected(base + s, duration, skip) for s, share in by_shift.items()), np.zeros(1)
    )
    return total
