"""Videos of the simulated world: every attribute is a function of the seed and the id, an array with one row per id."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from tasks.core.days import DAY_MS
from tasks.simulate import counters
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.counters import Floats, Ids
from tasks.simulate.world import Stream, labels, midnight_ms

SHORTEST_SECONDS, LONGEST_SECONDS = 5.0, 400.0
_DURATIONS = ((0.25, 14.0, 0.40), (0.50, 60.0, 0.50), (0.25, 170.0, 0.40))
"""of short, medium and long videos: share, median seconds, standard deviation of the log"""
_STATIC_AGE_DAYS = 30


@dataclass(frozen=True)
class Videos:
    """Attributes of some videos."""

    config: SimulatorConfig
    ids: Ids

    @cached_property
    def author(self) -> Ids:
        """A few authors upload most videos."""
        share = counters.uniform(self.config.seed, Stream.AUTHOR, self.ids) ** 2
        return (share * self.config.authors).astype(np.int64)

    @cached_property
    def topic(self) -> Ids:
        """Seven videos of ten are about their author's topic."""
        seed, topics = self.config.seed, np.uint64(self.config.topics)
        home = counters.hashed(seed, Stream.AUTHOR_TOPIC, self.author) % topics
        other = counters.hashed(seed, Stream.TOPIC, self.ids)
        away = (other >> np.uint64(32)) % np.uint64(10) >= np.uint64(7)
        return np.where(away, other % topics, home).astype(np.int64)

    @cached_property
    def factors(self) -> Floats:
        """Unit variance per factor: .49 the topic, .26 the author, .25 the video's own."""
        config = self.config
        topics = counters.normal(config.seed, Stream.TOPIC_FACTORS, np.arange(config.topics), config.factors)
        authors = counters.normal(config.seed, Stream.AUTHOR_FACTORS, np.arange(config.authors), config.factors)
        own = counters.normal(config.seed, Stream.VIDEO_FACTORS, self.ids, config.factors)
        shared = np.float32(0.7) * topics[self.topic] + np.float32(0.51) * authors[self.author]
        mixed: Floats = shared + np.float32(0.5) * own
        return mixed

    @cached_property
    def quality(self) -> Floats:
        return counters.normal(self.config.seed, Stream.QUALITY, self.ids)

    @cached_property
    def effect(self) -> Floats:
        """What quality, author, topic and content add to preference, whoever watches."""
        config, strengths = self.config, self.config.strengths
        authors = counters.normal(config.seed, Stream.AUTHOR_EFFECT, np.arange(config.authors))
        topics = counters.normal(config.seed, Stream.TOPIC_EFFECT, np.arange(config.topics))
        effect: Floats = (
            np.float32(strengths.quality) * self.quality
            + np.float32(strengths.author) * authors[self.author]
            + np.float32(strengths.topic) * topics[self.topic]
        )
        if strengths.content:
            effect = effect + np.float32(strengths.content) * self.content_effect
        return effect

    @cached_property
    def content_effect(self) -> Floats:
        """The factors along one direction, of unit variance: it can be read off the caption vector, up to that one's noise."""
        direction = counters.normal(self.config.seed, Stream.CONTENT_EFFECT, np.arange(1), self.config.factors)[0]
        along: Floats = np.einsum("vk,k->v", self.factors, direction / np.float32(np.linalg.norm(direction)))
        return along

    @cached_property
    def popularity(self) -> Floats:
        """Correlated .6 with quality."""
        noise = counters.normal(self.config.seed, Stream.POPULARITY, self.ids)
        return np.float32(0.6) * self.quality + np.float32(0.8) * noise

    @cached_property
    def duration_ms(self) -> Ids:
        """A mixture of three log-normals, short, medium and long, clipped to 5-400 s."""
        weights, medians, spreads = (np.array(column) for column in zip(*_DURATIONS, strict=True))
        kind = np.digitize(counters.uniform(self.config.seed, Stream.DURATION_KIND, self.ids), np.cumsum(weights)[:-1])
        noise = counters.normal(self.config.seed, Stream.DURATION, self.ids).astype(np.float64)
        seconds = np.clip(medians[kind] * np.exp(spreads[kind] * noise), SHORTEST_SECONDS, LONGEST_SECONDS)
        rounded: Ids = np.round(seconds * 1000).astype(np.int64)
        return rounded

    @cached_property
    def entry(self) -> Ids:
        """The first day on which a video can be shown."""
        new = self.config.new_videos_per_day
        if new == 0:
            return np.full(len(self.ids), -_STATIC_AGE_DAYS, dtype=np.int64)
        return -((self.config.videos - 1 - self.ids) // new) - 1

    @cached_property
    def upload_time_ms(self) -> Ids:
        """Some time in the 24 hours before the day of entry."""
        before = counters.uniform(self.config.seed, Stream.UPLOAD, self.ids) * DAY_MS
        return midnight_ms(self.config, 0) + self.entry * DAY_MS - before.astype(np.int64) - 1

    @cached_property
    def content(self) -> Floats:
        """Caption vectors: a fixed linear image of the factors, plus noise."""
        config = self.config
        mapping = counters.normal(config.seed, Stream.CAPTION_MAP, np.arange(config.factors), config.content_size)
        noise = counters.normal(config.seed, Stream.CAPTION_NOISE, self.ids, config.content_size)
        image = np.einsum("vk,kc->vc", self.factors, mapping) / np.float32(np.sqrt(config.factors))
        vectors: Floats = image + np.float32(0.3) * noise
        return vectors

    def table(self) -> pl.DataFrame:
        """Return the videos table of the contract, with the caption vector."""
        seed = self.config.seed
        second = (counters.hashed(seed, Stream.SECOND_TOPIC, self.ids) % np.uint64(3 * self.config.topics)).astype(
            np.int64
        )
        topic = pl.Series("topic", self.topic).cast(pl.String)
        both = topic + "," + pl.Series("second", second).cast(pl.String)
        two = (second < self.config.topics) & (second != self.topic)
        kind = np.digitize(counters.uniform(seed, Stream.FORMAT, self.ids), (0.9,))
        frame = pl.DataFrame(
            {
                "video_id": self.ids,
                "author_id": self.author,
                "upload_time_ms": self.upload_time_ms,
                "duration_ms": self.duration_ms,
                "music_id": (counters.hashed(seed, Stream.MUSIC, self.ids) % np.uint64(500)).astype(np.int64),
                "tag": topic.zip_with(~pl.Series(two), both),
                "video_type": labels(("NORMAL", "AD"), kind),
            }
        )
        return frame.with_columns(pl.Series("content", self.content, dtype=pl.List(pl.Float32)))
