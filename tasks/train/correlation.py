"""How far the validation day supports a learned correlation: profile, interval, likelihood ratio, standard error.

The networks are held fixed and only re-calibrated: of every task, the exposure index a and the feedback index b of rows
that trained nothing are the inputs of a small selection model, a' = alpha_0 + alpha_1 a, b' = beta_0 + beta_1 b, whose
correlation is fitted anew. That model has a fixed size, no penalty and few parameters, so its likelihood ratio and
observed information mean what they say, given the networks. Our reading of what
docs/methods/debias.md#identification-of-the-correlation asks for where the indices are networks; the spread that
fitting the networks adds is that between seeds.

Shape legend: N rows.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from models.latent.identification import fit_selection, profile
from models.latent.indices import Indices
from models.latent.selection_model import SelectionModel, SelectionRows
from models.latent.watch_time import Watched, joined
from models.objectives.latent_exogenous import EXPOSURE, LatentExogenous
from models.recipe import WATCH_TIME
from tasks.train.fit import Fitted
from tasks.train.learned_numbers import ValidatedCorrelation
from tasks.train.problem import FitProblem

MAX_IMPRESSIONS = 20_000
"""Impressions of the validation day that are read, from its beginning; unobserved rows come in proportion."""
_BATCH = 4_096
_LIMIT = 3.841
"""95 % point of chi-square with one degree of freedom."""


class Recalibrated(Indices):
    """a' = alpha_0 + alpha_1 a and b' = beta_0 + beta_1 b, starting at a and b."""

    a_N: Tensor
    b_N: Tensor

    def __init__(self, a_N: Tensor, b_N: Tensor, num_apart: int) -> None:
        super().__init__()
        self.num_apart = num_apart
        self.register_buffer("a_N", a_N.double())
        self.register_buffer("b_N", b_N.double())
        self.alpha = nn.Parameter(torch.tensor([0.0, 1.0], dtype=torch.float64))
        self.beta = nn.Parameter(torch.tensor([0.0, 1.0], dtype=torch.float64))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return a' [N] and b' [N]."""
        return self.alpha[0] + self.alpha[1] * self.a_N, self.beta[0] + self.beta[1] * self.b_N


@dataclass
class _Seen:
    """What one task showed, batch after batch."""

    a: list[Tensor]
    b: list[Tensor]
    label: list[Tensor]
    observed: list[Tensor]
    random: list[Tensor]
    candidate: list[Tensor]
    watched: list[Watched]


def correlations(problem: FitProblem, fitted: Fitted) -> dict[str, ValidatedCorrelation]:
    """Return task -> what the validation day says about its correlation; empty where no objective learns one."""
    ranker = problem.fitted_ranker(fitted.weights)
    if not isinstance(ranker.objectives[WATCH_TIME], LatentExogenous):
        return {}
    found = {}
    stands_for, seen = _collect(problem, ranker.eval())
    for task, part in seen.items():
        rows = SelectionRows(
            observed_N=torch.cat(part.observed),
            label_N=torch.cat(part.label).double(),
            continuous=task == WATCH_TIME,
            random_N=torch.cat(part.random),
            watched_N=joined(part.watched) if part.watched else None,
            candidate_N=torch.cat(part.candidate) if part.candidate else None,
            stands_for=stands_for,
        )
        if bool(rows.observed_N.all()):
            continue
        indices = Recalibrated(torch.cat(part.a), torch.cat(part.b), len(problem.recipe.set_apart))
        learned = ranker.objectives[task].diagnostics()
        share = learned.get("skip_share") if part.watched else None
        found[task] = validated(SelectionModel(indices, 0.0, share), rows, learned["rho"])
    return found


def _collect(problem: FitProblem, ranker: Any) -> tuple[float, dict[str, _Seen]]:
    """Return how many rows an unobserved one stands for, and what every task shows on the validation day."""
    population = problem.validation
    seen = {task: _Seen([], [], [], [], [], [], []) for task in ranker.trained_tasks}
    impressions = unobserved = 0
    for shown, batch in population.evaluation(_BATCH):
        with torch.no_grad():
            for task, rows in ranker.task_rows(batch).items():
                observed_B = rows.observed_B > 0
                part = seen[task]
                part.a.append(rows.auxiliary[EXPOSURE])
                part.b.append(rows.out_BO[:, 0])
                part.label.append(rows.latent_label_B)
                part.observed.append(observed_B)
                part.random.append(observed_B & rows.random_B)
                if rows.candidate_probability_B is not None:
                    part.candidate.append(rows.candidate_probability_B)
                if not rows.binary:
                    part.watched.append(ranker.objectives[task].watched(rows))
        impressions += len(shown)
        unobserved += len(batch) - len(shown)
        if impressions >= MAX_IMPRESSIONS:
            break
    if population.unobserved is None:
        return 1.0, seen
    read = impressions / population.impressions.num_rows
    return population.unobserved.pairs * read / unobserved, seen


def validated(model: SelectionModel, rows: SelectionRows, learned: float) -> ValidatedCorrelation:
    """Return what one task's rows say about the correlation that was learned."""
    fit = fit_selection(model, rows)
    curve = profile(fit.free, rows)
    with torch.no_grad():
        best = -float(fit.free(rows))
    drops = {rho: rows.population * min(value - best, 0.0) for rho, value in curve.items()}
    return ValidatedCorrelation(
        learned=_rounded(learned),
        rows=int(rows.observed_N.sum()),
        rho=_rounded(fit.report.rho),
        standard_error=_rounded(fit.report.standard_error),
        likelihood_ratio=_rounded(fit.report.likelihood_ratio),
        p_value=_rounded(fit.report.p_value),
        interval=profile_interval(drops | {fit.report.rho: 0.0}, fit.report.rho),
        profile={f"{rho:g}": _rounded(drop) for rho, drop in drops.items()},
        warning=fit.report.warning,
    )


def profile_interval(drops: Mapping[float, float], best: float) -> tuple[float, float] | None:
    """Return where the log-likelihood has fallen by half the 95 % point of chi-square, or None if it does not on a side.

    Between the points of the profile the signed root sqrt(-2 drop), which is nearly straight, is interpolated.

    Args:
        drops: rho -> log-likelihood minus its maximum, 0 at `best`.
        best: maximum-likelihood estimate.
    """
    roots = sorted((rho, math.copysign(math.sqrt(max(-2 * drop, 0.0)), rho - best)) for rho, drop in drops.items())
    limit = math.sqrt(_LIMIT)
    ends = [list(_crossings(roots, level)) for level in (-limit, limit)]
    return None if not all(ends) else (_rounded(ends[0][-1]) or 0.0, _rounded(ends[1][0]) or 0.0)


def _crossings(roots: list[tuple[float, float]], level: float) -> Iterator[float]:
    for (rho, root), (after, next_root) in pairwise(roots):
        if min(root, next_root) <= level < max(root, next_root):
            yield rho + (after - rho) * (level - root) / (next_root - root)


def _rounded(value: float) -> float | None:
    """Return six significant digits, None where undefined."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
