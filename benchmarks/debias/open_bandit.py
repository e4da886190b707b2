"""Off-policy estimates on the Open Bandit logs, held against what the evaluated policy really earned.

Two logs of one week, campaign "men" of the small release: a uniform policy and Bernoulli Thompson sampling (BTS). Each
log estimates the other policy's clicks per row, which that policy's own log shows directly. Nothing is chosen by the
error that the tables report: clips, tau and lambda come from the log that estimates, the reward models are fixed below.

Shapes: B rows, A items, F context features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.parts.part import Options, Table
from tasks.core.errors import SourceError
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.policy_value import PolicyLog, PolicyValue, PolicyValueConfig, estimate_value
from tasks.evaluate.policy_value.cross_fit import RewardModel, cross_fitted
from tasks.evaluate.policy_value.reward_models import action_means, ridge

NUM_ITEMS, NUM_POSITIONS = 34, 3
PRIOR_ROWS = 500.0
"""Rows' worth of belief of both reward models in the mean click rate: a guess made before any result was seen."""
FIXED_CLIP = 10.0
REWARD_MODELS: dict[str, RewardModel] = {
    "item means": action_means(NUM_ITEMS, PRIOR_ROWS),
    "ridge": ridge(NUM_ITEMS, PRIOR_ROWS),
}
_NAMES = {
    "ips": "IPS",
    "ips_clipped": "IPS, clipped",
    "snips": "SNIPS",
    "snips_clipped": "SNIPS, clipped",
    "dm": "DM",
    "dr": "DR",
    "switch_dr": "Switch-DR",
    "dr_os": "DRos",
}
_WEIGHTED = ("ips", "snips", "ips_clipped", "snips_clipped")
_MODELLED = ("dm", "dr", "switch_dr", "dr_os")
_COLUMNS = (
    "estimator",
    "parameter",
    "clicks per row",
    "minus on-policy",
    "mean w",
    "max w",
    "ESS",
    "clicks",
    "verdict",
)


@dataclass(frozen=True, eq=False)
class BanditLog:
    """One log. The release names neither users nor requests, so the randomised unit is the row.

    Attributes:
        click_B: [B] 0/1.
        item_B: [B] shown item.
        position_B: [B] slot, from 0.
        propensity_B: [B] the logging policy's probability of the item in its slot.
        context_BF: [B, F] slot and user features, one-hot.
    """

    click_B: FloatArray
    item_B: IntArray
    position_B: IntArray
    propensity_B: FloatArray
    context_BF: FloatArray

    @property
    def rows(self) -> Groups:
        """Every row as its own unit."""
        return Groups(np.arange(self.click_B.size), self.click_B.size)

    @property
    def on_policy(self) -> PolicyLog:
        """The log seen from its own policy."""
        return PolicyLog.without_model(self.click_B, np.ones(self.click_B.size), self.rows)

    @property
    def item_shares(self) -> FloatArray:
        """[positions, A] share of each item in each slot."""
        count_PA = np.zeros((NUM_POSITIONS, NUM_ITEMS))
        np.add.at(count_PA, (self.position_B, self.item_B), 1)
        share_PA: FloatArray = count_PA / count_PA.sum(axis=1, keepdims=True)
        return share_PA


def read_logs(folder: Path) -> tuple[BanditLog, BanditLog]:
    """Return the uniform log and the BTS log.

    Args:
        folder: `open_bandit`, in the layout of the release.

    Raises:
        SourceError: if a file is absent.
    """
    frames = []
    for policy in ("random", "bts"):
        path = folder / policy / "men/men.csv"
        if not path.is_file():
            raise SourceError(f"{path} does not exist: the small Open Bandit release, campaign men, belongs there")
        frames.append(pl.read_csv(path))
    names = sorted(name for name in frames[0].columns if name.startswith("user_feature_"))
    levels = {name: sorted({value for frame in frames for value in frame[name]}) for name in names}
    uniform, bts = (_log(frame, levels) for frame in frames)
    return uniform, bts


