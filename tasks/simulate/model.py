"""The generative model of the simulator, and its closed forms.

For user u, video v on day t, in slot p of a list and on scene s (all noise standard normal unless said otherwise):

    exposure     z_O = g_o + U_O,   shown  <=>  z_O > 0,   so   P(shown | candidate) = Phi(g_o)
                 g_o = c + e_taste <theta_u, phi_v>/sqrt(K) + e_pop pop_v + e_fresh exp(-age/3 days) - e_pos p/(L-1)
    preference   z_R = g_r + U_R,   corr(U_O, U_R) = rho
                 g_r = s_taste <theta_u, phi_v>/sqrt(K) + s_rel R(u, author) + quality_v + author + topic + s_con <w, phi_v>
                       + user_u + s_trait (openness_u + age_u)/sqrt(2) + scene_s - boredom 1[bored]
    skip         with probability pi = sigmoid(a + impatience_u + b 1[bored]) the user skips on sight, and
                 play ~ Uniform(0, 3 s)
    otherwise    z_R < c_0:  play = 0
                 else        T = exp(mu + beta log(d/30 s) + tau z_R)        (seconds intended; beta < 1: duration bias)
                             T <= d:         play = T
                             d < T <= 2d:    play = d                        (watched once, exactly to the end)
                             T > 2d:         play = min(T/2, 8d)             (replays)
    feedback     P(flag | z_R, not skipped) = min(.9, exp(a_flag + b_flag z_R)); hate has b < 0 and also follows skips
                 click = 1[play > 7 s, or = d if d <= 7 s], long_view = 1[play >= 18 s, or d], each recorded wrongly
                 with probability .01 and .002

Candidates of a list are uniform over the videos alive. A random-exposure row is one uniform candidate shown whatever
z_O. Position, popularity and freshness move exposure only. A user is bored of a share of the topics for some days, then
of others: a topic skipped yesterday is watched less today, which is what a model that reads skips can find.

Hence, with z_d = (log d - mu - beta log(d/30))/tau, z_1 = max(z_d, c_0) and Phi(x; g) = Phi(x - g),

    E[min(play, d) | x] = pi 1.5 s + (1 - pi) (exp(m + tau g_r + tau^2/2) [Phi(z_1 - g_r - tau) - Phi(c_0 - g_r - tau)]
                                             + d [1 - Phi(z_1 - g_r)]),      m = mu + beta log(d/30)

which is what a uniformly random exposure would show: U_R is not conditioned on having been shown. Times are seconds
here and milliseconds, rounded down, in the rows. Dirt (`disorder.py`) is added after all this.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

from tasks.simulate import counters
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.counters import Floats, Ids
from tasks.simulate.users import Users
from tasks.simulate.videos import Videos
from tasks.simulate.world import Stream

Doubles = NDArray[np.float64]

SKIP_SECONDS = 3.0
REPLAY_FROM, MOST_REPLAYS = 2.0, 8.0
FRESH_DAYS = 3.0

SCENES = 15
_SCENE_WEIGHTS = np.array([78.0, 9.0, 3.0, 2.5, 2.0, 1.5, 1.0, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.2, 0.1])
SCENE_OF_RANK = np.array([1, 0, 4, 2, 6, 9, 3, 5, 7, 8, 10, 11, 12, 13, 14], dtype=np.int16)
SCENE_SHARE = _SCENE_WEIGHTS / _SCENE_WEIGHTS.sum()
_BROWSED, _FOCUSED = (0, 2, 7), (4, 9)


def scene_shift(config: SimulatorConfig) -> Floats:
    """Return what each of the 15 scenes adds to preference: less where people browse, more where they sought."""
    shift = np.zeros(SCENES, dtype=np.float32)
    shift[list(_BROWSED)] = -config.strengths.scene
    shift[list(_FOCUSED)] = 0.5 * config.strengths.scene
    return shift


def bored(config: SimulatorConfig, index: int, user: Ids, topic: Ids) -> NDArray[np.bool_]:
    """Tell whether each user is bored of each topic on a day (user ids and topics broadcast)."""
    phase = (counters.hashed(config.seed, Stream.BOREDOM_PHASE, user) % np.uint64(config.boredom_days)).astype(np.int64)
    epoch = (index + phase) // config.boredom_days
    threshold = np.uint64(int(config.boredom_share * 2**64))
    return counters.hashed(config.seed, Stream.BOREDOM, user, epoch, topic) < threshold


def affinity(config: SimulatorConfig, users: Users, videos: Videos, user_row: Ids, video_row: Ids) -> Floats:
    """Return <theta_u, phi_v>/sqrt(K) for pairs of rows of the two."""
    dot: Floats = np.einsum("rk,rk->r", users.factors[user_row], videos.factors[video_row])
    return dot / np.float32(np.sqrt(config.factors))


def relation(config: SimulatorConfig, users: Users, videos: Videos, user_row: Ids, video_row: Ids) -> Floats:
    """Return what the users of pairs of rows have for or against the videos' authors: one normal number per user and author."""
    strength = config.strengths.relation
    if not strength:
        return np.zeros(len(user_row), dtype=np.float32)
    chance = counters.uniform(config.seed, Stream.RELATION, users.ids[user_row], videos.author[video_row])
    own: Floats = np.float32(strength) * ndtri(chance).astype(np.float32)
    return own


