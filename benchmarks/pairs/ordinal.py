"""Ordinal logistic regression on blocks: the 1-to-5 rating says more than whether it reached 3.

Shape legend: B ratings, L thresholds, U users, I items, W weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit

from benchmarks.pairs.blocks import Block as Columns
from benchmarks.pairs.blocks import BlockName, blocks
from benchmarks.pairs.data import FloatArray, IntArray, PairData, Ratings
from benchmarks.pairs.fit import FittedPairs, log_loss
from benchmarks.pairs.splits import folds
from tasks.core.settings import Block

HIGHEST = 5


class OrdinalConfig(Block):
    """Which blocks, how far their weights may move, and how much the other thresholds count."""

    scales: dict[BlockName, float]
    """Block -> factor of its columns; 0 leaves it out. The penalty is half the sum of squared weights."""
    other_thresholds: float = Field(default=0.25, ge=0)
    """Weight of the losses at the thresholds that do not separate liked from not liked; 0 is a logistic regression."""
    exposure_factors: int = Field(default=8, gt=0)
    """Number of exposure factors, where blocks of them are used."""


@dataclass(frozen=True, eq=False)
class Design:
    """The columns of one set of ratings, block by block, made once and scaled often."""

    rows: Mapping[BlockName, sparse.csr_matrix]
    rating_B: IntArray
    liked_from: int

    def scaled(self, scales: Mapping[BlockName, float]) -> sparse.csr_matrix:
        """Return the columns of the blocks with a scale above 0, [B, W]."""
        scaled: sparse.csr_matrix = sparse.hstack(
            [self.rows[name] * scale for name, scale in scales.items() if scale > 0], format="csr"
        )
        return scaled


def fit_ordinal(data: PairData, fit: Ratings, config: OrdinalConfig) -> FittedPairs:
    """Fit by L-BFGS; deterministic.

    P(rating >= k) = sigmoid(score - t_k) with one score for all thresholds. The loss adds the cross-entropies of all
    thresholds ("all-threshold" loss), that of "liked" with weight 1. Our own recipe.

    Args:
        data: the catalogue; its test ratings are not read.
        fit: ratings to learn from.
        config: blocks and weights.
    """
    columns = blocks(data, fit, tuple(config.scales), config.exposure_factors)
    design = _design(data, fit, columns)
    weight, threshold_L = _minimise(design, config)
    score_UI = np.full((data.num_users, data.num_items), -threshold_L[data.positive_from - 2])
    start = 0
    for name, scale in config.scales.items():
        if scale > 0:
            end = start + columns[name].width
            score_UI = score_UI + scale * columns[name].scores(weight[start:end])
            start = end
    probability_UI: FloatArray = expit(score_UI)
    fitted_B = probability_UI[fit.user_B, fit.item_B]
    return FittedPairs(score_UI, probability_UI, log_loss(data.liked(fit), fitted_B), 1, {})


def choose_scales(
    data: PairData, train: Ratings, start: OrdinalConfig, grid: Sequence[float], sweeps: int = 2, num_folds: int = 5
) -> tuple[OrdinalConfig, float]:
    """Return the configuration with the lowest cross-validated log-loss of "liked", and that loss.

    Coordinate search: one block's scale after the other moves along the grid while the loss falls. Only training ratings
    are used.

    Args:
        data: the catalogue.
        train: ratings to cross-validate on.
        start: where the search begins; scales should lie on the grid.
        grid: increasing scales to try.
        sweeps: passes over all blocks.
        num_folds: folds of the cross-validation.
    """
    search = _Search(data, train, start, num_folds)
    best, lowest = start, search.loss(start)
    for _ in range(sweeps):
        before = lowest
        for name in start.scales:
            best, lowest = _move(search, best, lowest, name, grid)
        for weight in (0.0, 0.1, 0.25, 0.5, 1.0):
            tried = best.model_copy(update={"other_thresholds": weight})
            if (loss := search.loss(tried)) < lowest:
                best, lowest = tried, loss
        if lowest > before - 1e-5:
            break
    return best, lowest


class _Search:
    """Cross-validated log-losses, each computed once."""

    def __init__(self, data: PairData, train: Ratings, start: OrdinalConfig, num_folds: int) -> None:
        self.data = data
        self._known: dict[str, float] = {}
        self._folds: list[tuple[Design, Design]] = []
        for fit, held_out in folds(train, num_folds, seed=0):
            columns = blocks(data, fit, tuple(start.scales), start.exposure_factors)
            self._folds.append((_design(data, fit, columns), _design(data, held_out, columns)))

    def loss(self, config: OrdinalConfig) -> float:
        """Return the mean log-loss of held-out ratings."""
        key = config.model_dump_json()
        if key not in self._known:
            self._known[key] = float(np.mean([self._fold_loss(config, *fold) for fold in self._folds]))
        return self._known[key]

    def _fold_loss(self, config: OrdinalConfig, fit: Design, held_out: Design) -> float:
        weight, threshold_L = _minimise(fit, config)
        score_B = held_out.scaled(config.scales) @ weight - threshold_L[held_out.liked_from - 2]
        return log_loss((held_out.rating_B >= held_out.liked_from).astype(np.float64), expit(score_B))


def _move(
    search: _Search, best: OrdinalConfig, lowest: float, name: BlockName, grid: Sequence[float]
) -> tuple[OrdinalConfig, float]:
    """Return the best configuration along one block's grid, up first, then down."""
    start = int(np.argmin(np.abs(np.asarray(grid) - best.scales[name])))
    for step in (1, -1):
        place = start
        while 0 <= place + step < len(grid):
            tried = best.model_copy(update={"scales": best.scales | {name: grid[place + step]}})
            if (loss := search.loss(tried)) >= lowest - 1e-5:
                break
            best, lowest, place = tried, loss, place + step
        if place != start:
            break
    return best, lowest


def _design(data: PairData, ratings: Ratings, columns: Mapping[BlockName, Columns]) -> Design:
    rows = {name: block.rows(ratings.user_B, ratings.item_B) for name, block in columns.items()}
    return Design(rows, ratings.rating_B, data.positive_from)


def _minimise(design: Design, config: OrdinalConfig) -> tuple[FloatArray, FloatArray]:
    """Return the weights [W] and thresholds [L] of ratings 2 to 5."""
    x_BW = design.scaled(config.scales)
    x_WB = x_BW.T.tocsr()
    levels = np.arange(2, HIGHEST + 1)
    reached_BL = (design.rating_B[:, None] >= levels).astype(np.float64)
    weight_L = np.where(levels == design.liked_from, 1.0, config.other_thresholds)
    width = x_BW.shape[1]

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        weight, threshold_L = parameters[:width], parameters[width:]
        z_BL = (x_BW @ weight)[:, None] - threshold_L
        value = (weight_L * (np.logaddexp(0, z_BL) - reached_BL * z_BL)).sum() + 0.5 * weight @ weight
        slope_BL = weight_L * (expit(z_BL) - reached_BL)
        return value, np.concatenate([x_WB @ slope_BL.sum(axis=1) + weight, -slope_BL.sum(axis=0)])

    share_L = np.clip(reached_BL.mean(axis=0), 1e-3, 1 - 1e-3)
    start = np.concatenate([np.zeros(width), np.log(1 - share_L) - np.log(share_L)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 1e-8})
    return found.x[:width], found.x[width:]
