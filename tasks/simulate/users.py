"""Users of the simulated world: every attribute is a function of the seed and the id, an array with one row per id."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from tasks.simulate import counters
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.counters import Floats, Ids
from tasks.simulate.world import Stream, labels

SEGMENTS = 8


@dataclass(frozen=True)
class Users:
    """Attributes of some users."""

    config: SimulatorConfig
    ids: Ids

    @cached_property
    def segment(self) -> Ids:
        return (counters.hashed(self.config.seed, Stream.SEGMENT, self.ids) % np.uint64(SEGMENTS)).astype(np.int64)

    @cached_property
    def factors(self) -> Floats:
        """Taste: unit variance per factor, .36 of it shared by the segment."""
        config = self.config
        centres = counters.normal(config.seed, Stream.SEGMENT_FACTORS, np.arange(SEGMENTS), config.factors)
        own = counters.normal(config.seed, Stream.USER_FACTORS, self.ids, config.factors)
        return np.float32(0.6) * centres[self.segment] + np.float32(0.8) * own

    @cached_property
    def activity(self) -> Floats:
        """Weight of the user among those who open the app: log-normal."""
        weight: Floats = np.exp(np.float32(0.8) * counters.normal(self.config.seed, Stream.ACTIVITY, self.ids))
        return weight

    @cached_property
    def effect(self) -> Floats:
        strength = np.float32(self.config.strengths.user)
        return strength * counters.normal(self.config.seed, Stream.USER_EFFECT, self.ids)

    @cached_property
    def impatience(self) -> Floats:
        """What the user adds to the log-odds to skip."""
        strength = np.float32(self.config.strengths.skip_tendency)
        return strength * counters.normal(self.config.seed, Stream.PATIENCE, self.ids)

    def table(self) -> pl.DataFrame:
        """Return the users table of the contract: the segment is labelled rightly for 80 % of the users."""
        seed = self.config.seed
        guess = (counters.hashed(seed, Stream.SEGMENT_LABEL, self.ids) % np.uint64(5 * SEGMENTS)).astype(np.int64)
        segment = np.where(guess < SEGMENTS, guess, self.segment)
        level = np.digitize(self.activity, (0.5, 1.0, 2.0))
        device = np.digitize(counters.uniform(seed, Stream.DEVICE, self.ids), (0.55, 0.85, 0.95))
        return pl.DataFrame(
            {
                "user_id": self.ids,
                "active_degree": labels(("low_active", "middle_active", "high_active", "full_active"), level),
                "device": labels(("android", "ios", "tablet", "other"), device),
                "segment": labels(tuple(f"s{i}" for i in range(SEGMENTS)), segment),
            }
        )
