"""Scores that a method must beat before it means anything: counts, smoothed rates, logistic regressions.

Source: docs/methods/debias.md#floors-on-coat.

Shape legend: B ratings, U users, I items, F features.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from benchmarks.pairs.data import FloatArray, IntArray, PairData, Ratings

PSEUDO_COUNTS = 5.0
CROSS_SCALE = 0.1


def random_score(data: PairData, train: Ratings, seed: int = 0) -> FloatArray:
    """Return noise, [U, I]."""
    return np.random.default_rng(seed).random((data.num_users, data.num_items))


def item_count(data: PairData, train: Ratings) -> FloatArray:
    """Return how often each item was rated, [U, I]."""
    count_I = np.bincount(train.item_B, minlength=data.num_items).astype(np.float64)
    return np.broadcast_to(count_I, (data.num_users, data.num_items))


def item_rate(data: PairData, train: Ratings) -> FloatArray:
    """Return each item's positive rate, drawn to the overall rate by 5 pseudo-counts, [U, I]."""
    rate_I = _rate(train.item_B, data.liked(train), data.num_items)
    return np.broadcast_to(rate_I, (data.num_users, data.num_items))


def user_rate(data: PairData, train: Ratings) -> FloatArray:
    """Return each user's positive rate, drawn to the overall rate by 5 pseudo-counts, [U, I]."""
    rate_U = _rate(train.user_B, data.liked(train), data.num_users)
    return np.broadcast_to(rate_U[:, None], (data.num_users, data.num_items))


def log_odds_sum(data: PairData, train: Ratings) -> FloatArray:
    """Return the sum of the log-odds of the two smoothed rates, [U, I]."""
    return _log_odds(user_rate(data, train)) + _log_odds(item_rate(data, train))


def logistic_ids(data: PairData, train: Ratings) -> FloatArray:
    """Return the logits of a logistic regression on one-hot ids, L2 with C = 1, [U, I]."""
    return _logistic(data, train, one_hot_ids(data))


def logistic_features(data: PairData, train: Ratings) -> FloatArray:
    """Return the logits of the same with features and all user-item feature crosses, these scaled by .1, [U, I]."""
    return _logistic(data, train, sparse.hstack([one_hot_ids(data), features_and_crosses(data)], format="csr"))


FLOORS: Mapping[str, Callable[[PairData, Ratings], FloatArray]] = {
    "random": random_score,
    "item exposure count": item_count,
    "item positive rate, 5 pseudo-counts": item_rate,
    "user positive rate, 5 pseudo-counts": user_rate,
    "sum of the two log-odds": log_odds_sum,
    "logistic regression, ids": logistic_ids,
    "logistic regression, ids + features + crosses": logistic_features,
}

LOGITS = frozenset(
    {"sum of the two log-odds", "logistic regression, ids", "logistic regression, ids + features + crosses"}
)
"""Floors whose score is a log-odds, so that they have a probability."""


def one_hot_ids(data: PairData) -> sparse.csr_matrix:
    """Return the one-hot user and item of every pair, [U I, U + I], pairs in the order of the flattened matrix."""
    user = sparse.kron(sparse.eye(data.num_users), np.ones((data.num_items, 1)))
    item = sparse.kron(np.ones((data.num_users, 1)), sparse.eye(data.num_items))
    design: sparse.csr_matrix = sparse.hstack([user, item], format="csr")
    return design


def features_and_crosses(data: PairData) -> sparse.csr_matrix:
    """Return the features of every pair's user and item, and all their products times .1, [U I, F + G + F G]."""
    user = sparse.csr_matrix(np.repeat(data.user_UF, data.num_items, axis=0))
    item = sparse.csr_matrix(np.tile(data.item_IG, (data.num_users, 1)))
    crosses = sparse.kron(sparse.csr_matrix(data.user_UF), sparse.csr_matrix(data.item_IG)) * CROSS_SCALE
    design: sparse.csr_matrix = sparse.hstack([user, item, crosses], format="csr")
    return design


def _logistic(data: PairData, train: Ratings, design: sparse.csr_matrix) -> FloatArray:
    model = LogisticRegression(C=1.0, max_iter=5000)
    model.fit(design[train.pairs(data.num_items)], data.liked(train))
    logit: FloatArray = model.decision_function(design)
    return logit.reshape(data.num_users, data.num_items)


def _rate(code_B: IntArray, label_B: FloatArray, num_codes: int) -> FloatArray:
    positives = np.bincount(code_B, label_B, num_codes) + PSEUDO_COUNTS * label_B.mean()
    rate: FloatArray = positives / (np.bincount(code_B, minlength=num_codes) + PSEUDO_COUNTS)
    return rate


def _log_odds(rate: FloatArray) -> FloatArray:
    odds: FloatArray = np.log(rate) - np.log1p(-rate)
    return odds
