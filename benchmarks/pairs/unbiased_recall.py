"""Recall@K over the whole catalogue from a few uniformly random test rows per user (URE; paper, arXiv 2409.04810).

Recall@K inside a short random list is another, far larger number. Here every candidate is scored; a positive among the
random rows counts as found if it stands among its user's K best of *all* candidates. As test rows are drawn uniformly
from the same candidates, the share of positives found estimates Recall@K of the full catalogue. The micro average is
consistent; the macro average leans towards users with many positives, who more often have one among few random rows, and
whose recall is lower.

Shapes: U users, I candidates, T test rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.core.errors import ContractError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.ratio import ratio
from tasks.evaluate.metrics.user_statistics import UserSums


@dataclass(frozen=True)
class UnbiasedRecall:
    """The estimate in both averages, as sums per user that can be resampled.

    Attributes:
        macro: mean over users with a positive of m_u / n_u.
        micro: sum m / sum n.
    """

    macro: UserSums
    micro: UserSums


def unbiased_recall(
    score_UI: FloatArray, user_T: IntArray, item_T: IntArray, positive_T: IntArray, k: int, seed: int = 0
) -> UnbiasedRecall:
    """Estimate Recall@K over all candidates.

    Valid only if every user's test rows were drawn uniformly from the candidates (trained ones included).

    Args:
        score_UI: [U, I] score of every candidate.
        user_T: [T] row of `score_UI` of each test row.
        item_T: [T] column of `score_UI`.
        positive_T: [T] 0/1.
        k: length of the list, smaller than I.
        seed: of the order of equal scores, which is random.

    Raises:
        ContractError: if k does not lie in [1, I), a score is not finite, a pair occurs twice, or a label is not 0 or 1.
    """
    _check(score_UI, user_T, item_T, positive_T, k)
    found_T = top_k_mask(score_UI, k, seed)[user_T, item_T]
    users = Groups(user_T, len(score_UI))
    positives_U, found_U = users.sum(positive_T), users.sum(positive_T * found_T)
    has_U = (positives_U > 0).astype(np.float64)
    used, dropped = int(has_U.sum()), int(((users.rows() > 0) & (positives_U == 0)).sum())
    reason = "users without a positive" if dropped else ""
    share_U = ratio(found_U, positives_U, undefined=0.0)
    return UnbiasedRecall(
        macro=UserSums(share_U, has_U, user_T.size, used, dropped, reason),
        micro=UserSums(found_U, positives_U, user_T.size, used, dropped, reason),
    )


def top_k_mask(score_UI: FloatArray, k: int, seed: int) -> NDArray[np.bool_]:
    """Return which candidates are among each user's k best [U, I]; equal scores are ordered at random."""
    chance_UI = np.random.default_rng(seed).random(score_UI.shape)
    order_UI = np.lexsort((chance_UI, -score_UI), axis=1)
    mask_UI: NDArray[np.bool_] = np.zeros(score_UI.shape, dtype=np.bool_)
    np.put_along_axis(mask_UI, order_UI[:, :k], True, axis=1)
    return mask_UI


def _check(score_UI: FloatArray, user_T: IntArray, item_T: IntArray, positive_T: IntArray, k: int) -> None:
    num_users, num_items = score_UI.shape
    if not 1 <= k < num_items:
        raise ContractError(f"k is {k}, allowed is [1, {num_items}), the number of candidates")
    if not np.isfinite(score_UI).all():
        raise ContractError("a score is NaN or infinite")
    if not np.isin(positive_T, (0, 1)).all():
        raise ContractError("labels of the test rows must be 0 or 1")
    if np.unique(user_T * num_items + item_T).size != user_T.size:
        raise ContractError(f"a pair occurs twice in the {user_T.size} test rows of {num_users} users")
