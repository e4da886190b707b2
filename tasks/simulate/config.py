"""What the simulated world is made of: sizes, strengths of its effects, rates of feedback and of dirt."""

import datetime as dt
from typing import Literal

from pydantic import Field, model_validator

from models.ranges import Number, Seconds, Seed, Share, WeightOrNone, Whole, WindowDays
from tasks.core.settings import Block, Day
from tasks.core.traits import Trait


class Strengths(Block):
    """How strongly each cause moves what happens, in standard deviations of the latent noise."""

    taste: WeightOrNone = 0.8
    """user factors times video factors on preference"""
    relation: WeightOrNone = Field(default=0.0, exclude_if=lambda strength: strength == 0)
    """what a user has for or against an author, whatever both are like, on preference: only their common past can tell"""
    quality: WeightOrNone = 0.4
    """a video's own quality on preference"""
    author: WeightOrNone = 0.3
    """the author on preference"""
    topic: WeightOrNone = 0.25
    """the topic on preference"""
    content: WeightOrNone = Field(default=0.0, exclude_if=lambda strength: strength == 0)
    """one direction of the video's factors on preference, whoever watches: what a caption vector tells of a video nobody has seen"""
    user: WeightOrNone = 0.4
    """how much a user watches in general on preference"""
    scene: WeightOrNone = 0.6
    """the page on preference"""
    trait: WeightOrNone = Field(default=0.0, exclude_if=lambda strength: strength == 0)
    """the users' traits on preference, half of it each, whether or not they are told: what a sensitive attribute is worth"""
    skip_tendency: WeightOrNone = 0.8
    """spread between users of the log-odds to skip within 3 s"""
    boredom: WeightOrNone = 0.9
    """how much less a user who is bored of a topic prefers it; boredom lasts days, so yesterday's skips tell"""
    bored_skip: WeightOrNone = 1.8
    """log-odds that boredom adds to a skip within 3 s"""
    exposed_taste: WeightOrNone = 0.5
    """user factors times video factors on exposure: what the recommender already knows"""
    popularity: WeightOrNone = 0.5
    """popularity bias of exposure"""
    freshness: WeightOrNone = 0.4
    """advantage in exposure of a video uploaded just now; fades with a time constant of 3 days"""
    position: WeightOrNone = 1.0
    """how much lower the last slot of a list is exposed than the first; moves nothing else"""


class Rates(Block):
    """Shares of the impressions of a day, reached by calibrating intercepts on a pilot sample."""

    zero_watch: Number = Field(default=0.10, gt=0, lt=0.5)
    """played for exactly 0 ms"""
    skip: Number = Field(default=0.12, gt=0, lt=0.5)
    """skipped on sight (within 3 s, whatever the video) by a user of average patience who is not bored"""
    like: Number = Field(default=0.017, gt=0, lt=0.5)
    """liked"""
    follow: Number = Field(default=0.0013, gt=0, lt=0.5)
    """the author followed"""
    comment: Number = Field(default=0.0026, gt=0, lt=0.5)
    """commented"""
    forward: Number = Field(default=0.0008, gt=0, lt=0.5)
    """passed on"""
    hate: Number = Field(default=0.0008, gt=0, lt=0.5)
    """marked as unwanted"""
    profile_enter: Number = Field(default=0.019, gt=0, lt=0.5)
    """the author's page opened"""


class SimulatedTraits(Block):
    """Traits of the simulated users, who agree and withdraw: `openness`, standard normal, and `age_band`, one of five."""

    consent: Share = 0.8
    """share of the users who agreed, in the month before the first day"""
    withdrawn_per_day: Number = Field(default=0.0, ge=0, lt=1)
    """share of those who still agree that withdraws on a day"""
    retention_days: Whole = Field(default=365, ge=1, le=36_600)
    """days after it was recorded from which on a value is no longer used"""
    least_users: Whole = Field(default=20, ge=1, le=10**9)
    """users that a level of `age_band` needs"""

    @property
    def declared(self) -> dict[str, Trait]:
        """What the source declares."""
        shared = {"purpose": "simulated", "retention_days": self.retention_days, "least_users": self.least_users}
        return {"age_band": Trait(kind="category", **shared), "openness": Trait(kind="number", **shared)}


