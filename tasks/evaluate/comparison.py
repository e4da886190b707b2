"""What a paired comparison of two models on identical rows found: values only, the verdict is the gate's."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.evaluate.metrics.uncertainty import Interval


@dataclass(frozen=True)
class PairedMetric(Interval):
    """The difference of one metric between two models on the same rows, each averaged over its seeds.

    The value is candidate - reference; for `rmse_ratio` candidate / reference - 1. The standard error and the interval
    hold the sampling of users only, paired: 0 for a model against itself. They do not hold the seeds' variance, which
    is given beside them (an upgrade adds `seed_sd^2 / num_seeds` of both sides,
    docs/methods/metrics.md#promotion-gate).

    Attributes:
        name: key of `Comparison.metrics`, a name of `tasks.evaluate.catalogue`.
        candidate: mean over the candidate's seeds; NaN where the metric is undefined on these rows.
        reference: the same of the reference.
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
    candidate_seed_sd: float
    reference_seed_sd: float
    candidate_num_seeds: int
    reference_num_seeds: int
    rows: int
    users: int
    positives: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Everything the promotion gate reads.

    Attributes:
        rows: judge rows, pooled over all days.
        users: distinct users.
        days: judge days as ISO dates, in order.
        metrics: those of `catalogue.compared` and, under uniform exposure, where it can be trusted, `random_xauc` and
            `random_auc_long_view` on randomly exposed rows, `snips_xauc` and `snips_auc_long_view` on logged rows
            reweighted. A key is absent where a side does not predict the task; a value is NaN where the rows do not
            define it (no new user, no positive).
        candidate_levels: those of `catalogue.LEVELS` of the candidate alone, averaged over its seeds.
        reference_levels: the same of the reference.
        scene_errors: scene -> size of the candidate's relative calibration error there, for those of enough rows (a
            warning only).
        tied_share: share of pairs of rows with equal score of the candidate (a warning only).
        score_psi: population stability index of the candidate's score over the deciles of the reference's score (a
            warning only; it means something only where both sides score on one scale, as in a refresh).
    """

    rows: int
    users: int
    days: tuple[str, ...]
    metrics: Mapping[str, PairedMetric]
    candidate_levels: Mapping[str, float]
    reference_levels: Mapping[str, float]
    scene_errors: Mapping[str, float]
    tied_share: float
    score_psi: float
