"""How proposals came out: recall and NDCG over the whole catalogue, and how evenly they are spread
(docs/methods/retrieval.md#how-proposals-are-measured).

Shapes: N users, K places, V videos, B rows: every proposal, and every watched video that was not proposed.
"""

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from models.retrieval.watched import NONE, Ids
from tasks.candidates.audience import Later
from tasks.evaluate.catalogue import metric
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import HeadlineMetric
from tasks.evaluate.estimate import average
from tasks.evaluate.metrics import lists
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.ranked_lists import RankedLists
from tasks.evaluate.metrics.uncertainty import Statistic
from tasks.evaluate.metrics.user_statistics import UserInfluence, UserSums
from tasks.evaluate.resampling import Resampler
from tasks.table.watches import Flags, Watches


@dataclass(frozen=True, eq=False)
class Proposed:
    """Proposals for users beside what these watched later.

    Attributes:
        video_NK: codes of proposed videos, best first; `NONE`: no more.
        later: what was watched.
    """

    video_NK: Ids
    later: Later

    @cached_property
    def hit(self) -> Flags:
        """Which proposals were watched."""
        found: Flags = np.isin(self._place_keys, self._watch_keys) & (self.video_NK != NONE)
        return found

    @property
    def hits(self) -> Ids:
        """Watched videos among the proposals of each user."""
        found: Ids = self.hit.sum(axis=1)
        return found

    @property
    def relevant(self) -> Ids:
        """Watched videos of each user, whether anybody could have proposed them or not."""
        return np.bincount(self.later.row_P, minlength=len(self.video_NK))

    @property
    def reachable(self) -> Flags:
        """Which watched videos are in the catalogue."""
        known: Flags = self.later.video_P != NONE
        return known

    @property
    def _place_keys(self) -> Ids:
        """One number for the user and the video of every place."""
        return np.arange(len(self.video_NK))[:, None] * self._width + self.video_NK

    @property
    def _watch_keys(self) -> Ids:
        """The same of every watched pair."""
        return self.later.row_P * self._width + self.later.video_P

    @property
    def _width(self) -> int:
        # NONE, which is -1, has a place of its own at the end of a user's numbers before
        return int(max(self.video_NK.max(initial=0), self.later.video_P.max(initial=0))) + 2

    @cached_property
    def ranked(self) -> tuple[RankedLists, Ids, Flags]:
        """Every proposal at its rank, and below them all that was watched and not proposed: lists, videos, relevance, [B].

        So no ideal list is cut to what was hit, and no positive is left out of a denominator.
        """
        num_users, k = self.video_NK.shape
        place_N, rank_K = np.nonzero(self.video_NK != NONE)
        missed = ~(self.reachable & np.isin(self._watch_keys, self._place_keys[self.hit]))
        user_B = np.concatenate([place_N, self.later.row_P[missed]])
        video_B = np.concatenate([self.video_NK[place_N, rank_K], self.later.video_P[missed]])
        rank_B = np.concatenate([rank_K + 1, np.full(int(missed.sum()), k + 1)])
        relevant_B = np.concatenate([self.hit[place_N, rank_K], np.ones(int(missed.sum()), dtype=np.bool_)])
        users = Groups(user_B, num_users)
        return RankedLists(users, rank_B, users.rows()), video_B, relevant_B


def ndcg(proposed: Proposed) -> float:
    """Return NDCG at the length of the proposals, mean over users; its ideal is over all that was watched."""
    ranked, _, relevant_B = proposed.ranked
    return lists.ndcg_at_k(ranked, relevant_B, proposed.video_NK.shape[1]).value


def statistics(proposed: Proposed, watches: Watches, head: int) -> dict[str, Statistic]:
    """Return every metric of the proposals by its name in the catalogue.

    Args:
        proposed: the proposals and what was watched.
        watches: codes.
        head: videos of the head: the tail has a code at least as large, or none.
    """
    k = proposed.video_NK.shape[1]
    ranked, video_B, relevant_B = proposed.ranked
    tail_B = (video_B >= head) | (video_B == NONE)
    new_N = proposed.later.audience.user_N == NONE
    found: dict[str, Statistic] = {
        "proposed_recall": recall_statistic(proposed.relevant, proposed.hits),
        "proposed_ndcg": lists.ndcg_at_k(ranked, relevant_B, k),
        "proposed_tail_recall": lists.recall_at_k(ranked, relevant_B & tail_B, k),
        "proposed_new_user_recall": lists.recall_at_k(ranked, relevant_B & new_N[ranked.users.code_B], k),
        "proposed_ceiling": ceiling(proposed),
        "proposed_gini": gini(proposed.video_NK, watches.num_videos),
        "proposed_coverage": coverage(proposed.video_NK, watches.num_videos),
    }
    return {f"{name}@{k}": statistic for name, statistic in found.items()}


def recall_statistic(relevant_N: Ids, hits_N: Ids) -> UserSums:
    """Return the mean over users of what was proposed of what they watched."""
    return UserSums(hits_N / relevant_N, np.ones(relevant_N.size), int(relevant_N.sum()), relevant_N.size)


def ceiling(proposed: Proposed) -> UserSums:
    """Return the recall of lists that know what is watched: videos that the fit days do not know are out of their reach too."""
    num_users, k = proposed.video_NK.shape
    reached_N = np.minimum(np.bincount(proposed.later.row_P[proposed.reachable], minlength=num_users), k)
    return UserSums(reached_N / proposed.relevant, np.ones(num_users), proposed.later.row_P.size, num_users)


def gini(video_NK: Ids, catalogue: int) -> UserSums:
    """Return the Gini coefficient of how often the videos of the catalogue are proposed.

    G = sum_v (2 r_v - V - 1) c_v / (V sum_v c_v) with the rank r_v of the count c_v. That is a ratio of sums over users; with the
    ranks as they are it is resampled as one, which is exact to first order: the derivative of G in c_v is that weight.
    """
    counts_V = np.bincount(video_NK[video_NK != NONE], minlength=catalogue)
    rank_V = np.empty(catalogue)
    rank_V[np.argsort(counts_V, kind="stable")] = np.arange(1, catalogue + 1)
    weight_V = (2 * rank_V - catalogue - 1) / catalogue
    filled_NK = video_NK != NONE
    unequal_N = np.where(filled_NK, weight_V[video_NK], 0).sum(axis=1)
    return UserSums(unequal_N, filled_NK.sum(axis=1).astype(np.float64), int(filled_NK.sum()), len(video_NK))


def coverage(video_NK: Ids, catalogue: int) -> UserInfluence:
    """Return the share of the catalogue that is proposed to anybody.

    A resample holds fewer different users than there are and would cover less, so its error is that of leaving one user
    out (the jackknife): what would go are the videos that only this user is proposed.
    """
    filled_NK = video_NK != NONE
    counts_V = np.bincount(video_NK[filled_NK], minlength=catalogue)
    alone_N = (filled_NK & (counts_V[video_NK] == 1)).sum(axis=1) / catalogue
    value = float((counts_V > 0).mean())
    return UserInfluence(value, alone_N - alone_N.mean(), int(filled_NK.sum()), len(video_NK))


def estimates(found: dict[str, Statistic], users: int, config: EvaluationConfig) -> dict[str, HeadlineMetric]:
    """Return metrics with their intervals over users."""
    drawn = Resampler(users, config.replicates, config.seed).draw(found)
    return {
        name: HeadlineMetric(
            **asdict(average([draw], config.confidence)),
            column=metric(name).column,
            higher_is_better=metric(name).higher_is_better,
        )
        for name, draw in drawn.items()
    }
