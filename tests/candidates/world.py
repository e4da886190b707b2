"""A world of planted low rank, in memory: what users watch of videos shown at random follows from a few factors of both."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from tasks.candidates.audience import Audience, Later
from tasks.candidates.measure import Proposed, ndcg
from tasks.candidates.proposers.base import Judge, Proposer
from tasks.candidates.registry import PROPOSERS
from tasks.table.watches import Watches

USERS, VIDEOS, RANK = 300, 120, 3
NEW = 24
"""Videos at the end that the fit days of `WithNew` do not know."""
SHOWN, LATER = 12_000, 5_000


@dataclass(frozen=True)
class Planted:
    """The fit days, and two days after them.

    Attributes:
        seed: of factors and exposures.
        shuffled: whether watches of the fit days are dealt to users at random, so that nothing can be learned of taste.
        others: whether every video has the content of another.
    """

    seed: int = 0
    shuffled: bool = False
    others: bool = False

    @cached_property
    def fitted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        user, video, watched = self._day(1, SHOWN)
        if self.shuffled:
            user = np.random.default_rng(self.seed).permutation(user)
        return user, video, watched

    @cached_property
    def watches(self) -> Watches:
        watches = Watches.of(*self.fitted, np.arange(SHOWN), np.arange(VIDEOS))
        video = watches.video_id_V
        if self.others:
            video = np.random.default_rng(self.seed).permutation(video)
        return replace(watches, content_VC=self._drawn[1][video].astype(np.float32))

    def later(self, day: int) -> Later:
        user, video, watched = self._day(day, LATER)
        pairs = np.unique(np.stack([user[watched], video[watched]], axis=1), axis=0)
        user_id, row = np.unique(pairs[:, 0], return_inverse=True)
        audience = Audience.of(self.watches, user_id, np.empty(0, np.int64), np.empty(0, np.int64))
        return Later(audience, row, self.watches.videos(pairs[:, 1]), 0)

    @cached_property
    def judge(self) -> Judge:
        later = self.later(2)
        return lambda proposer: ndcg(Proposed(proposer.propose(later.audience, 20), later))

    def fit(self, config: object) -> Proposer:
        return PROPOSERS[config.kind].fit(self.watches, config, self.judge)  # type: ignore[attr-defined]

    def proposed(self, proposer: Proposer, k: int = 20) -> Proposed:
        later = self.later(3)
        return Proposed(proposer.propose(later.audience, k), later)

    @cached_property
    def _drawn(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Factors of users and of videos, the latter of which are their content, and appeal."""
        world = np.random.default_rng([self.seed, 0])
        taste, nature = world.normal(size=(USERS, RANK)), world.normal(size=(VIDEOS, RANK))
        return taste, nature, 0.4 * world.normal(size=VIDEOS)

    def _day(self, day: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        random, (taste, nature, appeal) = np.random.default_rng([self.seed, day]), self._drawn
        user, video = random.integers(0, USERS, rows), random.integers(0, VIDEOS, rows)
        likes = (taste[user] * nature[video]).sum(axis=1) + appeal[video] + 0.5 * random.normal(size=rows)
        return user, video, likes > 1.5


@dataclass(frozen=True)
class WithNew(Planted):
    """The fit days do not know the last videos."""

    @cached_property
    def watches(self) -> Watches:
        user, video, watched = (column[self.fitted[1] < VIDEOS - NEW] for column in self.fitted)
        known = Watches.of(user, video, watched, np.arange(user.size), np.arange(VIDEOS))
        known = replace(known, content_VC=self._drawn[1][known.video_id_V].astype(np.float32))
        return known.with_new(self.catalogue, "here")

    @cached_property
    def catalogue(self) -> pl.DataFrame:
        """Every video and its content."""
        content = pl.Series("content_vector", self._drawn[1].tolist(), dtype=pl.List(pl.Float32))
        return pl.DataFrame({"video_id": np.arange(VIDEOS)}).with_columns(content)

    def recalls(self, proposer: Proposer) -> Mapping[str, float]:
        """Recall@20 on the judge day of all videos, of videos that the fit days know, and of new ones: pairs, not users."""
        proposed = self.proposed(proposer)
        later = proposed.later
        found = (proposed.video_NK[later.row_P] == later.video_P[:, None]).any(axis=1)
        new = later.video_P >= self.watches.num_known
        return {"all": float(found.mean()), "known": float(found[~new].mean()), "new": float(found[new].mean())}
