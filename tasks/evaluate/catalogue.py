"""Every metric that is reported, compared or guarded: what it is called, what it reads, which way is better, where it is used.

Definitions: docs/methods/metrics.md. The statistic of each name stands in `tasks.evaluate.headline`, under uniform
exposure in `tasks.evaluate.exposed`; the margins of the gate stand in `tasks.gate.config`.
"""

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.core.errors import ConfigError
from tasks.core.labels import LABELS
from tasks.core.predictions import MEAN, MEAN_UNIFORM, MEDIAN, SCORE, probability

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
        signed: whether its sign says something and is always shown.
        family: the statistic that every binary task has, and ...
        task: ... the task it measures, if any.
        base: the metric that this one is of: on some of the rows, under another exposure, or as a ratio of two models.
        segment: flag of the prediction table that its rows have; empty: all rows.
        exposure: "random" or "snips" for estimates under uniform exposure; empty for logged rows.
    """

    name: str
    label: str
    meaning: str = ""
    column: str = MEAN
    higher_is_better: bool | None = False
    unit: str = ""
    digits: int = 4
    signed: bool = False
    family: str = ""
    task: str | None = None
    base: str = ""
    segment: str = ""
    exposure: str = ""

    def difference(self, value: float | None) -> str:
        """Return a difference of it in words: signed, with its unit, and one digit more than tables show.

        A value just beyond a limit then reads as such.
        """
        if value is None or not math.isfinite(value):
            return "undefined"
        return f"{value * self._factor:+.{self.digits + 1}f}{self._suffix}"

    def limit(self, value: float, sign: str = "+") -> str:
        """Return a limit on it in words, with its unit.

        Args:
            value: the limit.
            sign: "+" for that of a difference, "±" for that of a size, "" for none.
        """
        shown = f"{value * self._factor:+g}" if sign == "+" else f"{sign}{value * self._factor:g}"
        return f"{shown}{self._suffix}"

    @property
    def _factor(self) -> int:
        return 100 if self.unit == "%" else 1

    @property
    def _suffix(self) -> str:
        return f" {self.unit}" if self.unit else ""


@dataclass(frozen=True)
class LevelGuardrail:
    """A guardrail on the size of one metric of the challenger alone.

    Attributes:
        metric: its name.
        limit: field of `GatePolicy`: the largest size.
        slack: field of `GatePolicy`: where the champion's own size plus this is larger, that is the limit; empty: never.
    """

    metric: str
    limit: str
    slack: str = ""


def task_label(task: str) -> str:
    """Return a binary task in words."""
    return TASK_LABELS.get(task, task.replace("_", " "))


def _pairs(name: str, label: str, meaning: str, *, segment: str = "", exposure: str = "") -> Metric:
    base = "xauc" if segment or exposure else ""
    return Metric(name, label, meaning, SCORE, True, base=base, segment=segment, exposure=exposure)


def _long_views(name: str, label: str, meaning: str, exposure: str) -> Metric:
    column = probability("long_view")
    return Metric(name, label, meaning, column, True, task="long_view", base="auc_long_view", exposure=exposure)


ACROSS_DAYS = "xgauc_across_days"
"""XGAUC with pairs of a user's rows of different days; of a single day it is `xgauc`."""
NEVER_BESIDE_FRESH = (
    "their features are of every morning, so the state of a later row holds the labels of earlier ones, and an order across "
    "days is rewarded for knowing them; ask for xgauc (within a user's day), or freeze the features before the first judge day "
    "(`days.frozen: true` of a protocol)"
)
"""Why that metric is refused, and what to do."""

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _pairs("xauc", "XAUC", "share of pairs of impressions that the score puts in the order they were watched"),
        _pairs("xgauc", "XGAUC", "the same among the impressions of one user and day, averaged over these by rows"),
        _pairs(ACROSS_DAYS, "XGAUC across days", ""),
        _pairs("video_xauc", "Video-XAUC", "the same among the impressions of one video"),
        _pairs(
            "duration_xauc", "Duration-XAUC", "the same among videos of like duration: what duration cannot give"
        ),
        Metric("mae", "MAE", "mean absolute error of the predicted median", MEDIAN, unit="s", digits=2),
        Metric("nmae", "nmae", column=MEDIAN),
        Metric("rmse", "RMSE", "root mean squared error of the predicted mean", unit="s", digits=2),
        Metric("rmse_ratio", "Relative RMSE", unit="%", digits=2, base="rmse"),
        Metric("tre", "tre"),
        Metric(
            "tre_signed", "Total error", "sum of predicted seconds off the sum of watched ones, signed",
            higher_is_better=None, unit="%", digits=1, signed=True,
        ),
        Metric("dce_rel", "DCE", "calibration error by duration decile, averaged by rows", unit="%", digits=1),
        Metric("dce_s", "dce s"),
        Metric("dce_max", "Worst decile", "calibration error of the worst duration decile", unit="%", digits=1),
        Metric("pce", "PCE", "calibration error by decile of the prediction", unit="%", digits=1),
        _pairs(
            "random_xauc", "XAUC, exposed at random", "XAUC of the rows exposed at random: videos at large",
            exposure="random",
        ),
        _long_views(
            "random_auc_long_view", "AUC long view, exposed at random", "AUC of long views of those rows", "random"
        ),
        _pairs(
            "snips_xauc", "XAUC, reweighted", "XAUC of logged rows, reweighted to uniform exposure (SNIPS)",
            exposure="snips",
        ),
        _long_views(
            "snips_auc_long_view", "AUC long view, reweighted", "AUC of long views, reweighted in the same way", "snips"
        ),
        *(
            Metric(
                f"{base}_uniform", f"{label}, uniform seconds", f"{label} of the mean seconds under uniform exposure",
                MEAN_UNIFORM, higher, unit, digits, signed=signed, base=base,
            )
            for base, label, higher, unit, digits, signed in (
                ("rmse", "RMSE", False, "s", 2, False), ("tre_signed", "Total error", None, "%", 1, True),
            )
        ),
        _pairs("xauc_new_user", "XAUC, new users", "XAUC of users first seen that day", segment="is_new_user"),
        _pairs("xauc_new_video", "XAUC, new videos", "XAUC of videos first shown that day", segment="is_new_video"),
    )
}  # fmt: skip
"""Metrics with a name of their own, in the order in which the glossary explains them."""

