"""Paired differences between the feedback-aware recipe and every other one, on identical rows."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scipy.stats import norm

from tasks.evaluate.compare import compare
from tasks.evaluate.comparison import PairedMetric
from tasks.evaluate.config import EvaluationConfig

CANDIDATE = "feedback_aware"
METRICS = {"xauc": "XAUC", "xgauc": "XGAUC", "auc_skip": "skip AUC"}


def differences(tables: Mapping[str, Path], config: EvaluationConfig) -> dict[str, dict[str, dict[str, Any]]]:
    """Return recipe -> metric -> value of the recipe, and feedback-aware minus recipe with its interval.

    The interval holds the sampling of users, paired, and the variance between fits of both sides.

    Args:
        tables: recipe -> prediction table of the judge rows, the feedback-aware recipe among them.
        config: how uncertainty is drawn.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, table in tables.items():
        comparison = compare([tables[CANDIDATE]], [table], config)
        found[name] = {
            metric: _numbers(comparison.metrics[metric], config.confidence)
            for metric in METRICS
            if metric in comparison.metrics
        }
        found[name]["judged"] = {"rows": comparison.rows, "users": comparison.users}
    return found


def with_seed_variance(metric: PairedMetric) -> float:
    """Return the s.e. of the difference of two seed-averaged models: users and seeds.

    NaN where a side has one seed only: its seed variance is then unknown.
    """
    return math.sqrt(
        metric.standard_error**2
        + metric.candidate_seed_sd**2 / metric.candidate_num_seeds
        + metric.reference_seed_sd**2 / metric.reference_num_seeds
    )


def over_users_and_seeds(metric: PairedMetric, level: float) -> dict[str, float]:
    """Return the ends of the interval of a difference, `low` and `high`; NaN where a side has one seed only."""
    reach = float(norm.ppf(0.5 + level / 2)) * with_seed_variance(metric)
    return {"low": metric.value - reach, "high": metric.value + reach}


def known_ends(metric: PairedMetric, level: float) -> dict[str, float]:
    """Return the ends as `over_users_and_seeds` does; of one seed, whose variance is unknown, those over users alone."""
    ends = over_users_and_seeds(metric, level)
    return ends if math.isfinite(ends["low"]) else {"low": metric.low, "high": metric.high}


def _numbers(metric: PairedMetric, level: float) -> dict[str, Any]:
    return {
        "value": metric.reference,
        "seed_sd": metric.reference_seed_sd,
        "delta": metric.value,
        **over_users_and_seeds(metric, level),
        "low_users_only": metric.low,
        "high_users_only": metric.high,
    }
