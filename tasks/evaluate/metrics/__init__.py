"""Every number the gate and the report quote: definitions, per-user statistics and intervals (docs/methods/metrics.md).

A metric that is a ratio of per-user sums returns a `UserSums` (or `UserBinSums`); the pooled pair metrics have a
`UserInfluence` beside them; the others return a `MetricResult`. All carry `.value`; `.result()` turns
a statistic into a `MetricResult`, `uncertainty.interval` into an `Interval`; `tasks.evaluate.estimate` compares two models.

Row arrays carry the suffix _B, users or other groups _U, bins _G, bootstrap replicates _R.
"""
