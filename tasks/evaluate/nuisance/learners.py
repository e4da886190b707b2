"""What learns a propensity or an expected outcome from a few columns: linear, boosted trees, a small perceptron, nothing.

The same rows and the same seed give the same bits: everything runs on one thread, and sums over rows are no BLAS products.

Shapes: N rows, F columns, P columns with the constant.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from tasks.evaluate.metrics.inputs import FloatArray
from tasks.evaluate.nuisance.config import OutcomeLearner, PropensityLearner

Predictor = Callable[[FloatArray], FloatArray]
"""Columns [N, F] -> probability or expected outcome [N]."""
Learner = Callable[[FloatArray, FloatArray, FloatArray, int], Predictor]
"""Fit on columns [N, F], target [N] and how many rows each stands for [N], with a seed."""

PENALTY = 1.0
"""Rows' worth of belief that a standardised column has no effect."""
NEWTON_STEPS = 25
ROUNDS = 80
HIDDEN = 32
EPOCHS = 20
BATCH_ROWS = 256
TREES = {
    "num_leaves": 8,
    "learning_rate": 0.1,
    "min_data_in_leaf": 40,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True, eq=False)
class _Scale:
    """Columns to mean 0 and standard deviation 1; one that does not vary becomes 0."""

    mean_F: FloatArray
    spread_F: FloatArray

    @classmethod
    def of(cls, input_NF: FloatArray) -> "_Scale":
        spread_F = input_NF.std(axis=0)
        return cls(input_NF.mean(axis=0), np.where(spread_F > 0, spread_F, np.inf))

    def __call__(self, input_NF: FloatArray) -> FloatArray:
        return (input_NF - self.mean_F) / self.spread_F

    def with_constant(self, input_NF: FloatArray) -> FloatArray:
        return np.concatenate([np.ones((len(input_NF), 1)), self(input_NF)], axis=1)


def constant(_input_NF: FloatArray, target_N: FloatArray, weight_N: FloatArray, _seed: int) -> Predictor:
    """Fit the weighted mean: what a learner that sees nothing says."""
    mean = float(np.average(target_N, weights=weight_N))
    return lambda input_NF: np.full(len(input_NF), mean)


def ridge(input_NF: FloatArray, target_N: FloatArray, weight_N: FloatArray, _seed: int) -> Predictor:
    """Fit a linear function; effects of standardised columns are penalised, the constant is not."""
    scale = _Scale.of(input_NF)
    coefficient_P = _penalised(scale.with_constant(input_NF), target_N, weight_N, np.zeros(input_NF.shape[1] + 1))
    return lambda other_NF: np.einsum("np,p->n", scale.with_constant(other_NF), coefficient_P)


def logistic(input_NF: FloatArray, target_N: FloatArray, weight_N: FloatArray, _seed: int) -> Predictor:
    """Fit a logistic regression by Newton steps, penalised as `ridge` is."""
    from scipy.special import expit

    scale = _Scale.of(input_NF)
    input_NP = scale.with_constant(input_NF)
    coefficient_P = np.zeros(input_NP.shape[1])
    for _ in range(NEWTON_STEPS):
        chance_N = expit(np.einsum("np,p->n", input_NP, coefficient_P))
        slope_N = np.maximum(chance_N * (1 - chance_N), 1e-6)
        step_P = _penalised(input_NP, (target_N - chance_N) / slope_N, weight_N * slope_N, coefficient_P)
        coefficient_P = coefficient_P + step_P
        if np.abs(step_P).max() < 1e-8:
            break
    return lambda other_NF: expit(np.einsum("np,p->n", scale.with_constant(other_NF), coefficient_P))


def _penalised(input_NP: FloatArray, target_N: FloatArray, weight_N: FloatArray, at_P: FloatArray) -> FloatArray:
    """Return the step from `at_P` that least squares with a penalty on where it leads take; the first column is free."""
    penalty_P = np.full(input_NP.shape[1], PENALTY)
    penalty_P[0] = 0.0
    weighted_NP = input_NP * weight_N[:, None]
    gram_PP = np.einsum("np,nq->pq", weighted_NP, input_NP, optimize=False) + np.diag(penalty_P)
    moment_P = np.einsum("np,n->p", weighted_NP, target_N) - penalty_P * at_P
    found: FloatArray = np.linalg.solve(gram_PP, moment_P)
    return found


def boosted(objective: str) -> Learner:
    """Return boosted trees under a loss of LightGBM."""

    def fit(input_NF: FloatArray, target_N: FloatArray, weight_N: FloatArray, seed: int) -> Predictor:
        import lightgbm  # loaded by who fits trees alone

        rows = lightgbm.Dataset(input_NF, target_N, weight=weight_N, params=TREES, free_raw_data=True)
        booster = lightgbm.train({**TREES, "objective": objective, "seed": seed}, rows, num_boost_round=ROUNDS)

        def predict(other_NF: FloatArray) -> FloatArray:
            return np.asarray(booster.predict(other_NF, num_threads=1), dtype=np.float64)

        return predict

    return fit


def perceptron(binary: bool) -> Learner:
    """Return one with two hidden layers: of a probability, or of a number that is standardised for the fit."""

    def fit(input_NF: FloatArray, target_N: FloatArray, weight_N: FloatArray, seed: int) -> Predictor:
        import torch  # seconds to load, for who fits networks and not for who reads settings
        from torch import nn

        scale = _Scale.of(input_NF)
        shift, spread = (0.0, 1.0) if binary else (float(target_N.mean()), float(target_N.std()) or 1.0)
        with _one_thread():
            state = torch.random.get_rng_state()
            try:
                torch.manual_seed(seed)
                network = nn.Sequential(
                    nn.Linear(input_NF.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
                    nn.Linear(HIDDEN, 1),
                )  # fmt: skip
            finally:
                torch.random.set_rng_state(state)
            optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.01)
            steps = EPOCHS * -(-len(target_N) // BATCH_ROWS)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
            columns = (scale(input_NF), (target_N - shift) / spread, weight_N / weight_N.mean())
            input_, target, weight = (torch.from_numpy(column).float() for column in columns)
            loss = nn.BCEWithLogitsLoss(reduction="none") if binary else nn.MSELoss(reduction="none")
            generator = torch.Generator().manual_seed(seed)
            for _ in range(EPOCHS):
                order = torch.randperm(len(target), generator=generator)
                for start in range(0, len(order), BATCH_ROWS):
                    batch = order[start : start + BATCH_ROWS]
                    optimizer.zero_grad()
                    (weight[batch] * loss(network(input_[batch]).squeeze(1), target[batch])).mean().backward()
                    optimizer.step()
                    schedule.step()

        def predict(other_NF: FloatArray) -> FloatArray:
            with _one_thread(), torch.no_grad():
                raw = network(torch.from_numpy(scale(other_NF)).float()).squeeze(1).double()
                said: FloatArray = (raw.sigmoid() if binary else shift + spread * raw).numpy()
            return said

        return predict

    return fit


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have torch add up in one order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


PROPENSITIES: Mapping[PropensityLearner, Learner] = {
    "logistic": logistic,
    "boosting": boosted("binary"),
    "mlp": perceptron(binary=True),
    "constant": constant,
}
OUTCOMES: Mapping[OutcomeLearner, Learner] = {
    "ridge": ridge,
    "boosting": boosted("regression"),
    "mlp": perceptron(binary=False),
    "constant": constant,
}
