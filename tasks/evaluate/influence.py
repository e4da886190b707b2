"""Each user's influence on pair accuracy inside groups that are not users (videos, duration deciles).

For V = sum_v n_v X_v / N over groups with a comparable pair, row i of group v contributes
n_v (a_i - X_v b_i) / B_v + (X_v - V) to N psi of its user (our derivation: the pooled influence of
docs/methods/metrics.md#uncertainty, inside each group, plus the change of the groups' weights). One group gives the
pooled formula back.

Shapes: B rows, U users, G groups.
"""

from typing import Any

import numpy as np

from tasks.evaluate.metrics.concordance import row_concordance
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import Array, finite_rows
from tasks.evaluate.metrics.pairwise import pair_label
from tasks.evaluate.metrics.user_statistics import UserInfluence


def grouped_xauc_influence(watch_B: Array, score_B: Array, groups: Groups, users: Groups) -> UserInfluence:
    """Return XAUC inside groups, weighted by rows, with each user's influence on it.

    Args:
        watch_B: [B] seconds.
        score_B: [B] scores.
        groups: video or duration decile of each row.
        users: user of each row.
    """
    watch_B, score_B = finite_rows(label=watch_B, prediction=score_B)
    rows = row_concordance(pair_label(watch_B), score_B, groups)
    concordant_G, comparable_G = groups.sum(rows.concordant_B), groups.sum(rows.comparable_B)
    accuracy_G = _divide(concordant_G, comparable_G)
    rows_G = groups.rows() * (comparable_G > 0)
    num_rows = int(rows_G.sum())
    if not num_rows:
        return UserInfluence(float("nan"), np.full(users.num_groups, np.nan), 0, 0)
    value = float((rows_G * accuracy_G).sum() / num_rows)
    per_pair_G = _divide(rows_G, comparable_G / 2)
    code_B = groups.code_B
    pairs_B = per_pair_G[code_B] * (rows.concordant_B - accuracy_G[code_B] * rows.comparable_B)
    weight_B = np.where(comparable_G[code_B] > 0, accuracy_G[code_B] - value, 0.0)
    used_U = users.sum((comparable_G[code_B] > 0).astype(np.float64)) > 0
    return UserInfluence(value, users.sum(pairs_B + weight_B) / num_rows, num_rows, int(used_U.sum()))


def _divide(numerator: Array, denominator: Array) -> Any:
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
