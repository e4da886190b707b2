"""Synthetic recovery: what each method does where the truth is known (docs/methods/debias.md#synthetic-recovery)."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean

import torch
from torch import Tensor

from benchmarks.debias import likelihood_cost as cost
from benchmarks.debias.predictions import mean_seconds, mean_seconds_censored
from benchmarks.debias.synthetic_data import (
    NUM_PAIRS,
    WATCH_SIGMA,
    Noise,
    confounded_noise,
    factor_world,
    linear_world,
    logistic_noise,
    student_noise,
    watch_time_world,
)
from benchmarks.debias.synthetic_fits import (
    dr_index,
    errors,
    factor_model,
    ips_index,
    joint,
    naive_index,
    outcome_of,
)
from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from models.latent.bivariate_normal import log_phi2
from models.latent.ghk import log_phi2_ghk
from models.latent.identification import SelectionFit
from models.latent.indices import Linear
from models.latent.likelihood import LogCdf

Numbers = dict[str, list[float]]

SPECIFIED = {
    ("binary", False, 0.0): (".0002 / +.001", ".0003", ".0062", "-.08 ± .14"),
    ("binary", False, 0.5): (".0573 / +.205", ".0631", ".0017", ".47 ± .06"),
    ("binary", False, 0.8): (".1367 / +.314", ".1489", ".0007", ".797 ± .029"),
    ("binary", True, 0.0): (".0001 / +.001", ".0003", ".0003", ".02 ± .03"),
    ("binary", True, 0.5): (".0328 / +.157", ".0554", ".0002", ".511 ± .026"),
    ("binary", True, 0.8): (".0833 / +.249", ".1296", ".0002", ".805 ± .016"),
    ("continuous", False, 0.0): (".0008 / -.001", ".0019", ".0292", "-.04 ± .10"),
    ("continuous", False, 0.5): (".648 / +.742", ".744", ".0038", ".493 ± .026"),
    ("continuous", False, 0.8): ("1.659 / +1.188", "1.914", ".0016", ".797 ± .009"),
    ("continuous", True, 0.0): (".0005 / +.004", ".0022", ".0008", ".004 ± .017"),
    ("continuous", True, 0.5): (".371 / +.567", ".656", ".0007", ".506 ± .014"),
    ("continuous", True, 0.8): (".940 / +.904", "1.665", ".0007", ".801 ± .008"),
}
"""Naive MSE / bias, IPS MSE, joint MSE and rho_hat of an independent implementation, 10 seeds.

