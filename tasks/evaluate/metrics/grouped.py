"""Pair accuracy inside groups: XGAUC by user and day, Video-XAUC by video, Duration-XAUC by decile.

Source: docs/methods/metrics.md#grouped-pair-accuracy.

Shapes: B rows, U groups.
"""

from typing import Literal

import numpy as np

from tasks.evaluate.metrics.concordance import row_concordance
from tasks.evaluate.metrics.groups import Groups, user_days
from tasks.evaluate.metrics.inputs import Array, FloatArray, finite_rows
from tasks.evaluate.metrics.pairwise import LabelUnit, input_order_score, pair_label
from tasks.evaluate.metrics.ratio import ratio
from tasks.evaluate.metrics.user_statistics import UserSums


def grouped_xauc(
    label_B: Array,
    prediction_B: Array,
    groups: Groups,
    weight: Literal["rows", "pairs", "equal"] = "rows",
    label_unit: LabelUnit = "s",
) -> UserSums:
    """Returns the weighted mean of XAUC over groups with a comparable pair.

    XGAUC is that inside a user's days (`xgauc`). Inside users over several days it is another measure, across days.

    Args:
        label_B: [B] watch time, s.
        prediction_B: [B] scores.
        groups: Users, videos, or duration deciles (ranking skill that duration alone cannot give). Only with users
            may the result be resampled.
        weight: `rows` is the default metric, `pairs` weights by comparable pairs (`xgauc_pairs`), `equal` does not
            weight (`xgauc_mean`).
        label_unit: As in `pairwise.pair_label`.

    Raises:
        ValueError: If a value is not finite, the lengths differ or the weight is unknown.
    """
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    rows = row_concordance(pair_label(label_B, label_unit), prediction_B, groups)
    concordant_U, comparable_U = groups.sum(rows.concordant_B) / 2, groups.sum(rows.comparable_B) / 2
    weights_U = {"rows": groups.rows().astype(np.float64), "pairs": comparable_U, "equal": np.ones(groups.num_groups)}
    if weight not in weights_U:
        raise ValueError(f"weight is {weight!r}, allowed are {sorted(weights_U)}")
    return weighted_groups(concordant_U, comparable_U, weights_U[weight], groups, "groups without a comparable pair")


def xgauc(
    label_B: Array, prediction_B: Array, users: Groups, days: Groups | None = None, label_unit: LabelUnit = "s"
) -> UserSums:
    """Returns XGAUC, pair accuracy inside a user's day, as sums per user.

    Args:
        label_B: [B] watch time, s.
        prediction_B: [B] scores.
        users: User of each row.
        days: Local day of each row; None where all rows are of one.
        label_unit: As in `pairwise.pair_label`.
    """
    groups = users if days is None else user_days(users, days)
    return grouped_xauc(label_B, prediction_B, groups, label_unit=label_unit).of_users(users)


def xgauc_cwm(label_B: Array, prediction_B: Array, users: Groups, label_unit: LabelUnit = "s") -> UserSums:
    """Returns XGAUC as the public CWM code has it, only to compare with published numbers.

    Row-weighted over users with positive total watch; pairs judged as in `xauc_cwm`; a single row scores 1.

    Args:
        label_B: [B] watch time, s.
        prediction_B: [B] scores.
        users: Group of each row.
        label_unit: As in `pairwise.pair_label`.

    Raises:
        ValueError: If a value is not finite or the lengths differ.
    """
    label_B, prediction_B = finite_rows(label=label_B, prediction=prediction_B)
    code_B = pair_label(label_B, label_unit)
    rows = row_concordance(code_B, input_order_score(prediction_B), users)
    rows_U = users.rows()
    pairs_U = rows_U * (rows_U - 1) / 2
    correct_U = pairs_U - (users.sum(rows.comparable_B) - users.sum(rows.concordant_B)) / 2
    single_U = rows_U == 1
    watched_U = users.sum(code_B) > 0
    return weighted_groups(
        correct_U + single_U, (pairs_U + single_U) * watched_U, rows_U.astype(np.float64), users, "users without watch"
    )


def weighted_groups(
    correct_U: FloatArray, pairs_U: FloatArray, weight_U: FloatArray, groups: Groups, reason: str
) -> UserSums:
    """Returns the statistic sum weight correct/pairs over sum weight, of groups with pairs.

    Args:
        correct_U: [U] correct pairs.
        pairs_U: [U] pairs; groups with 0 are dropped.
        weight_U: [U] weights.
        groups: Group of each row.
        reason: Why groups without pairs have none.
    """
    used_U = pairs_U > 0
    rows_U = groups.rows()
    num_dropped = int(((rows_U > 0) & ~used_U).sum())
    accuracy_U = ratio(correct_U, pairs_U, undefined=0.0)
    return UserSums(
        numerator_U=weight_U * accuracy_U,
        denominator_U=weight_U * used_U,
        num_rows=int(rows_U[used_U].sum()),
        num_groups=int(used_U.sum()),
        num_dropped=num_dropped,
        dropped_reason=reason if num_dropped else "",
    )