def _log(frame: pl.DataFrame, levels: dict[str, list[str]]) -> BanditLog:
    slot = frame["position"].to_numpy() - 1
    one_hot = [np.eye(NUM_POSITIONS)[slot]]
    one_hot += [(frame[name].to_numpy()[:, None] == np.array(values)).astype(float) for name, values in levels.items()]
    return BanditLog(
        frame["click"].cast(pl.Float64).to_numpy(),
        frame["item_id"].to_numpy(),
        slot,
        frame["propensity_score"].to_numpy(),
        np.concatenate(one_hot, axis=1),
    )


def uniform_target(log: BanditLog) -> FloatArray:
    """Return pi_e [B, A] of the uniform policy."""
    return np.full((log.click_B.size, NUM_ITEMS), 1 / NUM_ITEMS)


def share_target(log: BanditLog, other: BanditLog) -> FloatArray:
    """Return pi_e [B, A] of the policy that shows items by slot as often as `other` did, whoever the user is."""
    return other.item_shares[log.position_B]


def seen_from(log: BanditLog, target_BA: FloatArray, model: RewardModel, config: PolicyValueConfig) -> PolicyLog:
    """Return the log as the evaluated policy sees it, with a cross-fitted reward model."""
    reward_BA = cross_fitted(
        model, log.context_BF, log.item_B, log.click_B, log.rows, folds=config.folds, seed=config.seed
    )
    return PolicyLog.of(log.click_B, log.item_B, log.propensity_B, target_BA, reward_BA, log.rows)


def run(options: Options) -> list[Table]:
    """Return on-policy values and both off-policy tasks."""
    config = PolicyValueConfig(replicates=200 if options.quick else 2000)
    uniform, bts = read_logs(options.data / "open_bandit")
    truth = {name: _on_policy(log, config) for name, log in (("uniform", uniform), ("BTS", bts))}
    note = "BTS is stood for by its item shares per slot: its probabilities given the context are not in the release."
    return [
        _on_policy_table(truth),
        _task("uniform policy from the BTS log", bts, uniform_target(bts), truth["uniform"], config, ()),
        _task("BTS from the uniform log", uniform, share_target(uniform, bts), truth["BTS"], config, (note,)),
    ]


def _on_policy(log: BanditLog, config: PolicyValueConfig) -> PolicyValue:
    return estimate_value(log.on_policy, config, ("ips",))[0]


def _on_policy_table(truth: dict[str, PolicyValue]) -> Table:
    rows = [
        [f"{name} policy", _percent(value), str(value.diagnostics.rows), str(value.diagnostics.positives)]
        for name, value in truth.items()
    ]
    notes = [
        "Bootstrap 95 % intervals over rows, 2,000 resamples. Reference "
        "(docs/methods/debias.md#off-policy-evaluation): .460 % [.33, .60] and .690 % [.53, .85].",
    ]
    numbers = {name: _numbers(value) for name, value in truth.items()}
    return Table(
        "Open Bandit, men: clicks per row on-policy", ("log", "clicks per row", "rows", "clicks"), rows, notes, numbers
    )


def _task(
    title: str,
    log: BanditLog,
    target_BA: FloatArray,
    truth: PolicyValue,
    config: PolicyValueConfig,
    notes: Sequence[str],
) -> Table:
    found = estimates(log, target_BA, config)
    return Table(
        f"Open Bandit, men: {title}",
        _COLUMNS,
        [_line(name, value, truth) for name, value in found.items()],
        [
            f"On-policy: {_percent(truth)}. Errors: normal 95 % interval over both logs.",
            *notes,
            f"Reward models ({', '.join(REWARD_MODELS)}; {PRIOR_ROWS:g} rows of belief in the mean) cross-fitted in "
            f"{config.folds} folds; parameters by estimated {config.choice.upper()} on the log that estimates.",
            *_what_clicks_show(found, truth),
        ],
        {name: {**_numbers(value), "error": _error(value, truth)} for name, value in found.items()},
    )


