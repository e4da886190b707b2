"""What a paired comparison of two models on identical rows found: values only, the verdict is the gate's."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PairedMetric:
    """One metric of both sides on the same rows, each averaged over its seeds.

    The standard error and the interval hold the sampling of users only; they do not hold the seeds' variance, which
    is given beside them (an upgrade adds `seed_sd^2 / num_seeds` of both sides,
    docs/methods/metrics.md#promotion-gate).

    Attributes:
        name: key of `Comparison.metrics`.
        candidate: mean over the candidate's seeds; NaN where the metric is undefined on these rows.
        reference: the same of the reference.
        delta: candidate - reference; for `rmse_ratio` candidate / reference - 1.
        standard_error: of delta, paired and clustered by user; exactly 0 for a model against itself.
        low: lower end of the two-sided interval of delta.
        high: upper end.
        higher_is_better: direction; False for `rmse_ratio` and `mae`.
        candidate_seed_sd: standard deviation over the candidate's seeds (n - 1); NaN with one seed.
        reference_seed_sd: the same of the reference.
        candidate_num_seeds: seeds averaged.
        reference_num_seeds: seeds averaged.
        rows: rows the metric was computed on (the segment's rows for new users and new videos).
        users: distinct users among them.
        positives: rows with label 1, for the metrics of a binary task; None elsewhere.
    """

    name: str
    candidate: float
    reference: float
    delta: float
    standard_error: float
    low: float
    high: float
    higher_is_better: bool
    candidate_seed_sd: float
    reference_seed_sd: float
    candidate_num_seeds: int
    reference_num_seeds: int
    rows: int
    users: int
    positives: int | None = None


@dataclass(frozen=True)
class Guardrails:
    """What the gate checks on one side alone, each averaged over the side's seeds.

    Attributes:
        rmse: RMSE of watch_mean, seconds.
        mae: MAE of watch_median, seconds.
        tre_signed: sum(p - y) / sum(p) of watch_mean.
        dce_rel: duration calibration error of watch_mean, row-weighted mean of |rel|.
        dce_max: largest |rel| of a duration group.
        dce_rel_by_scene: the same error with scenes for groups, |rel| per scene with enough rows (a warning only).
        tied_share: share of pairs of rows with equal score (a warning only).
        non_finite: predictions that are NaN or infinite; always 0 here, as such tables are refused with an error.
    """

    rmse: float
    mae: float
    tre_signed: float
    dce_rel: float
    dce_max: float
    dce_rel_by_scene: Mapping[str, float]
    tied_share: float
    non_finite: int = 0


@dataclass(frozen=True)
class Comparison:
    """Everything the promotion gate reads.

    Attributes:
        rows: judge rows, pooled over all days.
        users: distinct users.
        days: judge days as ISO dates, in order.
        metrics: `xauc`, `xgauc`, `gauc_long_view`, `auc_skip`, `rmse_ratio`, `mae`, `xauc_new_user`,
            `xauc_new_video` and `auc_<task>` of each sparse task both sides predict; under uniform exposure, where it can
            be trusted, `random_xauc` and `random_auc_long_view` on randomly exposed rows, `snips_xauc` and
            `snips_auc_long_view` on logged rows reweighted. All but `rmse_ratio` are differences. A key is absent where a side does not predict the task; a value is NaN where the rows do
            not define it (no new user, no positive).
        candidate: guardrail values of the candidate.
        reference: guardrail values of the reference.
        score_psi: population stability index of the candidate's score over the deciles of the reference's score (a
            warning only; it means something only where both sides score on one scale, as in a refresh).
    """

    rows: int
    users: int
    days: tuple[str, ...]
    metrics: Mapping[str, PairedMetric]
    candidate: Guardrails
    reference: Guardrails
    score_psi: float