class SimulatorConfig(Block):
    """A generator with known truth: the embedded default source."""

    kind: Literal["simulator"] = "simulator"
    timezone: Literal["Asia/Shanghai"] = "Asia/Shanghai"
    """days begin at midnight here; fixed, since a day has to have 24 hours"""
    seed: Seed = 20260101
    """another seed is another world"""
    start_day: Day = dt.date(2026, 1, 1)
    """first day of the log (quote it in YAML)"""
    as_of: Day | None = None
    """night that runs when none is named; the fifteenth day unless set"""
    impressions_per_day: Whole = Field(default=9_000, ge=200, le=10**8)
    """expected number of impressions shown on a day, before duplicates"""
    users: Whole = Field(default=1_500, ge=10, le=10**8)
    """users alive on a day"""
    new_users_per_day: Whole = Field(default=60, ge=0, le=10**8)
    """users that arrive each day; as many leave"""
    videos: Whole = Field(default=600, ge=20, le=10**8)
    """videos that can be shown on a day"""
    new_videos_per_day: Whole = Field(default=30, ge=0, le=10**8)
    """videos uploaded each day; as many leave"""
    authors: Whole = Field(default=120, ge=2, le=10**8)
    """authors of the videos"""
    topics: Whole = Field(default=20, ge=2, le=10_000)
    """topics of the videos, of which each has one"""
    factors: Whole = Field(default=8, ge=1, le=64)
    """length of the user and video factors"""
    content_size: Whole = Field(default=16, ge=1, le=256)
    """length of the caption vector, a noisy linear image of the video's factors"""
    list_length: Whole = Field(default=10, ge=1, le=100)
    """candidates of a request; each is shown or not"""
    exposure_rate: Number = Field(default=0.35, gt=0.01, lt=0.95)
    """share of the candidates that are shown"""
    rho: Number = Field(default=0.5, gt=-1, lt=1)
    """correlation of the latent noise of exposure with that of preference"""
    watch_scale_seconds: Seconds = 8.0
    """intended watch time of a 30 s video at average preference"""
    watch_spread: Number = Field(default=1.35, gt=0, le=3)
    """change of the log of the intended watch time per unit of preference"""
    duration_elasticity: Share = 0.4
    """change of the log of the intended watch time per unit of log duration: the duration bias"""
    boredom_share: Number = Field(default=0.2, ge=0, lt=1)
    """share of the topics that a user is bored of at any time"""
    boredom_days: WindowDays = 5
    """for how many days; then the user is bored of other topics"""
    random_share: Number = Field(default=0.05, ge=0, lt=1)
    """share of the impressions exposed uniformly at random"""
    log_propensity: bool = True
    """whether the log records the exposure probability of standard rows; random rows always have it"""
    log_candidates: bool = Field(default=False, exclude_if=lambda logged: not logged)
    """whether the log holds the candidates that were not shown, too"""
    late_share: Number = Field(default=0.15, ge=0, lt=1)
    """share of the rows logged one hour or more after the event"""
    next_day_share: Number = Field(default=0.01, ge=0, lt=0.5)
    """share of the rows that arrive on the day after the event"""
    duplicate_share: Number = Field(default=0.02, ge=0, lt=1)
    """exact copies, as a share of the rows"""
    dirt_share: Number = Field(default=0.004, ge=0, lt=1)
    """broken rows, five kinds in equal parts: duration 0, negative watch, flag 2, unknown scene 99, event after its log entry"""
    traits: SimulatedTraits | None = Field(default=None, exclude_if=lambda traits: traits is None)
    """sensitive attributes of users that the source declares; null: none"""
    strengths: Strengths = Strengths()
    rates: Rates = Rates()

    @model_validator(mode="after")
    def _consistent(self) -> "SimulatorConfig":
        if self.new_users_per_day > self.users or self.new_videos_per_day > self.videos:
            raise ValueError(
                f"no more users or videos can arrive on a day than there are: {self.new_users_per_day} of {self.users} users, "
                f"{self.new_videos_per_day} of {self.videos} videos"
            )
        if self.as_of is not None and self.as_of < self.start_day:
            raise ValueError(f"as_of {self.as_of} lies before start_day {self.start_day}")
        return self

    def default_as_of(self) -> dt.date:
        """Return the night that runs when none is named."""
        return self.as_of or self.start_day + dt.timedelta(days=14)

    def scaled(self, impressions_per_day: int) -> "SimulatorConfig":
        """Return a world of another size: users grow with the impressions, videos and authors with their square root."""
        ratio = impressions_per_day / self.impressions_per_day
        root = ratio**0.5
        return self.model_copy(
            update={
                "impressions_per_day": impressions_per_day,
                "users": max(10, round(self.users * ratio)),
                "new_users_per_day": round(self.new_users_per_day * ratio),
                "videos": max(20, round(self.videos * root)),
                "new_videos_per_day": round(self.new_videos_per_day * root),
                "authors": max(2, round(self.authors * root)),
            }
        )
