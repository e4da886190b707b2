"""Metrics as the code of publications has them, beside ours: only to hold a figure against theirs.

Sources: docs/methods/metrics.md#pair-accuracy, docs/methods/metrics.md#point-errors,
docs/methods/metrics.md#watch-time-gain-in-lists.

Shapes: B rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.core.files import write_json
from tasks.evaluate.metrics import lists, point
from tasks.evaluate.metrics.distribution import kl_histogram
from tasks.evaluate.metrics.grouped import xgauc_cwm
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.pairwise import xauc_cwm, xauc_sortgt, xauc_strict
from tasks.evaluate.metrics.ranked_lists import RankedLists, rank_lists, tie_hash
from tasks.evaluate.metrics.watch_time_gain import GainTable, fit_gain_table, watch_time_gain
from tasks.evaluate.table import PredictionTable
from tasks.table.columns import open_columns

FILE = "as_published.json"
LENGTH = 10
"""Videos at the top of a list, as WTG-DVR has them on Kuaishou."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """One fit on the rows that the product's own policy exposed.

    Attributes:
        watch_B: watched seconds.
        score_B: ranking score.
        mean_B: expected seconds.
        gain_B: watch-time gain.
        users: user of each row.
        ranked: each user's list by score.
    """

    watch_B: FloatArray
    score_B: FloatArray
    mean_B: FloatArray
    gain_B: FloatArray
    users: Groups
    ranked: RankedLists


@dataclass(frozen=True)
class PublishedMetric:
    """A metric of published code.

    Attributes:
        meaning: how it counts, in which unit, and whose it is.
        value: computes it.
        across_days: whether it orders a user's rows of different days, which fresh features make meaningless.
    """

    meaning: str
    value: Callable[[_Rows], float]
    across_days: bool = False


PUBLISHED: Mapping[str, PublishedMetric] = {
    "xauc_strict": PublishedMetric(
        "XAUC, strict, ms: ties of either kind wrong (DADF)",
        lambda rows: xauc_strict(rows.watch_B, rows.score_B, "ms").value,
    ),
    "xauc_cwm": PublishedMetric(
        "XAUC, s: tied labels right (CWM)", lambda rows: xauc_cwm(rows.watch_B, rows.score_B).value
    ),
    "xauc_sortgt": PublishedMetric(
        "XAUC, ms: tied labels wrong, tied scores in input order (DIFL, GR)",
        lambda rows: xauc_sortgt(rows.watch_B, rows.score_B, "ms").value,
    ),
    "xgauc_cwm": PublishedMetric(
        "XGAUC, s: the same, users of one row score 1, days pooled (CWM)",
        lambda rows: xgauc_cwm(rows.watch_B, rows.score_B, rows.users).value,
        across_days=True,
    ),
    "nrmse": PublishedMetric(
        "RMSE over the deviation of the label", lambda rows: point.nrmse(rows.watch_B, rows.mean_B).value
    ),
    "mre": PublishedMetric(
        "mean relative error, over the prediction (TranSUN)", lambda rows: point.mre(rows.watch_B, rows.mean_B).value
    ),
    "kl_histogram": PublishedMetric(
        "divergence of the histograms of label and prediction, 100 bins (EGMN)",
        lambda rows: kl_histogram(rows.watch_B, rows.mean_B).value,
    ),
    f"bounces@{LENGTH}": PublishedMetric(
        "videos watched for at most 2 s at the top of a list (WTG-DVR)",
        lambda rows: lists.bounce_count_at_k(rows.ranked, rows.watch_B, LENGTH).value,
    ),
    f"wtg@{LENGTH}": PublishedMetric(
        "mean watch-time gain at the top of a list (WTG-DVR)",
        lambda rows: lists.wtg_at_k(rows.ranked, rows.gain_B, LENGTH).value,
    ),
    f"dcg_wtg@{LENGTH}": PublishedMetric(
        "the same, discounted by rank (WTG-DVR)",
        lambda rows: lists.dcg_wtg_at_k(rows.ranked, rows.gain_B, LENGTH).value,
    ),
    f"ndcg_wtg@{LENGTH}": PublishedMetric(
        "the same over that of the ideal order, gains clipped (ours)",
        lambda rows: lists.ndcg_wtg_at_k(rows.ranked, rows.gain_B, LENGTH).value,
    ),
}
"""In the unit of the labels there: whole milliseconds, whole seconds for CWM. Lists: users with more rows than the length."""


def gain_table(table: Path) -> GainTable:
    """Return mean and deviation of the watch time by duration of the fit rows of a training table."""
    columns = open_columns(table / "fit")
    return fit_gain_table(np.asarray(columns["watch_s"]), np.asarray(columns["duration_s"]))


def write_as_published(predictions: Path, gains: GainTable, out: Path, frozen: bool) -> None:
    """Write each metric's mean over the fits, of the rows that the product's own policy exposed; undefined ones as null.

    Args:
        predictions: the judge days' table.
        gains: of the fit rows.
        out: folder of `FILE`.
        frozen: whether features are of one morning; else metrics across days are undefined.

    Raises:
        PredictionError: if a prediction is NaN or infinite.
    """
    table = PredictionTable.read(out.name, [predictions])
    kept = np.flatnonzero(table.logged)
    of_seeds = [_rows(table, seed, kept, gains) for seed in table.seeds]
    values = {
        name: float(np.mean([metric.value(rows) for rows in of_seeds]))
        for name, metric in PUBLISHED.items()
        if frozen or not metric.across_days
    }
    found = {name: values.get(name, float("nan")) for name in PUBLISHED}
    write_json(out / FILE, {name: value if np.isfinite(value) else None for name, value in found.items()})


def _rows(table: PredictionTable, seed: int, kept: IntArray, gains: GainTable) -> _Rows:
    users = Groups(table.user, table.num_users).subset(kept)
    user_B, video_B, time_B = (table.frame[name].to_numpy()[kept] for name in ("user_id", "video_id", "event_time_ms"))
    watch_B, score_B = table.y[kept], table.score(seed)[kept]
    return _Rows(
        watch_B=watch_B,
        score_B=score_B,
        mean_B=table.watch_mean(seed)[kept],
        gain_B=watch_time_gain(watch_B, table.duration[kept], gains),
        users=users,
        ranked=rank_lists(users, score_B, tie_hash(user_B, video_B, time_B, seed=0)),
    )