_TASK_FAMILIES = (
    Metric(
        "gauc", "GAUC {task}", "AUC among the impressions of one user and day, averaged over these by rows",
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
_PROPOSED = {
    metric.name: metric
    for metric in (
        Metric(
            "proposed_recall", "Recall", "share of a user's later watches that were proposed, of all videos there are, "
            "averaged over users", "", True,
        ),
        Metric("proposed_ndcg", "NDCG", "the same, early places counting more; the ideal holds all that was watched", "", True),
        Metric("proposed_tail_recall", "Recall of the tail", "recall of watched videos outside the head", "", True),
        Metric(
            "proposed_new_user_recall", "Recall of new users", "recall of users whom the fit days do not know", "", True
        ),
        Metric(
            "proposed_ceiling", "Ceiling", "recall of lists that know what is watched: no proposer knows a video without a "
            "row of the fit days", "", True,
        ),
        Metric(
            "proposed_gini", "Gini", "how unevenly the videos of the catalogue are proposed: 0 all alike, 1 always the same one",
            "",
        ),
        Metric("proposed_coverage", "Coverage", "share of the catalogue that is proposed to anybody", "", True, "%", 1),
    )
}  # fmt: skip
"""Metrics of proposals, `<name>@<length>`; they read no prediction table."""

SUMMARY = (
    *("xauc", "xgauc", "video_xauc", "duration_xauc", "mae", "nmae", "rmse", "tre", "tre_signed"),
    *("dce_rel", "dce_s", "dce_max", "pce", "auc_skip", "auc_long_view", "gauc_long_view"),
)
"""Headline metrics that a registry entry keeps, those that are defined."""
SUMMARY_INTERVALS = ("xauc", "xgauc", "mae")
"""Of these, the ones with their interval, and those printed at the end of a night."""
MAIN = ("xauc", "xgauc", "mae", "rmse", "tre_signed")
"""Metrics that every segment, exposure and `dvc metrics show` has: pair accuracy, errors in seconds, signed total error."""
CHANGED = (*MAIN, "auc_skip", "auc_long_view", "auc_like")
"""Metrics whose change from night to night is taken apart."""
UNIFORM = ("rmse_uniform", "tre_signed_uniform")
"""Errors of the seconds that hold under uniform exposure."""
LEADERBOARD = (*MAIN, "dce_max", "auc_skip", "auc_long_view")
"""Columns of the table of all models."""
CALIBRATION = ("tre_signed", "dce_rel", "dce_max", "pce")
"""Columns of the table of calibration errors, before those of the binary tasks."""
PAIRED = ("xauc", "xgauc", "mae", "rmse_ratio")
"""Differences that every comparison holds and the table of all models shows."""
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
LEVELS = ("rmse", "mae", "tre_signed", "dce_rel", "dce_max")
"""Metrics of each model alone that a comparison holds beside the differences."""
LEVEL_GUARDRAILS = (
    LevelGuardrail("tre_signed", "tre"),
    LevelGuardrail("dce_max", "dce_max", slack="dce_slack"),
)
"""Guardrails on some of these."""
EXPOSURES = ("random", "snips")
"""Estimates under uniform exposure, the more trustworthy first ..."""
EXPOSED_GUARDRAILS = ("xauc", "auc_long_view")
"""... of these metrics, guarded by `exposure_harm`."""


def find(name: str) -> Metric | None:
    """Return a metric by its name, be it listed, of a task's family or of a list; None where there is none."""
    if name in METRICS:
        return METRICS[name]
    what, at, length = name.partition("@")
    if at and what in _PROPOSED and length.isdigit():
        return replace(_PROPOSED[what], name=name, label=f"{_PROPOSED[what].label}@{length}")
    if at:
        known = what in _LISTS and length.isdigit()
        return Metric(name, name.replace("_", " "), column=SCORE, higher_is_better=_LISTS[what]) if known else None
    for family in _TASK_FAMILIES:
        task = name.removeprefix(f"{family.name}_")
        if task != name and task in LABELS:
            label = family.label.format(task=task_label(task), plain=task.replace("_", " "))
            return replace(family, name=name, label=label, column=probability(task), family=family.name, task=task)
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


def compared(tasks: Collection[str], sparse_tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics whose differences a comparison on logged rows holds.

    Args:
        tasks: binary tasks that both sides predict.
        sparse_tasks: those whose ranking is compared where both do.
    """
    guarded = [name for names in HARM_GUARDRAILS.values() for name in names]
    sparse = [f"{SPARSE_GUARDRAIL}_{task}" for task in sparse_tasks]
    names = dict.fromkeys([*PAIRED, *TESTED, *guarded, *sparse])
    return tuple(name for name in names if metric(name).task is None or metric(name).task in tasks)


def is_sparse(name: str) -> bool:
    """Whether a metric of a comparison is the ranking of a sparse binary task, which no other guardrail holds."""
    guarded = {member for group in HARM_GUARDRAILS.values() for member in group}
    return metric(name).family == SPARSE_GUARDRAIL and name not in guarded
