"""Every estimator on one log: value, bootstrap interval, diagnostics, and whether a verdict may rest on it."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tasks.evaluate.metrics.uncertainty import Interval, interval, user_bootstrap_weights
from tasks.evaluate.policy_value.config import PolicyValueConfig
from tasks.evaluate.policy_value.estimators import ESTIMATORS, Estimator
from tasks.evaluate.policy_value.log import Diagnostics, PolicyLog
from tasks.evaluate.policy_value.tuning import by_interval_overlap, by_mean_squared_error


@dataclass(frozen=True)
class PolicyValue(Interval):
    """The estimated mean reward per row of the evaluated policy; the reward model is held fixed in its interval.

    Attributes:
        estimator: key of `ESTIMATORS`.
        parameter: the clip, tau or lambda chosen; None where there is none.
        diagnostics: of the weights used.
        reason: why no verdict may rest on it; empty: one may.
    """

    estimator: str
    parameter: float | None
    diagnostics: Diagnostics
    reason: str


def estimate_value(
    log: PolicyLog, config: PolicyValueConfig, names: Sequence[str] = tuple(ESTIMATORS)
) -> tuple[PolicyValue, ...]:
    """Return the estimates of one log, all with the same resamples.

    The verdict rests on the overlap of the two policies, so it is refused for the direct method too, which uses no
    weight. Where only clipping or shrinking lifts the effective rows over the minimum, the estimate may be read, but is
    one of a cut policy.

    Args:
        log: rewards, weights and reward model.
        config: grids, resamples and minima.
        names: keys of `ESTIMATORS`.
    """
    weights_RU = user_bootstrap_weights(log.units.num_groups, config.replicates, seed=config.seed)
    grids = {"ips_clipped": config.clips, "snips_clipped": config.clips}
    grids |= {"switch_dr": config.taus, "dr_os": config.shrinkages}
    found = []
    for name in names:
        estimator = ESTIMATORS[name]
        parameter = _chosen(estimator, log, grids[name], config) if name in grids else None
        used = math.inf if parameter is None else parameter
        result = interval(estimator(log, used), weights_RU, config.confidence)
        weight_B = log.weight_B if name == "dm" else estimator.weights(log.weight_B, used)
        seen = Diagnostics.of(log.reward_B, weight_B)
        reason = seen.refusal(config.minimum_effective_rows, config.minimum_positives)
        found.append(
            PolicyValue(**asdict(result), estimator=name, parameter=parameter, diagnostics=seen, reason=reason)
        )
    return tuple(found)


def _chosen(estimator: Estimator, log: PolicyLog, grid: Sequence[float], config: PolicyValueConfig) -> float:
    candidates = [estimator(log, parameter) for parameter in grid]
    if config.choice == "mse":
        return grid[by_mean_squared_error(candidates)]
    return grid[by_interval_overlap(candidates, config.confidence)]