def estimates(log: BanditLog, target_BA: FloatArray, config: PolicyValueConfig) -> dict[str, PolicyValue]:
    """Return every estimate by its label: all estimators, and the two with a fixed clip."""
    fixed = config.model_copy(update={"clips": (FIXED_CLIP,)})
    found: dict[str, PolicyValue] = {}
    for label, model in REWARD_MODELS.items():
        seen = seen_from(log, target_BA, model, config)
        if not found:
            found = {_NAMES[value.estimator]: value for value in estimate_value(seen, config, _WEIGHTED)}
            clipped = estimate_value(seen, fixed, ("ips_clipped", "snips_clipped"))
            found |= {f"{_NAMES[value.estimator]} at {FIXED_CLIP:g}": value for value in clipped}
        modelled = estimate_value(seen, config, _MODELLED)
        found |= {f"{_NAMES[value.estimator]}, {label}": value for value in modelled}
    return found


def _what_clicks_show(found: dict[str, PolicyValue], truth: PolicyValue) -> list[str]:
    """Say what differences so few clicks can show at all."""
    errors = {name: _error(value, truth) for name, value in found.items()}
    outside = [name for name, error in errors.items() if not error["low"] <= 0 <= error["high"]]
    half = 1.96 * truth.standard_error / truth.value
    honest = [name for name in found if name in ("IPS", "SNIPS") or name.startswith("DR,")]
    widths = sorted(1.96 * errors[name]["standard_error"] / truth.value for name in honest)
    rows = truth.diagnostics.rows * (widths[0] / 0.1) ** 2
    excluded = f"Intervals that exclude 0: {', '.join(outside)}." if outside else "No error's interval excludes 0."
    return [
        f"{excluded} Intervals hold the reward model fixed, so those of DM, and of Switch-DR and DRos where they lean on "
        f"it, are too narrow; and {len(found)} correlated intervals say little about any one of them.",
        f"What {truth.diagnostics.positives} clicks can show: the on-policy value itself is known to ±{half:.0%} of its size, "
        f"the error of IPS, SNIPS or DR to ±{widths[0]:.0%} at best and ±{widths[-1]:.0%} at worst. Errors below that cannot be told "
        f"from none, nor good estimators from each other; ±10 % would take about {rows:,.0f} rows in either log. These "
        "tables show that the estimators are implemented correctly, not which is best.",
    ]


def _line(name: str, value: PolicyValue, truth: PolicyValue) -> list[str]:
    seen, error = value.diagnostics, _error(value, truth)
    parameter = "" if value.parameter is None else "none" if math.isinf(value.parameter) else f"{value.parameter:g}"
    return [
        name,
        parameter,
        _percent(value),
        f"{100 * error['value']:+.3f} % [{100 * error['low']:+.2f}, {100 * error['high']:+.2f}]",
        f"{seen.mean_weight:.3f}",
        f"{seen.max_weight:.1f}",
        f"{seen.effective_rows:,.0f}",
        str(seen.positives),
        value.reason or "may be read",
    ]


def _error(value: PolicyValue, truth: PolicyValue) -> dict[str, float]:
    """Return estimate - on-policy value; the two logs are independent, so their variances add."""
    difference, error = value.value - truth.value, math.hypot(value.standard_error, truth.standard_error)
    return {
        "value": difference,
        "standard_error": error,
        "low": difference - 1.96 * error,
        "high": difference + 1.96 * error,
    }


def _percent(value: PolicyValue) -> str:
    return f"{100 * value.value:.3f} % [{100 * value.low:.2f}, {100 * value.high:.2f}]"


def _numbers(value: PolicyValue) -> dict[str, Any]:
    seen = value.diagnostics
    return {
        "value": value.value,
        "low": value.low,
        "high": value.high,
        "standard_error": value.standard_error,
        "parameter": None if value.parameter is None or math.isinf(value.parameter) else value.parameter,
        "mean_weight": seen.mean_weight,
        "max_weight": seen.max_weight,
        "effective_rows": seen.effective_rows,
        "positives": seen.positives,
        "reason": value.reason,
    }