def exposure_of_videos(config: SimulatorConfig, index: int, videos: Videos) -> Floats:
    """Return the part of g_o that is the video's own on a day."""
    age = np.maximum(index - videos.entry, 0).astype(np.float32)
    fresh: Floats = np.exp(-age / np.float32(FRESH_DAYS))
    strengths = config.strengths
    own: Floats = np.float32(strengths.popularity) * videos.popularity + np.float32(strengths.freshness) * fresh
    return own


def exposure_of_positions(config: SimulatorConfig) -> Floats:
    """Return the part of g_o of each slot of a list."""
    length = config.list_length
    return np.float32(-config.strengths.position) * np.arange(length, dtype=np.float32) / np.float32(max(length - 1, 1))


def skip_probability(config: SimulatorConfig, impatience: Floats, is_bored: NDArray[np.bool_]) -> Floats:
    """Return pi, the probability to skip on sight."""
    base = np.float32(np.log(config.rates.skip / (1 - config.rates.skip)))
    odds = base + impatience + np.float32(config.strengths.bored_skip) * is_bored.astype(np.float32)
    result: Floats = expit(odds).astype(np.float32)
    return result


@dataclass(frozen=True)
class WatchModel:
    """Turns a latent preference z_R into seconds.

    Attributes:
        zero: c_0, below which nothing is played.
        location: mu.
        elasticity: beta.
        spread: tau.
    """

    zero: float
    location: float
    elasticity: float
    spread: float

    def intended(self, preference: Floats, log_duration: Floats) -> Floats:
        """Return log T."""
        relative = log_duration - np.float32(np.log(30.0))
        return np.float32(self.location) + np.float32(self.elasticity) * relative + np.float32(self.spread) * preference

    def play(self, preference: Floats, duration: Floats) -> Floats:
        """Return the seconds played by users who do not skip on sight."""
        log_duration = np.log(duration)
        over = self.intended(preference, log_duration) - log_duration
        ratio = np.exp(np.minimum(over, np.float32(np.log(REPLAY_FROM * MOST_REPLAYS))))
        once = np.minimum(ratio, np.float32(1))
        played = duration * np.maximum(once, ratio / np.float32(REPLAY_FROM))
        played[preference < np.float32(self.zero)] = 0
        return played

    def expected(self, preference_mean: Doubles, duration: Doubles, skip: Doubles) -> Doubles:
        """Return E[min(play, d)] in seconds, given g_r, d and pi."""
        location = self.location + self.elasticity * np.log(duration / 30.0)
        # The noise of preference is N(0, 1), so everything is a normal integral over it: nothing below `start`, a log-normal
        # play up to `complete`, the whole video from there.
        complete = np.maximum((np.log(duration) - location) / self.spread, self.zero) - preference_mean
        start = self.zero - preference_mean
        # E[exp(tau e); start < e < complete] = exp(tau^2 / 2) P(start - tau < e < complete - tau).
        inside = ndtr(complete - self.spread) - ndtr(start - self.spread)
        scale = np.exp(location + self.spread * preference_mean + 0.5 * self.spread**2)
        watched = scale * inside + duration * ndtr(-complete)
        result: Doubles = skip * (SKIP_SECONDS / 2) + (1 - skip) * watched
        return result
