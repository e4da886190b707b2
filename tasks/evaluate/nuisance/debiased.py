"""Seconds and errors under uniform exposure of one model's judge day, with the gate on them (docs/methods/debias.md#every-pair-of-learners).

Shapes: B rows of the table, N logged rows and draws.
"""

from pathlib import Path

import numpy as np
import polars as pl

from models.weights import effective_sample_size
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import (
    Debiased,
    DebiasedMean,
    LearnedPropensity,
    LearnerPair,
    MeasuredNumber,
    PositionEffect,
    Quantity,
)
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.inputs import FloatArray, IntArray
from tasks.evaluate.metrics.point import row_ratio
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.evaluate.nuisance.config import NuisanceConfig
from tasks.evaluate.nuisance.grid import Gated, PartlyObserved, Propensities, fit_outcomes, fit_propensities, gated
from tasks.evaluate.nuisance.instrument import audit, slope
from tasks.evaluate.nuisance.population import UniformDraws, context_columns, video_columns
from tasks.evaluate.policy_value.tuning import sampling_error
from tasks.evaluate.table import PredictionTable

_COVERED = 0.95
"""Share of the logged rows whose scenes have random rows, below which random rows contradict nothing."""


def debiased(predictions: Path, config: EvaluationConfig, asked: NuisanceConfig) -> Debiased:
    """Return what `debiased.json` says, not yet rounded.

    Args:
        predictions: the prediction table of one model.
        config: seed, confidence, and effective rows below which an estimate does not count.
        asked: learners and bounds.

    Raises:
        ContractError: if a column is missing.
        PredictionError: if a prediction is NaN or infinite.
    """
    table = PredictionTable.read(predictions.parent.name, [predictions])
    at_random = np.flatnonzero(~table.logged)
    rows = len(table) - at_random.size
    weight_R, covered = _scene_weights(table, at_random)
    draws = UniformDraws.of(table, asked.draws, config.seed)
    reason = _too_few(rows, np.unique(table.user[table.logged]).size, asked)
    means: dict[Quantity, DebiasedMean] = {}
    said: tuple[LearnedPropensity, ...] = ()
    if not reason:
        outcomes: dict[Quantity, FloatArray] = {"seconds": table.y, "absolute_error": absolute_error(table)}
        propensities = fit_propensities(draws.with_outcome(table.y), asked, config.seed)
        said = _propensities(draws.with_outcome(table.y), propensities, asked)
        for quantity, outcome_B in outcomes.items():
            part = draws.with_outcome(outcome_B)
            expected_MN = fit_outcomes(part, asked, config.seed)
            found = gated(part, propensities, expected_MN, asked, config.seed)
            logged = _mean(outcome_B, draws.logged_B, table, config)
            known = _mean(outcome_B, at_random, table, config, weight_R) if at_random.size else None
            means[quantity] = _document(found, logged, known, covered, config, asked)
    return Debiased(
        rows=rows,
        random_rows=at_random.size,
        videos=draws.videos,
        reason=reason,
        propensities=said,
        means=means,
        position=position_effect(predictions, table, config, asked),
    )


def absolute_error(table: PredictionTable) -> FloatArray:
    """Return how far every row's seconds are from the predicted median, [B], averaged over seeds."""
    errors = [np.abs(table.y - table.watch_median(seed)) for seed in table.seeds]
    mean_B: FloatArray = np.mean(errors, axis=0)
    return mean_B


def position_effect(
    predictions: Path, table: PredictionTable, config: EvaluationConfig, asked: NuisanceConfig
) -> PositionEffect | None:
    """Return what one place further down does to the seconds; None where places or random rows are not logged.

    Args:
        predictions: the prediction table, whose places are read.
        table: the same, read.
        config: confidence of the interval.
        asked: rows below which nothing is estimated.
    """
    if "position" not in pl.read_parquet_schema(predictions):
        return None
    place_B = (
        pl.read_parquet(predictions, columns=["position"])["position"]
        .cast(pl.Float64)
        .fill_null(float("nan"))
        .to_numpy()
    )
    known = np.flatnonzero(np.isfinite(place_B))
    random_B = ~table.logged[known]
    few = known.size < asked.minimum_rows or random_B.all() or random_B.sum() <= 1
    if few or np.ptp(place_B[known][random_B]) == 0:
        return None
    users = Groups(table.user[known], table.num_users)
    input_BF = np.concatenate([video_columns(table), context_columns(table)], axis=1)[known]
    seconds_B, place_B = table.y[known], place_B[known]
    found = audit(random_B.astype(np.float64), place_B, seconds_B, input_BF, users)
    alone = slope(place_B[random_B], seconds_B[random_B], input_BF[random_B], users.subset(random_B))
    return PositionEffect(
        rows=found.rows,
        random_rows=int(random_B.sum()),
        p=found.p,
        value=found.value,
        standard_error=found.standard_error,
        reason=found.reason,
        wald=found.wald,
        regression=found.regression,
        at_random=MeasuredNumber.model_validate(Interval.normal(*alone, config.confidence)),
    )


