"""Users of the simulated world: every attribute is a function of the seed and the id, an array with one row per id."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from tasks.core.days import DAY_MS
from tasks.simulate import counters
from tasks.simulate.config import SimulatedTraits, SimulatorConfig
from tasks.simulate.counters import Floats, Ids
from tasks.simulate.world import Stream, labels, midnight_ms

SEGMENTS = 8
AGE_BANDS = ("under_18", "18_24", "25_34", "35_49", "from_50")
_ASKED_MS = 30 * DAY_MS


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
        """What the user adds to every preference, by habit and by traits."""
        strength = np.float32(self.config.strengths.user)
        habit = strength * counters.normal(self.config.seed, Stream.USER_EFFECT, self.ids)
        return habit if not self.config.strengths.trait else habit + self.trait_effect

    @cached_property
    def openness(self) -> Floats:
        return counters.normal(self.config.seed, Stream.OPENNESS, self.ids)

    @cached_property
    def age_band(self) -> Ids:
        """Place in `AGE_BANDS`, all equally likely."""
        return (counters.hashed(self.config.seed, Stream.AGE_BAND, self.ids) % np.uint64(len(AGE_BANDS))).astype(
            np.int64
        )

    @cached_property
    def trait_effect(self) -> Floats:
        """What traits add to every preference: strength (openness + age)/sqrt(2), age being the place of its band, standardised."""
        places = np.arange(len(AGE_BANDS))
        age = (self.age_band - places.mean()) / places.std()
        effect: Floats = (self.config.strengths.trait * (self.openness + age) / np.sqrt(2)).astype(np.float32)
        return effect

    def trait_records(self, traits: SimulatedTraits, index: int) -> pl.DataFrame:
        """Return the traits table of the contract as it stands after a day; the values of who withdrew are still in it.

        Args:
            traits: who agrees and withdraws.
            index: of the day.
        """
        seed, first_ms = self.config.seed, midnight_ms(self.config, 0)
        agreed = counters.uniform(seed, Stream.CONSENT, self.ids) < traits.consent
        asked_ms = first_ms - (counters.uniform(seed, Stream.CONSENT_TIME, self.ids) * _ASKED_MS).astype(np.int64)
        day = np.full(len(self.ids), np.inf)
        if traits.withdrawn_per_day:  # geometric, so that the share is the same on every day
            day = np.log(counters.uniform(seed, Stream.WITHDRAWAL, self.ids)) // np.log1p(-traits.withdrawn_per_day)
        gone = agreed & (day <= index)
        gone_ms = first_ms + (np.where(gone, day, 0) * DAY_MS).astype(np.int64) + DAY_MS // 2
        return pl.DataFrame(
            {
                "user_id": self.ids,
                "consent": (agreed & ~gone).astype(np.int8),
                "consent_time_ms": np.where(gone, gone_ms, asked_ms),
                "recorded_time_ms": asked_ms,
                "age_band": labels(AGE_BANDS, self.age_band),
                "openness": self.openness,
            }
        )

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
