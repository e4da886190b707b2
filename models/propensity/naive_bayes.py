"""Naive Bayes propensities: what was liked was likelier to be seen, measured against rows exposed at random."""

from typing import Literal

import numpy as np
from pydantic import Field

from models.propensity.base import Exposures, Floats, Ints, Propensity, PropensityOptions, PropensityState
from models.ranges import WeightOrNone, Whole


class NaiveBayesConfig(PropensityOptions):
    """Which feedback is conditioned on, and how finely."""

    kind: Literal["naive_bayes"] = "naive_bayes"
    label: str = "watch_time"
    """`watch_time`, or a binary label of the table."""
    buckets: Whole = Field(default=10, ge=2, le=1000)
    """Equal-count buckets of a label with more values than this; a label with fewer is taken value by value."""
    pseudo_count: WeightOrNone = 1.0
    """Rows added to every bucket of both distributions."""


class NaiveBayes(Propensity):
    """P(o=1 | r) = P(r | o=1) P(o=1) / P(r), with P(r) from random rows, per value or bucket of the feedback.

    Source: docs/methods/debias.md#propensity-models. P(o=1) is the observed share of D. Where no row is unobserved it
    is unknown, and propensities are scaled so that the largest is 1 (our reading: as with popularity, only ratios mean
    something then).
    """

    Config = NaiveBayesConfig

    @classmethod
    def fit_state(cls, config: NaiveBayesConfig, train: Exposures) -> PropensityState:
        """Count labels by bucket.

        Returns:
            edges: float64, inner edges of the buckets of the label.
            propensity: float64 [buckets].

        Raises:
            ValueError: if no train row was exposed at random, or none by the policy.
        """
        told = ~np.isnan(train.label)
        random, chosen = train.label[train.random & told], train.label[train.chosen & told]
        if len(random) == 0:
            raise ValueError(
                "naive Bayes propensities need rows exposed at random, which tell P(r): the fit days hold none; choose "
                "propensity.kind 'popularity', 'network' or 'logged'"
            )
        if len(chosen) == 0:
            raise ValueError("naive Bayes propensities need rows that the policy exposed: all train rows are random")
        edges = label_edges(chosen, config.buckets)
        ratio = _distribution(chosen, edges, config.pseudo_count) / _distribution(random, edges, config.pseudo_count)
        share = _observed_share(train)
        scaled = ratio * share if share < 1 else ratio / ratio.max()
        return {"edges": edges, "propensity": np.clip(scaled, np.finfo(np.float64).tiny, 1.0)}

    def apply(self, rows: Exposures) -> Floats:
        """Return the propensity of every row; NaN where the label is unknown."""
        told = ~np.isnan(rows.label)
        bucket = _bucket(np.where(told, rows.label, 0.0), self.state["edges"])
        propensity = np.where(told, self.state["propensity"][bucket], np.nan)
        return np.where(rows.random, 1.0, propensity)


def label_edges(label: Floats, buckets: int) -> Floats:
    """Return inner edges: between the values of a label with at most `buckets` of them, else equal-count quantiles."""
    values = np.unique(label)
    if len(values) <= buckets:
        return (values[1:] + values[:-1]) / 2
    return np.unique(np.quantile(label, np.arange(1, buckets) / buckets))


def _bucket(label: Floats, edges: Floats) -> Ints:
    return np.searchsorted(edges, label, side="right").astype(np.int64)


def _distribution(label: Floats, edges: Floats, pseudo_count: float) -> Floats:
    """Return the share of every bucket, smoothed. A bucket that is empty without smoothing keeps a trace of a row."""
    counts = np.bincount(_bucket(label, edges), minlength=len(edges) + 1) + max(pseudo_count, 1e-9)
    shares: Floats = counts / counts.sum()
    return shares


def _observed_share(train: Exposures) -> float:
    """Return the share of D that the policy chose; random rows are left out of both."""
    return float(train.chosen.sum() / train.stands_for[~train.random].sum())