def _too_few(rows: int, users: int, asked: NuisanceConfig) -> str:
    if rows < asked.minimum_rows:
        return f"{rows} logged rows are fewer than {asked.minimum_rows} (evaluation.nuisance.minimum_rows)"
    if users < asked.folds:
        return f"{users} users of logged rows cannot be dealt into {asked.folds} folds (evaluation.nuisance.folds)"
    return ""


def _scene_weights(table: PredictionTable, at_random: IntArray) -> tuple[FloatArray, bool]:
    """Return weights of the rows exposed at random, [R], under which their scenes have the shares of the logged rows.

    A random slot often stands in one tab, whose seconds are not those of the others: also tell whether scenes that have
    random rows hold nearly all logged rows, without which the two means are of different requests.
    """
    scene_B = table.segment("scene")
    logged, of_logged = np.unique(scene_B[table.logged], return_counts=True)
    drawn, index_R, of_drawn = np.unique(scene_B[at_random], return_inverse=True, return_counts=True)
    share = dict(zip(logged.tolist(), (of_logged / of_logged.sum()).tolist(), strict=True))
    wanted_S = np.array([share.get(scene, 0.0) for scene in drawn.tolist()])
    covered = float(wanted_S.sum()) >= _COVERED
    weight_R: FloatArray = (
        (wanted_S / (of_drawn / max(at_random.size, 1)))[index_R] if covered else np.ones(at_random.size)
    )
    return weight_R, covered


def _mean(
    outcome_B: FloatArray,
    index: IntArray,
    table: PredictionTable,
    config: EvaluationConfig,
    weight_R: FloatArray | None = None,
) -> Interval:
    users = Groups(table.user[index], table.num_users)
    weight_R = np.ones(index.size) if weight_R is None else weight_R
    sums = row_ratio(outcome_B[index] * weight_R, weight_R, users)
    return Interval.normal(sums.value, sampling_error(sums), config.confidence)


def _propensities(rows: PartlyObserved, found: Propensities, asked: NuisanceConfig) -> tuple[LearnedPropensity, ...]:
    said = []
    for name, propensity_N, clipped in zip(asked.propensities, found.propensity_EN, found.clipped_E, strict=True):
        weight_B = (1 - propensity_N[rows.observed_N]) / propensity_N[rows.observed_N]
        said.append(
            LearnedPropensity(
                learner=name,
                clipped_share=float(clipped),
                mean_weight=float(weight_B.mean()),
                effective_rows=effective_sample_size(weight_B),
            )
        )
    return tuple(said)


def _contradiction(found: Interval, at_random: Interval | None) -> str:
    """Say so where the rows exposed at random speak against an estimate: zero lies outside the interval of their difference.

    Both share users, whose covariance is left out: that makes the interval wider, not narrower.
    """
    if at_random is None or not abs(found.value - at_random.value) > np.hypot(
        found.high - found.value, at_random.high - at_random.value
    ):
        return ""
    said = f"{at_random.value:.3g} [{at_random.low:.3g}, {at_random.high:.3g}]"
    return f"it is {found.value:.3g}, and the rows exposed at random say {said}"


def _document(
    found: Gated,
    logged: Interval,
    at_random: Interval | None,
    covered: bool,
    config: EvaluationConfig,
    asked: NuisanceConfig,
) -> DebiasedMean:
    number = Interval.normal(found.sums.value, found.standard_error, config.confidence)
    pairs = tuple(
        LearnerPair(
            propensity=propensity,
            outcome=outcome,
            value=float(found.value_EM[e, m]),
            standard_error=float(found.error_EM[e, m]),
            risk=float(found.risk_EM[e, m]),
        )
        for e, propensity in enumerate(asked.propensities)
        for m, outcome in enumerate(asked.outcomes)
    )
    return DebiasedMean(
        value=number.value,
        low=number.low,
        high=number.high,
        standard_error=number.standard_error,
        logged=MeasuredNumber.model_validate(logged),
        at_random=None if at_random is None else MeasuredNumber.model_validate(at_random),
        chosen=tuple((asked.propensities[e], asked.outcomes[m]) for e, m in found.chosen),
        swing=found.swing,
        moved_by=found.moved_by,
        bound=found.bound,
        effective_rows=found.effective_rows,
        reason=found.refusal(config.minimum_effective_rows) or _contradiction(number, at_random if covered else None),
        pairs=pairs,
    )
