"""The nowcast: what a day should show, its impressions known and its labels not used.

Source: docs/methods/forecast.md#nowcast.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tasks.forecast.intervals import bounds, errors
from tasks.forecast.law import Law, seeded_pairs
from tasks.forecast.measured import JudgedRows
from tasks.registry.forecast import Bounds, Metric, NightForecast


def nowcast(
    rows: JudgedRows,
    labelled: JudgedRows,
    own: JudgedRows,
    past: Sequence[NightForecast],
    between_nights: Mapping[Metric, float],
) -> dict[Metric, Bounds]:
    """Return XAUC, seconds watched and skip rate that a model's predictions promise; skips where it predicts them.

    Args:
        rows: the model's predictions of the day; labels are not read.
        labelled: those of earlier days by fits of its configuration, none trained on its day.
        own: those of the latest of these days.
        past: records of earlier nights.
        between_nights: spread of the metrics between earlier nights.
    """
    # The day's own labels err as those that were learnt from, by the number of rows.
    law, ratio = (math.sqrt(1 + len(learnt) / len(rows)) for learnt in (labelled, own))
    sampling, before, came = own.errors(len(rows)), own.predicted(), own.came()
    sampling = {metric: ratio * error for metric, error in sampling.items()} | {"xauc": law * labelled.xauc[1]}
    said: dict[Metric, float] = {"xauc": expected_xauc(rows, labelled)}
    for metric, promised in rows.predicted().items():
        if before.get(metric):  # a fit whose skips were too few to learn promises none
            said[metric] = promised * came[metric] / before[metric]
    return {
        metric: bounds(value, errors(past, "nowcast", metric), sampling[metric], between_nights.get(metric, 0.0))
        for metric, value in said.items()
        if math.isfinite(value + sampling[metric])
    }


def expected_xauc(rows: JudgedRows, labelled: JudgedRows) -> float:
    """Return the XAUC that the law of some labelled rows lets expect of others, the mean over seeds; NaN without a pair.

    Args:
        rows: those without labels.
        labelled: predictions of the same model.
    """
    if len(rows) < 2:
        return math.nan
    first_P, second_P = seeded_pairs(len(rows))
    found = []
    for seed in rows.table.seeds:
        law = Law.fit(labelled.watch, labelled.score(seed), labelled.duration)
        found.append(law.xauc(rows.score(seed), rows.duration, first_P, second_P))
    return float(np.mean(found))
