"""The one interface of every proposer: fit on the fit days, then name the best videos for anybody.

Shapes: U users and V videos of the fit days, N users proposed to, K places.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from models.retrieval.watched import Ids
from tasks.candidates.audience import Audience
from tasks.candidates.document import Health
from tasks.candidates.top_k import Scores, top_k
from tasks.table.watches import Watches

USERS_AT_A_TIME = 512
"""Users whose scores of the whole catalogue are held at a time."""
Judge = Callable[["Proposer"], float]
"""NDCG of a proposer on the validation day: higher is better."""


class Proposer(ABC):
    """Proposes videos that a user has not been shown."""

    @classmethod
    def reaches_new(cls, config: Any) -> bool:
        """Tell whether it proposes videos by their content alone: then the catalogue ends with those that came after the fit days
        and before the judge day."""
        return False

    @classmethod
    def reads_codes(cls, config: Any) -> bool:
        """Tell whether watches have to carry the codes of videos."""
        return False

    @classmethod
    @abstractmethod
    def fit(cls, watches: Watches, config: Any, judge: Judge) -> Self:
        """Learn from the fit days; the validation day may end the fit early, through `judge`, and nothing else.

        Args:
            watches: of the fit days.
            config: the proposer's own block.
            judge: how good a proposer is on the validation day.
        """

    @abstractmethod
    def propose(self, audience: Audience, k: int) -> Ids:
        """Return codes of videos, best first, `NONE` where a list is shorter; [N, K]."""

    @property
    def health(self) -> Health | None:
        """What is to be known of its vectors; None where it has none."""
        return None

    @property
    def chosen(self) -> Mapping[str, float]:
        """Settings that the validation day chose, by what they are called."""
        return {}


class ScoringProposer(Proposer):
    """Gives every video of the catalogue a score and proposes the best: exact, at a cost that grows with the catalogue."""

    @abstractmethod
    def scores(self, audience: Audience) -> Scores:
        """Return a score of every video for every user, [N, V]; 0 for all where nothing is known of a user."""

    def propose(self, audience: Audience, k: int) -> Ids:
        """Return the best of those not shown; of equal scores, as all are of an unknown user, the more popular first."""
        parts = [np.empty((0, k), dtype=np.int64)]
        for begin in range(0, len(audience), USERS_AT_A_TIME):
            part = audience.part(begin, begin + USERS_AT_A_TIME)
            score_NV = self.scores(part)
            score_NV[part.shown_row, part.shown] = -np.inf
            parts.append(top_k(score_NV, k))
        return np.concatenate(parts)