Source: docs/methods/debias.md#synthetic-recovery.
"""

SPECIFIED_FACTORS = {
    (False, 0.0): (".068 -> .068, -.01", ".097 -> .068, .80", ".160 -> .062, .98"),
    (False, 0.02): (".056 -> .056, -.04", ".083 -> .054, .71", ".135 -> .054, .98"),
    (True, 0.0): (".047 -> .047, .00", ".071 -> .044, .71", ".110 -> .041, .98"),
    (True, 0.02): (".042 -> .042, -.02", ".063 -> .039, .66", ".097 -> .038, .98"),
}
"""By (z, share of random rows): MSE naive -> joint, rho_hat for rho = 0, .5, .8; 3 seeds."""

RHOS = (0.0, 0.2, 0.5, 0.8)
FACTOR_RHOS = (0.0, 0.5, 0.8)
FACTOR_SEEDS = 3


def run(options: Options) -> list[Table]:
    """Return all tables of the part; reads no data."""
    num_pairs = 6_000 if options.quick else NUM_PAIRS
    seeds = list(options.seeds)
    return [
        *(linear_table(kind == "continuous", seeds, num_pairs) for kind in ("binary", "continuous")),
        weak_table(seeds, num_pairs),
        factor_table(seeds[: 1 if options.quick else FACTOR_SEEDS], quick=options.quick),
        mar_table(seeds, num_pairs),
        noise_table(seeds, num_pairs),
        watch_time_table(seeds, num_pairs),
        cost_table(options.quick),
    ]


def linear_table(continuous: bool, seeds: Sequence[int], num_pairs: int) -> Table:
    """Return MSE, bias and rho_hat of linear models, with and without an exclusion restriction."""
    kind = "continuous" if continuous else "binary"
    rows, numbers = [], {}
    for apart in (False, True):
        for rho in RHOS:
            found = _over(seeds, lambda seed: _linear_cell(seed, rho, apart, continuous, num_pairs))  # noqa: B023
            numbers[f"{kind}, z {apart}, rho {rho}"] = found
            stated = SPECIFIED.get((kind, apart, rho), ("",) * 4)
            rows.append(
                (
                    f"{'z' if apart else 'no z'}, rho {rho}",
                    f"{_cell(found['naive mse'])} / {_cell(found['naive bias'])}",
                    stated[0],
                    f"{_cell(found['ips mse'])} / {_cell(found['ips bias'])}",
                    stated[1],
                    f"{_cell(found['joint mse'])} / {_cell(found['joint bias'])}",
                    stated[2],
                    _cell(found["rho"]),
                    stated[3],
                    _cell(found["kept mse"]),
                )
            )
    return Table(
        f"Synthetic recovery, {kind} label, linear indices",
        (
            "world",
            "naive",
            "reference",
            "IPS, true p",
            "reference",
            "joint",
            "reference",
            "rho_hat",
            "reference",
            "MSE kept",
        ),
        rows,
        (
            f"MSE / bias over all pairs, mean ± sd over {len(seeds)} seeds, {num_pairs:,} pairs, A = 1; bias is signed.",
            "IPS weights by the true propensity, clipped at .02. Reference: an independent implementation, 10 seeds.",
            "MSE kept: rho = 0 wherever the report of the fit warns (no exclusion restriction, or standard error > .1).",
        ),
        numbers,
    )


def weak_table(seeds: Sequence[int], num_pairs: int) -> Table:
    """Return what happens where exposure varies little: A = .5, rho = .5."""
    rows, numbers = [], {}
    for kind, apart in (("binary", False), ("continuous", False), ("binary", True), ("continuous", True)):

        def cell(seed: int) -> dict[str, float]:
            world = linear_world(
                seed,
                0.5,
                apart=apart,  # noqa: B023
                continuous=kind == "continuous",  # noqa: B023
                spread=0.5,
                num_pairs=num_pairs,
            )
            fit = joint(world)
            return {
                "naive mse": errors(world, outcome_of(fit.independent))[0],
                "joint mse": errors(world, outcome_of(fit.free))[0],
                **_rho_numbers(fit),
            }

        found = _over(seeds, cell)
        numbers[f"{kind}, z {apart}"] = found
        columns = ("naive mse", "joint mse", "rho")
        error = found["standard error"]
        rows.append(
            (
                f"{kind}, {'z' if apart else 'no z'}",
                *(_cell(found[name]) for name in columns),
                f"{min(error):.3f} to {max(error):.3f}",
                f"{sum(found['warned']):.0f} of {len(seeds)}",
            )
        )
    return Table(
        "Weak identification: A = .5, rho = .5",
        ("world", "naive MSE", "joint MSE", "rho_hat", "standard error", "warned"),
        rows,
        ("Reference, binary: rho_hat .22 ± .47 without z (MSE .047, naive .057), .505 ± .023 with z (MSE .0002).",),
        numbers,
    )


def factor_table(seeds: Sequence[int], quick: bool) -> Table:
    """Return naive and joint fits of free id embeddings."""
    rows, numbers = [], {}
    for apart in (False, True):
        for share in (0.0, 0.02):
            cells = []
            for rho in FACTOR_RHOS[-1:] if quick else FACTOR_RHOS:
                found = _over(seeds, lambda seed: _factor_cell(seed, rho, apart, share))  # noqa: B023
                numbers[f"z {apart}, random {share}, rho {rho}"] = found
                cells.append(f"{_cell(found['naive'])} -> {_cell(found['joint'])}, {_cell(found['rho'])}")
                cells.append(SPECIFIED_FACTORS[apart, share][FACTOR_RHOS.index(rho)])
            rows.append((f"{'z' if apart else 'no z'}, {share:.0%} random rows", *cells))
    shown = FACTOR_RHOS[-1:] if quick else FACTOR_RHOS
    return Table(
        "Synthetic recovery, binary label, free id embeddings (250 x 250, rank 4)",
        ("world", *(name for rho in shown for name in (f"rho {rho}", "reference"))),
        rows,
        (
            f"MSE naive -> joint, rho_hat; mean ± sd over {len(seeds)} seeds. The penalty is that of the factors' prior.",
            "The reference states neither the factors' scale nor the penalty, so only the pattern is comparable.",
            "rho_hat overshoots with embeddings: it is one end of a bracket, never a finding.",
        ),
        numbers,
    )


def mar_table(seeds: Sequence[int], num_pairs: int) -> Table:
    """Return case (a): independent noise, strong exposure, an outcome that no linear index can follow."""
    rows, numbers = [], {}
    for kind in ("binary", "continuous"):
        found = _over(seeds, lambda seed: _mar_cell(seed, kind == "continuous", num_pairs))  # noqa: B023
        numbers[kind] = found
        rows.append((kind, *(f"{_cell(found[name])}" for name in ("naive", "ips", "dr"))))
    return Table(
        "Case (a): rho = 0, strong exposure (A = 1), mis-specified outcome model",
        ("label", "naive MSE", "IPS MSE", "DR MSE"),
        rows,
        ("True p clipped at .02; DR imputes the mean observed label. The best linear index has an error of its own.",),
        numbers,
    )


def noise_table(seeds: Sequence[int], num_pairs: int) -> Table:
    """Return cases (b) and (c): where the drift of rho_hat under noise that is not normal is read off."""
    laws: dict[str, Callable[[int], Noise | None]] = {
        "normal": lambda seed: None,
        "Student, 4 df": lambda seed: student_noise,
        "logistic": lambda seed: logistic_noise,
        "hidden ±1 confounder": lambda seed: confounded_noise(0.5, torch.Generator().manual_seed(seed)),
    }
    rows, numbers = [], {}
    for law, noise in laws.items():
        for kind in ("binary", "continuous"):

            def cell(seed: int) -> dict[str, float]:
                world = linear_world(
                    seed,
                    0.0 if "confounder" in law else 0.5,  # noqa: B023
                    apart=True,
                    continuous=kind == "continuous",  # noqa: B023
                    noise=noise(seed),  # noqa: B023
                    num_pairs=num_pairs,
                )
                return _rho_numbers(joint(world))

            found = _over(seeds, cell)
            numbers[f"{law}, {kind}"] = found
            rows.append((law, kind, _cell(found["rho"])))
    return Table(
        "Cases (b) and (c): rho_hat where the noise is not normal, with z",
        ("noise", "label", "rho_hat"),
        rows,
        (
            "Variance 1 throughout. Student and logistic margins are put on normal dependence of rho = .5 (our reading).",
            "The confounder has half of both variances (correlation .5): reported, nothing is claimed.",
        ),
        numbers,
    )


def watch_time_table(seeds: Sequence[int], num_pairs: int) -> Table:
    """Return case (e): mean seconds recovered from log-normal watch time with a zero mass and a duration effect."""
    found = _over(seeds, lambda seed: _watch_cell(seed, num_pairs))
    names = (
        "rho",
        "naive all",
        "joint all",
        "joint worst quintile",
        "joint exposed",
        "joint unexposed",
        "joint zero mass",
    )
    return Table(
        "Case (e): relative error of the mean seconds, rho = .5, with z",
        ("", *names[1:], "rho_hat"),
        [("relative error", *(_cell(found[name]) for name in (*names[1:], "rho")))],
        (
            "Columns all to unexposed: the formulas by population under fitted against under true parameters.",
            "Worst quintile: of duration. Zero mass: mean of max(seconds, 0) against the generated seconds of all pairs.",
            "The requirement is 5 %.",
        ),
        found,
    )


def cost_table(quick: bool) -> Table:
    """Return time per epoch and error of the likelihood, exact and simulated, measured in one run."""
    repeats = 1 if quick else 3
    pairs = cost.USERS * cost.ITEMS
    joint_with: dict[str, tuple[LogCdf, float]] = {
        "exact, 32 nodes": (log_phi2, 0.0),
        "exact, 16 nodes": (partial(log_phi2, nodes=16), 0.0),
        "GHK, M = 50": (partial(log_phi2_ghk, draws=50), cost.relative_sd(cost.ghk_estimate(50))),
    }
    noise_of = {50: torch.randn(pairs, 50), 478: torch.randn(pairs, 478)}
    if not quick:
        noise_of[10_000] = torch.randn(1, 10_000)
    found = {}
    for name, (log_cdf, error) in joint_with.items():
        problem = cost.FitProblem.draw(0)
        found[name] = (cost.seconds(lambda: cost.joint_epoch(problem, log_cdf), repeats), error)  # noqa: B023
    problem = cost.FitProblem.draw(0)
    large = cost.seconds(lambda: cost.joint_epoch(problem, log_phi2, cost.LARGE_BATCH), repeats)
    found[f"exact, 32 nodes, batches of {cost.LARGE_BATCH:,} and {cost.RATIO * cost.LARGE_BATCH:,}"] = (large, 0.0)
    for draws, noise in noise_of.items():
        problem = cost.FitProblem.draw(0)
        times = cost.seconds(lambda: cost.monte_carlo_epoch(problem, noise), repeats)  # noqa: B023
        found[f"published, M = {draws:,}"] = (times, cost.relative_sd(cost.monte_carlo_estimate(draws), 50))
    exact = fmean(found["exact, 32 nodes"][0])
    return Table(
        "Cost of the likelihood at the size of Coat (6,960 observed of 87,000 pairs, batches of 64 and 192)",
        ("likelihood", "processor seconds per epoch", "against exact", "relative error of P(o = 1, r = 1)"),
        [
            (name, _cell(times), f"{fmean(times) / exact:.1f}x", f"{error:.2%}" if error else "< 1e-12")
            for name, (times, error) in found.items()
        ],
        (
            "Same networks, one epoch of 108 batches, one thread; the published procedure takes two steps a batch.",
            "With batches of 64 the networks and the optimiser cost most of the time, whatever the likelihood.",
            "M = 10,000 shares one set of draws among all pairs, which favours it: its own would need 3.5 GB.",
        ),
        {name: {"seconds": times, "relative_error": error} for name, (times, error) in found.items()},
    )


def _linear_cell(seed: int, rho: float, apart: bool, continuous: bool, num_pairs: int) -> dict[str, float]:
    world = linear_world(seed, rho, apart=apart, continuous=continuous, num_pairs=num_pairs)
    fit = joint(world)
    found = {}
    for name, index_N in (
        ("naive", outcome_of(fit.independent)),
        ("ips", ips_index(world)),
        ("joint", outcome_of(fit.free)),
        ("kept", outcome_of(fit.kept)),
    ):
        found[f"{name} mse"], found[f"{name} bias"] = errors(world, index_N)
    return {**found, **_rho_numbers(fit)}


def _factor_cell(seed: int, rho: float, apart: bool, share: float) -> dict[str, float]:
    world = factor_world(seed, rho, apart=apart, random_share=share)
    naive, free = factor_model(world, 0.0), factor_model(world, None)
    return {
        "naive": errors(world, outcome_of(naive))[0],
        "joint": errors(world, outcome_of(free))[0],
        "rho": free.rho,
    }


def _mar_cell(seed: int, continuous: bool, num_pairs: int) -> dict[str, float]:
    world = linear_world(seed, 0.0, apart=False, continuous=continuous, bend=0.5, num_pairs=num_pairs)
    observed_N = world.rows.observed_N
    imputed_N = torch.full_like(world.seen_N, float(world.seen_N[observed_N].mean()))
    found = {"naive": naive_index(world), "ips": ips_index(world), "dr": dr_index(world, imputed_N)}
    return {name: errors(world, index_N)[0] for name, index_N in found.items()}


def _watch_cell(seed: int, num_pairs: int) -> dict[str, float]:
    world = watch_time_world(seed, 0.5, num_pairs)
    fit = joint(world)
    true_rho, true_sigma = _number(0.5), _number(WATCH_SIGMA)
    truth = mean_seconds(world.a_N, world.b_N, true_rho, true_sigma)
    with torch.no_grad():
        a_N, b_N = fit.free.indices()
        naive_aN, naive_bN = fit.independent.indices()
        naive_N = mean_seconds(naive_aN, naive_bN, _number(0.0), _number(fit.independent.sigma)).everybody_B
    fitted = mean_seconds(a_N, b_N, _number(fit.free.rho), _number(fit.free.sigma))
    indices = world.indices()
    assert isinstance(indices, Linear)
    duration_N = indices.exposure_NP[:, 0].contiguous()
    edges = torch.quantile(duration_N[:10_000], torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64))
    quintile_N = torch.bucketize(duration_N, edges)
    worst = max(_relative(fitted.everybody_B[quintile_N == q], truth.everybody_B[quintile_N == q]) for q in range(5))
    return {
        "rho": fit.free.rho,
        "naive all": _relative(naive_N, truth.everybody_B),
        "joint all": _relative(fitted.everybody_B, truth.everybody_B),
        "joint worst quintile": worst,
        "joint exposed": _relative(fitted.exposed_B, truth.exposed_B),
        "joint unexposed": _relative(fitted.unexposed_B, truth.unexposed_B),
        "joint zero mass": _relative(mean_seconds_censored(b_N, _number(fit.free.sigma)), torch.expm1(world.seen_N)),
    }


def _rho_numbers(fit: SelectionFit) -> dict[str, float]:
    report = fit.report
    return {
        "rho": report.rho,
        "standard error": report.standard_error,
        "p value": report.p_value,
        "warned": float(report.warning is not None),
    }


def _relative(found_N: Tensor, truth_N: Tensor) -> float:
    """Return |mean found / mean truth - 1|."""
    return abs(float(found_N.mean() / truth_N.mean()) - 1)


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _over(seeds: Sequence[int], cell: Callable[[int], dict[str, float]]) -> Numbers:
    """Return every number of a cell for every seed."""
    found = [cell(seed) for seed in seeds]
    return {name: [one[name] for one in found] for name in found[0]}


def _cell(values: Sequence[float]) -> str:
    """Return mean ± sd, the value alone of one run, with four decimals below .1 and three above."""
    digits = 4 if abs(fmean(values)) < 0.1 else 3
    return mean_sd(values, digits) if len(values) > 1 else f"{values[0]:.{digits}f}"
