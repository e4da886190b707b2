"""Every metric that is reported, compared or guarded: what it is called, what it reads, which way is better, where it is used.

Definitions: docs/methods/metrics.md. The statistics are computed in `tasks.evaluate.headline`, `measure_side` of
`tasks.evaluate.side` and `tasks.evaluate.exposed`; the margins of the gate stand in `tasks.gate.config`.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tasks.core.errors import ConfigError
from tasks.core.labels import LABELS
from tasks.core.predictions import MEAN, MEDIAN, SCORE, probability

TASK_LABELS = {
    "skip": "fast skip",
    "valid_play": "valid play",
    "long_view": "long view",
    "profile_enter": "profile visit",
}
"""Binary tasks whose name in words is not their name with spaces."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: key in `metrics.json`, in comparisons and in decisions.
        label: as a person reads it.
        meaning: what it says, for somebody who does not know the name; empty: the page's glossary leaves it out.
        column: output of the prediction table that it reads.
        higher_is_better: direction; None where the best value lies between (signed errors, ratios).
        unit: "s", "%" (the value is multiplied by 100 to be shown) or "".
        digits: decimals shown.
        task: the binary task it measures, if any.
        exposure: "random" or "snips" for estimates under uniform exposure; empty for logged rows.
    """

    name: str
    label: str
    meaning: str = ""
    column: str = MEAN
    higher_is_better: bool | None = False
    unit: str = ""
    digits: int = 4
    task: str | None = None
    exposure: str = ""


def task_label(task: str) -> str:
    """Return a binary task in words."""
    return TASK_LABELS.get(task, task.replace("_", " "))


def _pairs(name: str, label: str, meaning: str, exposure: str = "") -> Metric:
    return Metric(name, label, meaning, SCORE, higher_is_better=True, exposure=exposure)


def _long_views(name: str, label: str, meaning: str, exposure: str) -> Metric:
    column = probability("long_view")
    return Metric(name, label, meaning, column, higher_is_better=True, task="long_view", exposure=exposure)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _pairs("xauc", "XAUC", "share of pairs of impressions that the score puts in the order they were watched"),
        _pairs("xgauc", "XGAUC", "the same among the impressions of one user, averaged over users by rows"),
        _pairs("video_xauc", "Video-XAUC", "the same among the impressions of one video"),
        _pairs(
            "duration_xauc", "Duration-XAUC", "the same among videos of like duration: what duration cannot give"
        ),
        Metric("mae", "MAE", "mean absolute error of the predicted median", MEDIAN, unit="s", digits=2),
        Metric("nmae", "nmae", column=MEDIAN),
        Metric("rmse", "RMSE", "root mean squared error of the predicted mean", unit="s", digits=2),
        Metric("rmse_ratio", "Relative RMSE", unit="%", digits=2),
        Metric("tre", "tre"),
        Metric(
            "tre_signed", "Total error", "sum of predicted seconds off the sum of watched ones, signed",
            higher_is_better=None, unit="%", digits=1,
        ),
        Metric("dce_rel", "DCE", "calibration error by duration decile, averaged by rows", unit="%", digits=1),
        Metric("dce_s", "dce s"),
        Metric("dce_max", "Worst decile", "calibration error of the worst duration decile", unit="%", digits=1),
        Metric("pce", "PCE", "calibration error by decile of the prediction", unit="%", digits=1),
        _pairs("random_xauc", "XAUC, exposed at random", "XAUC of the rows exposed at random: videos at large", "random"),
        _long_views(
            "random_auc_long_view", "AUC long view, exposed at random", "AUC of long views of those rows", "random"
        ),
        _pairs(
            "snips_xauc", "XAUC, reweighted", "XAUC of logged rows, reweighted to uniform exposure (SNIPS)", "snips"
        ),
        _long_views(
            "snips_auc_long_view", "AUC long view, reweighted", "AUC of long views, reweighted in the same way", "snips"
        ),
        _pairs("xauc_new_user", "XAUC, new users", "XAUC of users first seen that day"),
        _pairs("xauc_new_video", "XAUC, new videos", "XAUC of videos first shown that day"),
    )
}  # fmt: skip
"""Metrics with a name of their own, in the order in which the glossary explains them."""

_TASK_FAMILIES = (
    Metric(
        "gauc", "GAUC {task}", "AUC among the impressions of one user, averaged over users by rows",
        higher_is_better=True,
    ),
    Metric("auc", "AUC {task}", "share of pairs of one positive and one negative put in order", higher_is_better=True),
    Metric("ece", "ECE {task}", "calibration error of the probability"),
    Metric("logloss", "logloss {plain}"),
    Metric("calibration_ratio", "calibration ratio {plain}", higher_is_better=None),
)  # fmt: skip
"""Metrics that every binary task has: `<family>_<task>`."""
_LISTS = {"wt": True, "pcr": True, "skip": False, "like": True} | {
    f"{what}_{task}": True for what in ("ndcg", "recall") for task in LABELS
}
"""Metrics of the top of a list, `<what>@<length>`: whether higher is better."""

SUMMARY = (
    *("xauc", "xgauc", "video_xauc", "duration_xauc", "mae", "nmae", "rmse", "tre", "tre_signed"),
    *("dce_rel", "dce_s", "dce_max", "pce", "auc_skip", "auc_long_view", "gauc_long_view"),
)
"""Headline metrics that `dvc metrics show` lists, those that are defined."""
SUMMARY_INTERVALS = ("xauc", "xgauc", "mae")
"""Of these, the ones with their interval, and those printed at the end of a night."""
PAIRED = ("xauc", "xgauc", "mae", "rmse_ratio")
"""Differences that the table of all models shows."""
READING_ORDER = (*PAIRED, "xauc_new_user", "xauc_new_video", "gauc_long_view", "auc_skip")
"""Order of differences on the page; the rest follows by name."""

TESTED = ("xauc", "xgauc")
"""Metrics an upgrade must improve one of, and keep the other of, within margins."""
HARM_GUARDRAILS: Mapping[str, tuple[str, ...]] = {
    "ranking_harm": ("xgauc", "gauc_long_view", "auc_skip"),
    "cold_start_harm": ("xauc_new_user", "xauc_new_video"),
}
"""Limit in `GatePolicy` -> metrics of a comparison that must show no evidence of harm beyond it."""
SPARSE_GUARDRAIL = "auc"
"""Statistic of the remaining binary tasks, guarded by `sparse_harm` where they have enough positives."""
EXPOSURES = ("random", "snips")
"""Estimates under uniform exposure, the more trustworthy first ..."""
EXPOSED_GUARDRAILS = ("xauc", "auc_long_view")
"""... of these metrics, guarded by `exposure_harm`."""


def find(name: str) -> Metric | None:
    """Return a metric by its name, be it listed, of a task's family or of a list; None where there is none."""
    if name in METRICS:
        return METRICS[name]
    what, at, length = name.partition("@")
    if at:
        known = what in _LISTS and length.isdigit()
        return Metric(name, name.replace("_", " "), column=SCORE, higher_is_better=_LISTS[what]) if known else None
    for family in _TASK_FAMILIES:
        task = name.removeprefix(f"{family.name}_")
        if task != name and task in LABELS:
            label = family.label.format(task=task_label(task), plain=task.replace("_", " "))
            return replace(family, name=name, label=label, column=probability(task), task=task)
    return None


def metric(name: str) -> Metric:
    """Return a metric by its name.

    Raises:
        ConfigError: if there is none of that name; the message names the nearest.
    """
    found = find(name)
    if found is None:
        families = [f"{family.name}_{task}" for family in _TASK_FAMILIES for task in LABELS]
        near = difflib.get_close_matches(name, [*METRICS, *families], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"there is no metric {name!r}{hint} (catalogue: {', '.join(METRICS)}, <family>_<task>, <list>@<k>)"
        )
    return found


def label(name: str) -> str:
    """Return how a metric is called on paper; one that is not in the catalogue keeps its name."""
    found = find(name)
    return name.replace("_", " ") if found is None else found.label


def is_sparse(name: str) -> bool:
    """Whether a metric of a comparison is the ranking of a sparse binary task, which no other guardrail holds."""
    guarded = {member for group in HARM_GUARDRAILS.values() for member in group}
    return name == f"{SPARSE_GUARDRAIL}_{metric(name).task}" and name not in guarded
