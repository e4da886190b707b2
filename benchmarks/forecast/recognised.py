"""The field's methods of estimating metrics without labels, DLE and CBPE, and the same metrics by the project's law.

Source: docs/methods/forecast.md#recognised-methods. All learn on labelled rows that the model was not trained on and estimate
for rows whose labels are not read. Shapes: B rows, S labelled rows, F features.
"""

from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np
from sklearn.isotonic import IsotonicRegression

from tasks.evaluate.metrics import point
from tasks.evaluate.metrics.classification import auc
from tasks.evaluate.metrics.inputs import Array, FloatArray
from tasks.forecast.law import Law, seeded_pairs
from tasks.forecast.measured import JudgedRows

SEED = 0
TREES: Mapping[str, Any] = {
    "n_estimators": 60,
    "num_leaves": 15,
    "min_child_samples": 40,
    "n_jobs": 1,
    "verbose": -1,
}
WINSORISED = 0.995
"""Quantile that squared errors are cut at: videos of minutes would decide alone."""
FEATURES = ("scene", "hour", "is_new_user", "is_new_video")
Estimates = dict[str, float]


def realised(rows: JudgedRows) -> Estimates:
    """Return what labels say."""
    watch_B, mean_B, median_B = _seconds(rows)
    return {
        "mae": point.mae(watch_B, median_B).value,
        "rmse": point.rmse(watch_B, mean_B).value,
        "tre_signed": point.tre_signed(watch_B, mean_B).value,
        "auc_skip": auc(_skip(rows), _chance(rows)).value,
    }


def recognised(labelled: JudgedRows, rows: JudgedRows) -> Estimates:
    """Return the errors of seconds by DLE, the AUC of skip by CBPE."""
    watch_S, mean_S, median_S = _seconds(labelled)
    _, mean_B, _ = _seconds(rows)
    inputs_SF, inputs_BF = _inputs(labelled), _inputs(rows)
    squared_S = np.square(watch_S - mean_S)
    losses = {
        "mae": np.abs(watch_S - median_S),
        "rmse": np.minimum(squared_S, np.quantile(squared_S, WINSORISED)),
        "tre_signed": mean_S - watch_S,
    }
    mean_loss = {}
    for name, loss_S in losses.items():
        trees = lightgbm.LGBMRegressor(**TREES, random_state=SEED).fit(inputs_SF, loss_S)
        mean_loss[name] = float(np.mean(np.asarray(trees.predict(inputs_BF))))
    return {
        "mae": mean_loss["mae"],
        "rmse": float(np.sqrt(max(mean_loss["rmse"], 0))),
        "tre_signed": mean_loss["tre_signed"] / float(mean_B.mean()),
        "auc_skip": cbpe_auc(_calibrated(labelled, rows)),
    }


def by_law(labelled: JudgedRows, rows: JudgedRows) -> Estimates:
    """Return the same by the empirical law of labels given score and duration group."""
    watch_S, _, _ = _seconds(labelled)
    _, mean_B, median_B = _seconds(rows)
    seed = rows.table.seeds[0]
    law = Law.fit(watch_S, labelled.score(seed), labelled.duration)
    cell_S, cell_B = law.cells(labelled.score(seed), labelled.duration), law.cells(rows.score(seed), rows.duration)
    absolute, squared, signed = 0.0, 0.0, 0.0
    for cell in np.unique(cell_B):
        inside = cell_B == cell
        label_1S = watch_S[cell_S == cell][None, :]
        absolute += float(np.abs(label_1S - median_B[inside][:, None]).mean(axis=1).sum())
        squared += float(np.square(label_1S - mean_B[inside][:, None]).mean(axis=1).sum())
        signed += float((mean_B[inside] - label_1S.mean()).sum())
    of_skip = Law.fit(_skip(labelled).astype(np.float64), _chance(labelled), labelled.duration)
    return {
        "mae": absolute / len(rows),
        "rmse": float(np.sqrt(squared / len(rows))),
        "tre_signed": signed / float(mean_B.sum()),
        "auc_skip": of_skip.xauc(_chance(rows), rows.duration, *seeded_pairs(len(rows))),
    }


def cbpe_auc(chance_B: FloatArray) -> float:
    """Return the AUC to be expected if every probability is true: pairs of a skip and none, weighed by their chance."""
    ordered, tie_B = np.unique(chance_B, return_inverse=True)
    skips, others = np.bincount(tie_B, chance_B), np.bincount(tie_B, 1 - chance_B)
    below = np.cumsum(others) - others
    same_row = np.bincount(tie_B, chance_B * (1 - chance_B))
    ranked = float((skips * below).sum() + 0.5 * (skips * others - same_row).sum())
    return ranked / float(skips.sum() * others.sum() - same_row.sum()) if ordered.size > 1 else 0.5


def _calibrated(labelled: JudgedRows, rows: JudgedRows) -> FloatArray:
    """Return probabilities of skips, mapped by isotonic regression where that lowers the mean calibration error of three splits."""
    label_S, chance_S, chance_B = _skip(labelled), _chance(labelled), _chance(rows)
    fold_S = np.random.default_rng(SEED).integers(0, 3, label_S.size)
    before, after = [], []
    for fold in range(3):
        kept, out = fold_S != fold, fold_S == fold
        mapped = _isotonic(chance_S[kept], label_S[kept]).predict(chance_S[out])
        before.append(_ece(chance_S[out], label_S[out]))
        after.append(_ece(mapped, label_S[out]))
    if np.mean(after) >= np.mean(before):
        return chance_B
    mapped_B: FloatArray = _isotonic(chance_S, label_S).predict(chance_B)
    return mapped_B


def _isotonic(chance: FloatArray, label: Array) -> IsotonicRegression:
    return IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(chance, label)


def _ece(chance: FloatArray, label: Array, bins: int = 10) -> float:
    bin_of = np.minimum((chance * bins).astype(int), bins - 1)
    gap = np.bincount(bin_of, chance - label, bins)
    return float(np.abs(gap).sum() / label.size)


def _seconds(rows: JudgedRows) -> tuple[FloatArray, FloatArray, FloatArray]:
    seed = rows.table.seeds[0]
    return rows.watch, rows.table.watch_mean(seed)[rows.index], rows.table.watch_median(seed)[rows.index]


def _skip(rows: JudgedRows) -> Array:
    return rows.table.label("skip")[rows.index]


def _chance(rows: JudgedRows) -> FloatArray:
    return rows.table.probability("skip", rows.table.seeds[0])[rows.index]


def _inputs(rows: JudgedRows) -> FloatArray:
    _, mean_B, median_B = _seconds(rows)
    score_B = rows.score(rows.table.seeds[0])
    segments = [rows.table.segment(name)[rows.index] for name in FEATURES]
    return np.column_stack([score_B, mean_B, median_B, rows.duration, rows.table.popularity[rows.index], *segments])
