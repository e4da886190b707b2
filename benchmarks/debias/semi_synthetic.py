"""Does debiasing recover what selection hides? Real watch times, artificial exposure whose probabilities are known.

`exposed_log.py` states the world. Every method learns from the exposed rows of eight days (and from the inputs of the
hidden ones), stops early by its own loss on the next day, and is judged on all rows of the day after, hidden ones too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.debias.exposed_log import Bools, Exposure, Floats, Regime, World, expose, read_world
from benchmarks.debias.in_memory import Rows, fit, scores
from benchmarks.parts.cells import mean_sd, mean_se
from benchmarks.parts.part import Options, Table
from models.heads.base import TrainLabels
from models.propensity.base import Exposures
from models.propensity.network import Network, NetworkConfig
from models.recipe import Recipe
from models.schema import InputSchema
from models.weights import effective_sample_size
from tasks.evaluate.metrics.pairwise import xauc
from tasks.evaluate.metrics.point import mae, tre_signed
from tasks.train.calibrate import ValidationRows, calibrate
from tasks.train.config import CalibrationConfig, TrainingConfig

REGIMES = (
    Regime("known causes, mild"),
    Regime("known causes, strong", popularity=1.2, duration=1.2),
    Regime("popularity alone, strong", popularity=1.5, duration=0.0),
    Regime("position, strong", position=2.0),
    Regime("taste", taste=1.0),
    Regime("taste, little overlap", taste=2.0),
    Regime("hidden cause", rho=0.6),
    Regime("hidden cause, no exclusion", position=0.0, rho=0.6),
)
CLIP = 0.02
TRAINING = TrainingConfig(batch_size=1024, learning_rate=3e-3, max_epochs=6, patience=1)
"""Rate and batch size have the least validation loss of naive and latent fits under another seed (99) of the first regime."""
QUICK_ROWS = 8_000
RECIPE: Mapping[str, Any] = {
    "encoder": {"kind": "packed", "embedding_dim": 8},
    "second_encoder": {"kind": "packed", "embedding_dim": 8},
    "trunk": {"kind": "shared_bottom", "hidden": [64, 32], "dropout": 0.1},
    "head": {"kind": "tr_log"},
    "selection": {"kind": "click"},
    "set_apart": ["slot"],
}
"""One model for every method; its figures were fixed before any result was seen."""


@dataclass(frozen=True)
class Method:
    """One line of a table.

    Attributes:
        name: as the table calls it.
        objective: of the recipe.
        propensity: which one the objective divides by.
        everything: whether nothing is hidden from it: what no method can have.
        apart: fields that the tasks do not read.
    """

    name: str
    objective: Mapping[str, Any]
    propensity: str = "true"
    everything: bool = False
    apart: tuple[str, ...] = ("slot",)


METHODS = (
    Method("all rows (unattainable)", {"kind": "naive"}, everything=True),
    Method("naive", {"kind": "naive"}),
    Method("IPS, true p", {"kind": "ips"}),
    Method("IPS, estimated p", {"kind": "ips"}, "estimated"),
    Method("SNIPS, true p", {"kind": "snips"}),
    Method("DR, true p", {"kind": "dr"}),
    Method("DR-JL, true p", {"kind": "dr_jl"}),
    Method("DR-JL, estimated p", {"kind": "dr_jl"}, "estimated"),
    Method("proxy priors, t = 0", {"kind": "proxy_priors", "trade_off": 0.0}, apart=("slot", "popularity_bucket")),
    Method("latent, rho = 0", {"kind": "latent_exogenous", "rho": 0.0}),
    Method("latent, rho free", {"kind": "latent_exogenous"}),
)
OTHER_LEVEL = ("latent, rho = 0", "latent, rho free")
"""Methods whose score is no mean of log(1 + s): a watch time of 0 is `at most 0` to them."""
METHOD_NOTES = (
    "The latent index takes a watch time of 0 as `at most 0`, so it lies below the mean of log(1 + s): its bias and RMSE do not "
    "compare with those of the others.",
    "Estimated p: logistic regression on slot, log popularity and log duration (the truth is a probit, and knows taste). Proxy "
    "priors set the popularity bucket apart beside the slot and learn y_u by SNIPS with the true p.",
)
METRICS = {
    "xauc": "XAUC",
    "bias": "bias of log(1 + s)",
    "tilt": "tilt",
    "rmse": "RMSE of log(1 + s)",
    "mae": "MAE of mean, s",
    "tre": "signed TRE of mean",
}
DIGITS = {"xauc": 4, "bias": 3, "tilt": 3, "rmse": 4, "mae": 2, "tre": 3}


def run(options: Options) -> list[Table]:
    """Return one table per regime, before them one of all."""
    world = read_world(options.data / "KuaiRand-Pure", QUICK_ROWS if options.quick else None)
    training = TRAINING.model_copy(update={"max_epochs": 1}) if options.quick else TRAINING
    tables = {
        regime.name: table(world, regime, options.seeds, training) for regime in REGIMES[:: 7 if options.quick else 1]
    }
    return [_summary(tables), *tables.values()]


def _summary(tables: Mapping[str, Table]) -> Table:
    """Return which methods do better than naive where, in the order of videos and in the level."""
    rows = []
    for regime, table in tables.items():
        runs: Mapping[str, list[dict[str, float]]] = table.numbers["runs"]
        xauc_of, bias_of = (
            {name: values(found, metric) for name, found in runs.items()} for metric in ("xauc", "bias")
        )
        better_order = {name: value - xauc_of["naive"] for name, value in xauc_of.items()}
        better_level = {
            name: np.abs(bias_of["naive"]) - np.abs(value) for name, value in bias_of.items() if name not in OTHER_LEVEL
        }
        rows.append([
            regime,
            mean_sd(xauc_of["naive"]),
            winners(better_order, 4),
            mean_sd(bias_of["naive"], 3),
            winners(better_level, 3),
        ])  # fmt: skip
    return Table(
        title="Where which method does better than naive",
        columns=["exposure follows", "XAUC of naive", "better order, by", "bias of naive", "nearer to 0, by"],
        rows=rows,
        notes=[
            "Better: the paired difference over seeds is above 0 by a one-sided t test at 5 % over all methods (Bonferroni); best "
            "first. Each seed draws exposures, weights and order anew; the log is the same. Bias is of log(1 + s).",
        ],
        numbers=None,
    )


def winners(gain: Mapping[str, Floats], digits: int) -> str:
    """Return the attainable methods whose gain over naive is above 0, with mean ± standard error, or `none`."""
    rivals = [m.name for m in METHODS if m.name in gain and m.name != "naive" and not m.everything]
    clear = [name for name in rivals if is_above(gain[name], 0, len(rivals))]
    return (
        "; ".join(f"{name} {mean_se(gain[name], digits)}" for name in sorted(clear, key=lambda n: -gain[n].mean()))
        or "none"
    )


def is_above(gain: Floats, least: float, tests: int) -> bool:
    """Tell whether a mean gain is above a number by a one-sided t test, one of several at 5 % in all; no for one run."""
    if len(gain) < 2:
        return False
    return bool(gain.mean() - stats.t.ppf(1 - 0.05 / tests, len(gain) - 1) * stats.sem(gain) > least)


def table(
    world: World,
    regime: Regime,
    seeds: Sequence[int],
    training: TrainingConfig,
    methods: Sequence[Method] = METHODS,
    notes: Sequence[str] = METHOD_NOTES,
) -> Table:
    """Return what every method finds where exposure follows a regime.

    Args:
        world: all rows.
        regime: how exposure is drawn.
        seeds: of exposures, weights and order.
        training: how every method is fitted.
        methods: of which one is called `naive`.
        notes: what to know of the methods.
    """
    found: dict[str, list[dict[str, float]]] = {method.name: [] for method in methods}
    about = []
    for seed in seeds:
        exposure = expose(world, regime, seed)
        about.append(_description(exposure))
        for method, measured in measure(exposure, training, seed, methods):
            found[method.name].append(measured)
    rows = [[name, *(_cell(found, name, metric) for metric in METRICS), _rho(runs)] for name, runs in found.items()]
    return Table(
        title=f"Semi-synthetic exposure on KuaiRand-Pure, {regime.name}: {len(seeds)} seeds, mean ± sd",
        columns=["method", *METRICS.values(), "rho"],
        rows=rows,
        notes=[*_notes(world, regime, about), *notes],
        numbers={"regime": regime.__dict__, "exposure": about, "runs": found},
    )


def measure(
    exposure: Exposure, training: TrainingConfig, seed: int, methods: Sequence[Method] = METHODS
) -> Iterator[tuple[Method, dict[str, float]]]:
    """Yield every method with its metrics on all rows of the test day."""
    propensities = {"true": exposure.propensity, "estimated": estimated_propensity(exposure, seed)}
    for method in methods:
        yield method, _measure(exposure, method, propensities[method.propensity], training, seed)


def estimated_propensity(exposure: Exposure, seed: int) -> Floats:
    """Return a logistic regression of exposure on what the index depends on, fitted on the fit days."""
    world = exposure.world
    config = NetworkConfig(fields=("slot",), numbers=("log_popularity", "log_duration"), steps=600, seed=seed)
    rows = Exposures(
        item=world.fields["video_id"],
        user=world.user,
        observed=exposure.observed,
        logged=np.full(len(world), np.nan),
        random=np.zeros(len(world), dtype=bool),
        kept=np.ones(len(world)),
        label=np.full(len(world), np.nan),
        fields={"slot": world.fields["slot"]},
        numbers={"log_popularity": world.log_popularity, "log_duration": world.log_duration},
    )
    return Network(config, Network.fit_state(config, rows.where(world.part["fit"]))).apply(rows)


def _measure(
    exposure: Exposure, method: Method, propensity: Floats, training: TrainingConfig, seed: int
) -> dict[str, float]:
    world, part = exposure.world, exposure.world.part
    recipe = Recipe.model_validate(
        {
            **RECIPE,
            "objective": dict(method.objective),
            "propensity": {"kind": "popularity", "clip": CLIP},
            "set_apart": method.apart,
        }
    )
    schema = InputSchema(fields=tuple((name, int(codes.max()) + 1) for name, codes in world.fields.items()))
    seen = np.ones_like(exposure.observed) if method.everything else exposure.observed

    def rows(keep: Bools) -> Rows:
        fields = {name: codes[keep] for name, codes in world.fields.items()}
        return Rows.of(fields, schema, world.watch_s[keep], world.duration_s[keep], seen[keep], propensity[keep])

    ranker = fit(recipe, schema, rows(part["fit"]), rows(part["validation"]), training, seed)
    shown = part["validation"] & seen
    calibration = calibrate(
        {"score": scores(ranker, rows(shown))},
        ValidationRows(world.watch_s[shown], world.duration_s[shown], world.user[shown], "validation"),
        TrainLabels(world.watch_s[part["fit"] & seen], world.duration_s[part["fit"] & seen]),
        CalibrationConfig(min_rows=1),
    )
    test, score = part["test"], scores(ranker, rows(part["test"]))
    watch_s, error = world.watch_s[test], score - np.log1p(world.watch_s[test])
    mean_s = calibration.apply({"score": score}, world.duration_s[test])["watch_mean"]
    rho = ranker.objectives["watch_time"].diagnostics().get("rho", float("nan"))
    return {
        "xauc": xauc(watch_s, score).value,
        "bias": float(error.mean()),
        "tilt": float(error[~exposure.observed[test]].mean() - error[exposure.observed[test]].mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "mae": mae(watch_s, mean_s).value,
        "tre": tre_signed(watch_s, mean_s).value,
        "rho": rho,
    }


def _description(exposure: Exposure) -> dict[str, float]:
    """Return what the selection does to the fit days."""
    fit_rows, log_watch = exposure.world.part["fit"], np.log1p(exposure.world.watch_s)
    seen = fit_rows & exposure.observed
    weight = 1 / np.maximum(exposure.propensity[seen], CLIP)
    return {
        "exposed": float(exposure.observed[fit_rows].mean()),
        "log_watch_shift": float(log_watch[seen].mean() - log_watch[fit_rows].mean()),
        "effective_share": float(effective_sample_size(weight) / seen.sum()),
        "clipped": float((exposure.propensity[seen] < CLIP).mean()),
    }


def _cell(found: Mapping[str, list[dict[str, float]]], name: str, metric: str) -> str:
    """Return mean ± sd; of XAUC also the paired difference from naive with its standard error."""
    value = values(found[name], metric)
    text = mean_sd(value, DIGITS[metric])
    return (
        text if metric != "xauc" or name == "naive" else f"{text} ({mean_se(value - values(found['naive'], metric))})"
    )


def values(runs: Sequence[Mapping[str, float]], metric: str) -> Floats:
    """Return a metric of every run."""
    return np.array([run[metric] for run in runs])


def _rho(runs: Sequence[Mapping[str, float]]) -> str:
    value = values(runs, "rho")
    return "" if np.isnan(value).any() else mean_sd(value, 2)


def _notes(world: World, regime: Regime, about: Sequence[Mapping[str, float]]) -> list[str]:
    mean = {name: float(np.mean([item[name] for item in about])) for name in about[0]}
    part = {name: int(keep.sum()) for name, keep in world.part.items()}
    return [
        f"Rows: {part['fit']:,} of the fit days, {part['validation']:,} of the validation day, {part['test']:,} of the test "
        f"day, all of them judged. Exposed: {mean['exposed']:.1%} of the fit rows, whose mean log(1 + s) is off by "
        f"{mean['log_watch_shift']:+.3f}; effective share of their inverse weights {mean['effective_share']:.2f}, "
        f"{mean['clipped']:.1%} clipped at {CLIP}.",
        f"Index: {regime.popularity:g} z(log popularity) + {regime.duration:g} z(log duration) + {regime.taste:g} z(user effect + "
        f"video effect) + {regime.position:g} z(slot), rho {regime.rho:g}. The slot is artificial and read by exposure models only.",
        "One model for all methods (ids, duration, popularity and tab; head tr_log). The bracket behind XAUC is the paired "
        "difference from naive, ± its standard error over seeds: each seed draws exposures, weights and order anew.",
        "Bias and RMSE are of the score as it was learned; the tilt is the bias on hidden rows less that on exposed "
        "ones, which the level that a fit happens to end with does not move. Mean seconds come from a calibrator fitted on the exposed rows of the validation day, the only ones that a "
        "product without random exposure would have.",
    ]
