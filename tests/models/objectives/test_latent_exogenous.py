"""The latent exogenous objective: its likelihood by strata, unbiased batches, and what it does inside a ranker."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm
from torch import Tensor, nn
from torch.special import log_ndtr

from models.batch import Batch
from models.latent import likelihood
from models.latent.bivariate_normal import normal_cdf
from models.objectives.base import TaskRows
from models.objectives.latent_exogenous import LatentExogenous, LatentExogenousConfig
from models.propensity.popularity import PopularityConfig
from models.recipe import Recipe
from models.step_rate import rates
from tasks.train.config import TrainingConfig
from tasks.train.optimizers import Optimizers
from tests.models.latent.conftest import start_at

ROWS = 12


def objective(**options: Any) -> LatentExogenous:
    return LatentExogenous(LatentExogenousConfig(**options), PopularityConfig())


def rows_of(
    a_B: Tensor,
    b_B: Tensor,
    label_B: Tensor,
    observed_B: Tensor,
    *,
    weight_B: Tensor | None = None,
    random_B: Tensor | None = None,
    binary: bool = True,
    **fields: Any,
) -> TaskRows:
    """Return rows with given indices; a continuous label is its own latent label."""
    count = len(a_B)
    return TaskRows(
        out_BO=b_B.unsqueeze(1),
        label_B=label_B,
        loss_B=(b_B - label_B).square(),
        observed_B=observed_B,
        weight_B=torch.full((count,), 1 / count) if weight_B is None else weight_B,
        propensity_B=torch.ones(count),
        random_B=torch.zeros(count, dtype=torch.bool) if random_B is None else random_B,
        loss_for=lambda out_BO, target_B: (out_BO[:, 0] - target_B).square(),
        statistics_for=lambda label_B: label_B.unsqueeze(1),
        expected_statistics=torch.sigmoid,
        statistics_loss=lambda raw_BS, label_B: (raw_BS[:, 0] - label_B).square(),
        expected_loss=lambda out_BO, statistics_BS: (out_BO[:, 0] - statistics_BS[:, 0]).square(),
        share_of=lambda out_BO: None,
        share_label_B=label_B,
        latent_label_B=label_B,
        encoded_BE=torch.zeros(count, 1),
        user_B=torch.arange(count),
        item_B=torch.arange(count),
        auxiliary={"exposure": a_B},
        binary=binary,
        latent_for=lambda seconds_B: seconds_B,
        duration_B=torch.full((count,), 10.0),
        **fields,
    )


def drawn(seed: int = 0, count: int = ROWS) -> tuple[Tensor, ...]:
    """Return a, b, 0/1 labels and observations, all float32."""
    g = torch.Generator().manual_seed(seed)
    a_B, b_B = torch.randn(2, count, generator=g)
    return a_B, b_B, (torch.rand(count, generator=g) < 0.5).float(), (torch.rand(count, generator=g) < 0.6).float()


def test_every_stratum_contributes_its_term() -> None:
    a_B, b_B, label_B, observed_B = drawn()
    observed_B[:3] = torch.tensor([1.0, 1.0, 0.0])
    random_B = torch.arange(ROWS) == 0
    weight_B = torch.rand(ROWS, generator=torch.Generator().manual_seed(1))
    rho = torch.tensor(0.4)
    loss = objective(rho=0.4)(rows_of(a_B, b_B, label_B, observed_B, weight_B=weight_B, random_B=random_B))
    expected = 0.0
    for i in range(ROWS):
        at = slice(i, i + 1)
        if random_B[i]:
            term = likelihood.binary_outcome(b_B[at], label_B[at])
        elif observed_B[i]:
            term = likelihood.binary(a_B[at], b_B[at], label_B[at], rho)
        else:
            term = likelihood.unobserved(a_B[at])
        expected -= weight_B[i].item() * term.item()
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_watch_time_is_closed_form_and_zero_is_left_censored() -> None:
    a_B, b_B, _, observed_B = drawn(2)
    y_B = torch.rand(ROWS) * 2
    y_B[:4], observed_B[:4] = 0.0, torch.tensor([1.0, 1.0, 1.0, 0.0])
    random_B = torch.arange(ROWS) == 1
    module = objective(rho=-0.5, skip_share=None)
    module.log_sigma.data.fill_(0.3)
    found_B = module.log_likelihood(rows_of(a_B, b_B, y_B, observed_B, random_B=random_B, binary=False))
    rho, scale = torch.tensor(-0.5), torch.tensor(0.3)
    dense_B = likelihood.continuous(a_B, b_B, y_B, rho, scale)
    zero_B = likelihood.left_censored(a_B, b_B, y_B, rho, scale)
    seen_B = torch.where(y_B == 0, zero_B, dense_B)
    expected_B = torch.where(observed_B > 0, seen_B, log_ndtr(-a_B.double()))
    expected_B[1] = likelihood.left_censored_outcome(b_B[1:2], y_B[1:2], scale)
    torch.testing.assert_close(found_B, expected_B)


def test_independence_trains_exposure_and_feedback_apart() -> None:
    a_B, b_B, label_B, observed_B = drawn(3)
    for x_B in (a_B, b_B):
        x_B.requires_grad_()
    loss = objective(rho=0.0)(rows_of(a_B, b_B, label_B, observed_B))
    sign_B = 2 * observed_B - 1
    separate = -(log_ndtr(sign_B * a_B) + observed_B * log_ndtr((2 * label_B - 1) * b_B)).mean()
    assert loss.item() == pytest.approx(separate.item(), rel=1e-6)
    for one, other in zip(
        torch.autograd.grad(loss, (a_B, b_B)), torch.autograd.grad(separate, (a_B, b_B)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_labels_of_unobserved_rows_are_not_read() -> None:
    a_B, b_B, label_B, observed_B = drawn(4)
    module = objective(rho=0.3)
    broken_B = torch.where(observed_B > 0, label_B, torch.nan)
    for binary in (True, False):
        whole, holes = (module(rows_of(a_B, b_B, x_B, observed_B, binary=binary)) for x_B in (label_B, broken_B))
        assert whole.item() == holes.item()


def test_a_population_without_unobserved_rows_is_a_plain_probit() -> None:
    a_B, b_B, label_B, _ = drawn(5)
    a_B.requires_grad_()
    loss = objective(rho=0.5)(rows_of(a_B, b_B, label_B, torch.ones(ROWS)))
    assert loss.item() == pytest.approx(-likelihood.binary_outcome(b_B, label_B).mean().item(), rel=1e-6)
    loss.backward()
    assert (a_B.grad == 0).all()


@pytest.mark.slow
def test_the_mean_of_stratified_batches_is_the_whole_gradient() -> None:
    """2,000 batches of 8 observed, 12 unobserved and 4 random rows, weighted by what they stand for."""
    total, g = 600, torch.Generator().manual_seed(0)
    x_NX = torch.randn(total, 2, generator=g)
    label_N = (torch.rand(total, generator=g) < 0.5).float()
    stratum_N = torch.arange(total) % 10
    strata = [(stratum_N < 2, 8), (stratum_N == 2, 4), (stratum_N > 2, 12)]
    observed_N, random_N = (stratum_N <= 2).float(), stratum_N == 2
    weights = [torch.tensor([0.5, -0.3], requires_grad=True), torch.tensor([0.2, 0.4], requires_grad=True)]
    module = objective()
    start_at(module.correlation, 0.4)
    parameters = [*weights, module.correlation.kappa]

    def gradient(at: Tensor, weight_B: Tensor) -> Tensor:
        a_B, b_B = x_NX[at] @ weights[0], x_NX[at] @ weights[1]
        rows = rows_of(a_B, b_B, label_N[at], observed_N[at], weight_B=weight_B, random_B=random_N[at])
        return torch.cat([grad.reshape(-1) for grad in torch.autograd.grad(module(rows), parameters)])

    def batch() -> Tensor:
        parts, shares = [], []
        for member_N, size in strata:
            rows = member_N.nonzero()[:, 0]
            parts.append(rows[torch.randint(len(rows), (size,), generator=g)])
            shares.append(torch.full((size,), len(rows) / total / size))
        return gradient(torch.cat(parts), torch.cat(shares))

    whole = gradient(torch.arange(total), torch.full((total,), 1 / total))
    found = torch.stack([batch() for _ in range(2000)])
    error = found.std(0) / math.sqrt(len(found))
    assert ((found.mean(0) - whole).abs() <= 3 * error).all()
    assert (error < 0.2 * whole.abs()).any()


@pytest.mark.parametrize("estimator", ["exact", "ghk"])
def test_mini_batches_recover_the_correlation(estimator: str) -> None:
    """Exposure reads what feedback does not, so rho is identified; one optimiser, one step for everything."""
    count, rho, g = 20_000, 0.7, torch.Generator().manual_seed(0)
    x_NX = torch.randn(count, 2, generator=g)
    u_o, noise = torch.randn(2, count, generator=g)
    u_r = rho * u_o + math.sqrt(1 - rho**2) * noise
    observed_N = (x_NX.sum(1) - 0.5 + u_o > 0).float()
    label_N = (0.8 * x_NX[:, 0] + u_r > 0).float()
    torch.manual_seed(0)
    exposure, outcome, module = nn.Linear(2, 1), nn.Linear(1, 1), objective(estimator=estimator, warm_start_steps=20)
    optimizer = torch.optim.Adam([*exposure.parameters(), *outcome.parameters(), *module.parameters()], lr=0.03)
    for step in range(200):
        at = torch.randint(count, (1024,), generator=g)
        a_B, b_B = exposure(x_NX[at])[:, 0], outcome(x_NX[at, :1])[:, 0]
        optimizer.zero_grad()
        module(rows_of(a_B, b_B, label_N[at], observed_N[at])).backward()
        optimizer.step()
        assert step >= 20 or module.diagnostics()["rho"] == 0
    assert module.diagnostics()["rho"] == pytest.approx(rho, abs=0.12)
    assert outcome.weight.item() == pytest.approx(0.8, abs=0.15)
    assert outcome.bias.item() == pytest.approx(0.0, abs=0.15)


def test_mixing_with_the_plain_loss() -> None:
    a_B, b_B, label_B, observed_B = drawn(6)
    rows = rows_of(a_B, b_B, label_B, observed_B)
    pure, plain = objective(rho=0.3)(rows), objective(rho=0.3, alpha=0.0)(rows)
    half = objective(rho=0.3, alpha=0.5)(rows)
    own_link = -(observed_B * likelihood.binary_outcome(b_B, label_B)).sum() / observed_B.sum()
    assert plain.item() == pytest.approx(own_link.item(), rel=1e-6)
    assert half.item() == pytest.approx((pure.item() + plain.item()) / 2, rel=1e-6)
    seconds = rows_of(a_B, b_B, label_B, observed_B, binary=False)
    assert objective(alpha=0.0)(seconds).item() == pytest.approx(rows.observed_mean(rows.loss_B).item())


def test_warm_start_counts_training_steps_only() -> None:
    a_B, b_B, label_B, observed_B = drawn(7)
    module = objective(rho=0.9, warm_start_steps=2)
    rows = rows_of(a_B, b_B, label_B, observed_B)
    cold, apart = objective(rho=0.9)(rows).item(), objective(rho=0.0)(rows).item()
    module.eval()
    assert [module(rows).item() for _ in range(3)] == [apart] * 3
    module.train()
    assert [module(rows).item() for _ in range(3)] == [apart, apart, cold]


RECIPE: dict[str, Any] = {
    "objective": {"kind": "latent_exogenous"},
    "head": {"kind": "tr_log"},
    "tasks": {"watch_time": {}, "skip": {}, "like": {}},
    "set_apart": ["scene"],
}


@pytest.mark.parametrize("selection", ["click", "candidate"])
@pytest.mark.parametrize("head", ["tr_log", "tr_sqrt"])
def test_trains_and_predicts_in_a_ranker(
    selection: str, head: str, ranker: Callable[..., Any], batch: Callable[..., Batch]
) -> None:
    model = ranker({**RECIPE, "selection": {"kind": selection}, "head": {"kind": head}})
    rows = replace(batch(24), observed_B=(torch.arange(24) % 3 != 0).float())
    losses = model.losses(rows)
    assert set(losses) == {"watch_time", "skip", "like"}
    model.balance.backward(losses, model.shared_parameters())
    for task in losses:
        module = model.objectives[task]
        assert module.correlation.kappa.grad != 0
        assert all(p.grad.abs().sum() > 0 for p in model.auxiliary[task]["exposure"].parameters())
    assert model.objectives["watch_time"].log_sigma.grad != 0
    assert model.second_encoder.table.weight.grad is not None
    found = model.eval().predict(rows)
    logit_B = model(rows)["like"][:, 0]
    torch.testing.assert_close(found.probability["like"], normal_cdf(logit_B))
    assert {"like/rho", "watch_time/rho", "watch_time/sigma"} <= set(model.diagnostics(rows))


def test_correlations_and_scales_are_not_decayed(ranker: Callable[..., Any]) -> None:
    model = ranker({**RECIPE, "selection": {"kind": "click"}})
    undecayed = {id(parameter) for parameter in model.undecayed_parameters()}
    for task in ("watch_time", "like"):
        assert id(model.objectives[task].correlation.kappa) in undecayed
        assert id(model.objectives[task].log_sigma) in undecayed


def test_a_head_without_a_latent_scale_is_refused_by_name(
    ranker: Callable[..., Any], batch: Callable[..., Batch]
) -> None:
    model = ranker({**RECIPE, "selection": {"kind": "click"}, "head": {"kind": "d2q"}})
    with pytest.raises(ValueError, match=r"choose one of \[.*'tr_log', 'tr_sqrt'.*\]"):
        model.losses(batch(6))


def test_impressions_alone_are_refused() -> None:
    with pytest.raises(ValueError, match=r"selection.kind 'impression' has none"):
        Recipe.model_validate(RECIPE)


@pytest.mark.parametrize("options", [{"rho": 1.0}, {"rho_bound": 0.0}, {"draws": 7}, {"alpha": 1.5}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        LatentExogenousConfig.model_validate(options)


def test_levels_learn_correlations_of_their_own(ranker: Callable[..., Any], batch: Callable[..., Batch]) -> None:
    """With the level's correlation in every row, the loss is the mean of the levels' own likelihoods."""
    recipe = {
        "head": {"kind": "tr_log"},
        "objective": {"kind": "latent_exogenous", "rho_by": "scene"},
        "selection": {"kind": "click"},
        "tasks": {"watch_time": {}, "skip": {}},
    }
    model, rows = ranker(recipe).eval(), batch(64, unobserved=True)
    for task in ("watch_time", "skip"):
        objective = model.objectives[task]
        assert objective.correlation().shape == (3,)
        with torch.no_grad():
            objective.correlation.kappa.copy_(torch.tensor([-0.4, 0.2, 0.9]))
        found = model.task_rows(rows)[task]
        level_B = found.level_of("scene")
        assert set(level_B.tolist()) == {0, 1, 2}
        whole_B = objective.log_likelihood(found)
        for level, rho in enumerate(objective.correlation().tolist()):
            single = LatentExogenous(LatentExogenousConfig(rho=rho), PopularityConfig())
            single.log_sigma = objective.log_sigma
            torch.testing.assert_close(whole_B[level_B == level], single.log_likelihood(found)[level_B == level])
        assert set(objective.diagnostics()) >= {"rho", "rho of scene 0", "rho of scene 2"}
    model.train().losses(rows)["skip"].backward()
    assert (model.objectives["skip"].correlation.kappa.grad != 0).all()


def test_an_unknown_field_of_levels_is_refused(ranker: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"rho_by 'scenes' is no categorical field .*'scene'"):
        ranker(
            {
                "head": {"kind": "tr_log"},
                "objective": {"kind": "latent_exogenous", "rho_by": "scenes"},
                "selection": {"kind": "click"},
            }
        )


SCALES = {"tr_log": torch.log1p, "tr_sqrt": torch.sqrt, "affine": lambda y_B: (y_B - 2) / 7}


def of_one_play(
    seconds: float, duration: float, scale: str, *, random: bool = False, **options: Any
) -> tuple[Tensor, Tensor]:
    """Return the log-likelihood of one shown row beside one that was not shown, and b; a = .3, b = .8 on the scale."""
    to_scale = SCALES[scale]
    label_B, duration_B = torch.tensor([seconds, 0.0]).double(), torch.full((2,), duration).double()
    b_B = torch.tensor([0.8, 0.0], dtype=torch.float64, requires_grad=True)
    rows = rows_of(
        torch.tensor([0.3, 0.1], dtype=torch.float64), b_B, label_B, torch.tensor([1.0, 0.0]),
        binary=False, random_B=torch.tensor([random, False]),
    )  # fmt: skip
    rows = replace(
        rows, latent_label_B=to_scale(label_B), latent_for=to_scale, duration_B=duration_B,
        complete_B=label_B >= duration_B,
    )  # fmt: skip
    return objective(rho=0.5, **options).double().log_likelihood(rows)[:1], b_B


@pytest.mark.parametrize("random", [False, True])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("duration", [2.0, 20.0])
def test_all_plays_of_a_shown_row_add_up_to_its_exposure(scale: str, duration: float, random: bool) -> None:
    """Seconds up to the end, the complete play and the zero: Phi(a), or 1 of a row exposed at random."""

    def chance(seconds: float) -> float:
        return float(of_one_play(seconds, duration, scale, random=random)[0].exp().item())

    def per_second(seconds: float) -> float:
        y = torch.tensor(seconds, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(SCALES[scale](y), y)
        return chance(seconds) * float(slope)

    edges = [1e-12, min(3.0, duration), duration]
    inside = sum(quad(per_second, low, high, limit=200)[0] for low, high in pairwise(edges) if high > low)
    whole = inside + chance(0.0) + chance(duration)
    assert whole == pytest.approx(1.0 if random else norm.cdf(0.3), rel=1e-5)


@pytest.mark.parametrize(("seconds", "duration"), [(1.0, 20.0), (7.0, 20.0), (20.0, 20.0), (2.0, 2.0), (0.0, 20.0)])
def test_a_short_play_is_a_mixture_and_a_complete_one_is_censored(seconds: float, duration: float) -> None:
    y, cut, v = math.log1p(seconds), math.log1p(duration), math.log1p(seconds) - 0.8
    quadrant = multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).cdf([0.3, 0.8 - cut])
    below = norm.cdf(0.3) - multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).cdf([0.3, 0.8])
    preference = norm.pdf(v) * norm.cdf((0.3 + 0.5 * v) / math.sqrt(0.75))
    stays = below if seconds == 0 else quadrant if seconds == duration else preference
    skips = math.exp(y) / 3 if 0 < seconds < 3 else 0.0
    if seconds == duration:
        skips = max(0.0, 1 - duration / 3)
    expected = 0.1 * norm.cdf(0.3) * skips + 0.9 * stays
    assert of_one_play(seconds, duration, "tr_log")[0].exp().item() == pytest.approx(expected, rel=1e-6)


def test_options_take_plays_as_they_were() -> None:
    """Without censoring and mixture a complete play, and a short one, are the density of their label."""
    for seconds, duration in ((20.0, 20.0), (1.0, 20.0)):
        found = of_one_play(seconds, duration, "tr_log", complete_plays="exact", skip_share=None)[0]
        at = [torch.tensor([x], dtype=torch.float64) for x in (0.3, 0.8, math.log1p(seconds))]
        rho, log_sigma = torch.tensor(0.5), torch.zeros(())
        torch.testing.assert_close(found, likelihood.continuous(*at, rho, log_sigma))


@pytest.mark.parametrize(("seconds", "duration"), [(1.0, 20.0), (2.0, 2.0), (0.0, 20.0), (20.0, 20.0)])
def test_every_play_has_a_finite_gradient(seconds: float, duration: float) -> None:
    for scale in SCALES:
        found, b_B = of_one_play(seconds, duration, scale)
        (gradient,) = torch.autograd.grad(found.sum(), b_B)
        assert torch.isfinite(gradient).all() and gradient[0] != 0


def test_pairs_that_were_no_candidates_weigh_less() -> None:
    a_B, b_B, label_B, observed_B = drawn(8)
    candidate_B = torch.rand(ROWS, generator=torch.Generator().manual_seed(9))
    rows = rows_of(a_B, b_B, label_B, observed_B, candidate_probability_B=candidate_B)
    found_B = objective(rho=0.3).log_likelihood(rows)
    whole_B = objective(rho=0.3).log_likelihood(replace(rows, candidate_probability_B=None))
    shown_B = observed_B > 0
    torch.testing.assert_close(found_B[shown_B], whole_B[shown_B])
    expected_B = torch.log1p(-candidate_B.double() * normal_cdf(a_B.double()))
    torch.testing.assert_close(found_B[~shown_B], expected_B[~shown_B])


def test_the_correlation_steps_faster_than_the_weights(ranker: Callable[..., Any], batch: Callable[..., Batch]) -> None:
    """Adam's first step is its learning rate, whatever the gradient."""
    rate = 1e-3
    model = ranker({**RECIPE, "selection": {"kind": "candidate"}})
    rows = batch(24, unobserved=True)
    kappa, log_sigma = model.objectives["watch_time"].correlation.kappa, model.objectives["watch_time"].log_sigma
    optimizers = Optimizers(model, TrainingConfig(learning_rate=rate))
    optimizers.prepare(rows)
    model.balance.backward(model.losses(rows), model.shared_parameters())
    optimizers.step()
    assert abs(kappa.item()) == pytest.approx(30 * rate, rel=1e-3)
    assert abs(log_sigma.item()) == pytest.approx(rate, rel=1e-3)
    assert (
        rates(
            ranker(
                {**RECIPE, "objective": {"kind": "latent_exogenous", "rho_rate": 1.0}, "selection": {"kind": "click"}}
            )
        )
        == {}
    )
