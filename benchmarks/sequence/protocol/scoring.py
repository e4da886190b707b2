"""AUC, GAUC and "NDCG_2" of candidates, each with its bootstrap over users.

Source: docs/methods/sequences.md#sequence-protocol.

Shape legend: C candidates, J judged users, R resamples.
"""

import numpy as np

from benchmarks.pairs.scoring import Scores, resampled
from benchmarks.sequence.protocol.split import Candidates
from tasks.evaluate.metrics.classification import auc_influence, gauc
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.metrics.lists import ndcg_at_k
from tasks.evaluate.metrics.ranked_lists import rank_lists, tie_hash
from tasks.evaluate.metrics.uncertainty import Statistic, user_bootstrap_weights

METRICS = ("auc", "gauc", "ndcg_2")


def statistics(candidates: Candidates, score_C: FloatArray, tie_seed: int = 0) -> dict[str, Statistic]:
    """Return the three metrics.

    `auc` pools all candidates of all users; `gauc` is the plain mean of AUC over users with more than two candidates;
    `ndcg_2` is 1/log2(2 + rank of the positive, from 0), without a cut-off, the mean over users with more than one.

    Args:
        candidates: what is ranked.
        score_C: [C] finite scores.
        tie_seed: of the order of tied scores in `ndcg_2`; the two AUCs count ties 1/2.
    """
    users = Groups(candidates.row_C, len(candidates.user_J))
    length_C = users.rows()[candidates.row_C]
    some, several = np.flatnonzero(length_C > 1), np.flatnonzero(length_C > 2)
    tie_C = tie_hash(candidates.user_J[candidates.row_C], candidates.item_C, np.zeros_like(candidates.row_C), tie_seed)
    lists = rank_lists(users.subset(some), score_C[some], tie_C[some])
    longest = max(int(length_C.max(initial=1)), 1)
    return {
        "auc": auc_influence(candidates.label_C, score_C, users),
        "gauc": gauc(candidates.label_C[several], score_C[several], users.subset(several), weight="equal"),
        "ndcg_2": ndcg_at_k(lists, candidates.label_C[some], longest),
    }


class SequenceJudge:
    """Scores predictions for the candidates of one part of the split.

    Args:
        candidates: what is ranked.
        replicates: resamples of users.
        seed: of the resamples.
    """

    def __init__(self, candidates: Candidates, replicates: int = 1000, seed: int = 0) -> None:
        self.candidates = candidates
        self._weights_RJ = user_bootstrap_weights(len(candidates.user_J), replicates, seed=seed)

    def scores(self, score_C: FloatArray) -> Scores:
        """Return the metrics of one fit."""
        found = statistics(self.candidates, score_C)
        return {name: resampled(statistic, self._weights_RJ) for name, statistic in found.items()}
