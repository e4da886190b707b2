"""A log whose candidates nobody wrote down, with complete plays and skips on sight: the correlation is found again.

Shape legend: N rows of the population (impressions, then a sample of the pairs not shown), X covariates.
"""

import math
from typing import Any

import numpy as np
import pytest
import torch

from models.latent.identification import SelectionFit, fit_selection
from models.latent.indices import Linear
from models.latent.selection_model import SelectionModel, SelectionRows
from models.latent.watch_time import Watched

USERS, VIDEOS, LISTS, LENGTH, SKIPS = 1000, 1000, 8, 10, 0.12
SAMPLED = 40_000


def world(
    rho: float, seed: int, *, mended: bool = True, user_pull: float = 0.0
) -> tuple[SelectionModel, SelectionRows]:
    """Draw lists of uniform candidates of which about a third are shown; indices are linear in covariates and slot."""
    g = np.random.default_rng(seed)
    user_x, video_x = g.normal(size=(USERS, 2)), g.normal(size=(VIDEOS, 2))
    duration_s = np.exp(g.normal(3.0, 0.6, VIDEOS))
    count = g.poisson(LISTS, USERS) + 1
    user = np.repeat(np.arange(USERS), count * LENGTH)
    video = g.integers(VIDEOS, size=len(user))
    slot = np.tile(np.arange(LENGTH), count.sum()) / LENGTH - 0.5

    def covariates(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.column_stack([user_x[u, 0], video_x[v, 0], user_x[u, 1] * video_x[v, 1], np.log(duration_s[v]) - 3])

    x = covariates(user, video)
    u_o, noise = g.normal(size=(2, len(user)))
    u_r = rho * u_o + math.sqrt(1 - rho**2) * noise
    shown = x @ [user_pull, 0.4, 0.4, 0.1] - 1.5 * slot - 0.55 + u_o > 0
    z = 2.0 + x @ [0.3, 0.3, 0.5, 0.2] + u_r
    watch_s = np.clip(np.expm1(z), 0, duration_s[video])
    skip = g.random(len(user)) < SKIPS
    watch_s = np.where(skip, np.minimum(3 * g.random(len(user)), duration_s[video]), watch_s)

    impressions = np.bincount(user[shown], minlength=USERS)
    seen = set(zip(user[shown].tolist(), video[shown].tolist(), strict=True))
    pairs = [(u, v) for u, v in zip(g.integers(USERS, size=SAMPLED), g.integers(VIDEOS, size=SAMPLED), strict=True)]
    others = np.array([pair for pair in pairs if (int(pair[0]), int(pair[1])) not in seen])
    other_slot = g.integers(LENGTH, size=len(others)) / LENGTH - 0.5

    watch_N = torch.from_numpy(np.concatenate([watch_s[shown], np.zeros(len(others))]))
    duration_N = torch.from_numpy(duration_s[np.concatenate([video[shown], others[:, 1]])])
    x_NX = torch.from_numpy(np.concatenate([x[shown], covariates(others[:, 0], others[:, 1])]))
    slot_N1 = torch.from_numpy(np.concatenate([slot[shown], other_slot]))[:, None]
    observed_N = torch.arange(len(watch_N)) < int(shown.sum())
    complete_N = observed_N & (watch_N >= duration_N) & mended
    short_N = (watch_N > 0) & (watch_N < 3)
    log_skip_N = torch.where(short_N, torch.log1p(watch_N) - math.log(3), -math.inf)
    log_skip_N = torch.where(complete_N, torch.log((1 - duration_N / 3).clamp(min=0)), log_skip_N)
    chance = -np.expm1(-impressions[others[:, 0]] / (shown.mean() * VIDEOS))
    candidate_N = torch.cat([torch.ones(int(shown.sum())).double(), torch.from_numpy(chance)])
    rows = SelectionRows(
        observed_N,
        torch.log1p(watch_N),
        True,
        stands_for=(USERS * VIDEOS - len(seen)) / len(others),
        watched_N=Watched(torch.log1p(watch_N), torch.log1p(duration_N), watch_N <= 0, complete_N, log_skip_N),
        candidate_N=candidate_N if mended else None,
    )
    return SelectionModel(Linear(x_NX, slot_N1), 0.0, 0.1 if mended else None), rows


def fitted(rho: float, seed: int, **options: Any) -> SelectionFit:
    """Fit the world's indices in its true covariates."""
    return fit_selection(*world(rho, seed, **options))


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.5, 0.0])
def test_the_correlation_is_found_behind_hidden_candidates(rho: float) -> None:
    found = [fitted(rho, seed) for seed in range(3)]
    mean = sum(fit.report.rho for fit in found) / len(found)
    assert mean == pytest.approx(rho, abs=0.03)
    assert all(fit.report.warning is None for fit in found)


@pytest.mark.slow
def test_it_is_lost_where_every_pair_counts_as_refused() -> None:
    assert fitted(0.5, 0, mended=False).report.rho < 0.42


@pytest.mark.slow
def test_users_who_are_shown_more_of_their_candidates_push_it_up() -> None:
    """Their candidates are counted from their impressions, so that what drew them in is not seen as exposure."""
    assert 0.5 < fitted(0.5, 0, user_pull=0.3).report.rho < 0.6
