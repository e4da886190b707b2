"""Whole simulated nights: does a debiased recipe do better where it should, and what does each evaluation say of it?

Every night is a world of its own, run by the project's own stages. Models are measured on the judge day three times: on
logged rows (what the product shows), on its few randomly exposed rows, and against the truth of the simulator (uniform
exposure: what was watched, and the expected seconds). With rho = 0 exposure and preference are independent given what
the world knows of user and video; with rho = .5 they share noise that no feature tells.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from benchmarks.parts.cells import mean_sd, mean_se
from benchmarks.parts.part import Options, Table
from tasks.config import Params
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.simulate.config import SimulatorConfig
from tasks.stages import STAGES, Night

RHOS = (0.0, 0.5)
WORLD = SimulatorConfig().scaled(4_000)
QUICK_WORLD = SimulatorConfig().scaled(800)
FIRST_SEED = 20260101
START = dt.date(2026, 1, 1)
GROUPS = {"user": "user_id", "video": "video_id", "author": "author_id", "tag": "tag"}
DENSE = tuple(f"{name}_decayed_{what}" for name in GROUPS for what in ("ratio", "percentile"))
"""Dense features of all models: none is a copy of a proxy."""
MODEL: Mapping[str, Any] = {
    "encoder": {"kind": "packed", "embedding_dim": 8, "dense_width": 8},
    "second_encoder": {"kind": "packed", "embedding_dim": 8},
    "trunk": {"kind": "shared_bottom", "hidden": [64, 32], "dropout": 0.2},
    "head": {"kind": "tr_log"},
    "tasks": {"watch_time": {}},
}
LOGGED = {"kind": "logged", "clip": 0.02}
NETWORK = {"kind": "network", "fields": ["video_id", "position"], "clip": 0.002}
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "naive": {"objective": {"kind": "naive"}},
    "snips": {"objective": {"kind": "snips"}, "propensity": LOGGED},
    "dr_jl": {"objective": {"kind": "dr_jl"}, "propensity": NETWORK, "selection": {"kind": "candidate"}},
    "latent_exogenous": {
        "objective": {"kind": "latent_exogenous"},
        "selection": {"kind": "candidate", "shown_per_candidate": WORLD.exposure_rate},
    },
    "proxy_priors": {
        "objective": {"kind": "proxy_priors", "trade_off": 0.0, "random_rows": "beside"},
        "propensity": LOGGED,
        "set_apart": ["video_age_bucket"],
    },
}
"""One model, five objectives, nothing tuned. Dense features were cut to `DENSE` after a first quick run of one seed, because
the full set holds copies of the proxies."""
DIAL = "proxy_priors_wlr"
"""The recipe of the curve: a head with a native mean, and duration among the proxies."""
CURVE: Mapping[str, Any] = {
    "objective": {"kind": "proxy_priors", "random_rows": "beside"},
    "propensity": LOGGED,
    "head": {"kind": "wlr"},
    "set_apart": ["duration_bucket", "duration_quantile", "video_age_bucket"],
}
STAGES_BEFORE = ("ingest", "validate", "features", "table", "champion")
SHOWN = {
    ("logged", "xauc"): "XAUC, logged",
    ("random", "xauc"): "XAUC, random rows",
    ("truth", "xauc"): "XAUC, truth",
    ("truth_expected", "xauc"): "XAUC, expected seconds",
    ("logged", "tre_signed"): "signed TRE, logged",
    ("random", "tre_signed"): "signed TRE, random rows",
    ("truth", "tre_signed"): "signed TRE, truth",
    ("truth_expected", "rmse"): "RMSE, expected seconds",
}
Measured = dict[str, dict[str, dict[str, float]]]
"""Recipe -> exposure -> metric -> value."""


def run(options: Options) -> list[Table]:
    """Return a table of metrics per rho, and the curve of the recipe with a dial."""
    torch.set_num_threads(1)
    tables = []
    for rho in RHOS:
        nights, curves = [], []
        for number, seed in enumerate(options.seeds):
            workspace = Workspace(options.scratch / f"nights/rho{rho:g}-{seed}")
            run_night(params(rho, seed, options.quick), START + dt.timedelta(days=14 + number), workspace)
            nights.append(measured(workspace))
            curves.append(read_json(workspace.predictions(DIAL) / "trade_off.json"))
        tables += [_table(rho, nights, QUICK_WORLD if options.quick else WORLD), _curve(rho, curves)]
    return tables


def params(rho: float, seed: int, quick: bool) -> Params:
    """Return the configuration of one night's world and models."""
    world = (QUICK_WORLD if quick else WORLD).model_copy(update={"rho": rho, "seed": FIRST_SEED + seed})
    recipes = {name: {**MODEL, **changes} for name, changes in {**RECIPES, DIAL: CURVE}.items()}
    if quick:
        recipes["dr_jl"]["propensity"] = NETWORK | {"steps": 100}
    return Params.model_validate(
        {
            "default_source": "simulator",
            "sources": {"simulator": world.model_dump(mode="json")},
            "nightly": {"recipes": [*RECIPES, DIAL]},
            "recipes": recipes,
            "window": {"fit_days": 2, "lookback_days": 2} if quick else {},
            "validation": {"tables": {"min_rows": 100}},
            "features": {"groups": {name: {"keys": [key]} for name, key in GROUPS.items()}},
            "table": {"dense": list(DENSE), "unobserved_per_impression": 1.0, "exposure_only": ["position"]},
            "training": {
                "seeds": [seed],
                "batch_size": 512,
                "learning_rate": 2e-3,
                "max_epochs": 1 if quick else 6,
                "patience": 1,
                "device": "cpu",
                "calibration": {"min_rows": 100, "max_tre": 10},
            },
            "evaluation": {"replicates": 100, "list_lengths": [3], "truth_rows": 2_000 if quick else 20_000},
        }
    )


def run_night(settings: Params, as_of: dt.date, workspace: Workspace) -> None:
    """Run the stages of one night up to the truth about every recipe, in this process."""
    workspace.root.mkdir(parents=True)
    workspace.params.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))
    night = Night(settings, RunKey(as_of=as_of, source="simulator", data="tasks/simulate"), workspace)
    for stage in STAGES_BEFORE:
        STAGES[stage](night, None)
    for name in settings.nightly.recipes:
        STAGES["train"](night, name)
        STAGES["evaluate"](night, name)
    STAGES["oracle"](night, None)


def measured(workspace: Workspace) -> Measured:
    """Return what the stages measured."""
    found: Measured = {}
    for name in RECIPES:
        parts = read_json(workspace.predictions(name) / "metrics.json")["random_exposure"]
        parts |= read_json(workspace.oracle / f"{name}.json")
        found[name] = {
            exposure: {metric: part["metrics"][metric]["value"] for metric in part["metrics"]}
            for exposure, part in parts.items()
        }
        found[name]["learned"] = _learned(workspace.bundle(name))
    return found


def _learned(bundle: Path) -> dict[str, float]:
    """Return the correlation that a latent model learned, from the weights of its one seed."""
    from tasks.predict import load_bundle

    model = load_bundle(bundle)
    return model.rankers[model.serving_seed].objectives["watch_time"].diagnostics()


def _table(rho: float, nights: Sequence[Measured], world: SimulatorConfig) -> Table:
    rows = []
    for name in RECIPES:
        cells = []
        for exposure, metric in SHOWN:
            value = _values(nights, name, exposure, metric)
            text = mean_sd(value)
            if name != "naive" and metric != "tre_signed":
                text += f" ({mean_se(value - _values(nights, 'naive', exposure, metric))})"
            cells.append(text)
        rows.append([name, *cells])
    learned = [night["latent_exogenous"]["learned"]["rho"] for night in nights]
    return Table(
        title=f"Simulated nights, rho = {rho:g}: {len(nights)} worlds, mean ± sd",
        columns=["recipe", *SHOWN.values()],
        rows=rows,
        notes=[
            f"{world.impressions_per_day:,} impressions a day of {world.users:,} users and {world.videos:,} videos, 5 % of them "
            "exposed at random; every night another world, judge day, and seed of the fit. In brackets: paired difference "
            "from naive, ± its standard error over nights.",
            "Truth: uniform exposure on the judge day, against what would be watched and against its expectation. The random "
            "rows of the log estimate the same from few rows: 5 % of a day.",
            "Mean seconds of every recipe come from a calibrator fitted on the impressions of the day before, as in every "
            "night: it restores the total of logged rows, and with it the level that selection gave them.",
            f"rho as learned by latent_exogenous: {mean_sd(learned, 2)}. Its D is all pairs of the day's users and "
            "videos, which is coarser than the lists that the simulator draws from.",
            "snips: logged probabilities. dr_jl: logistic propensities on video and slot. proxy_priors: slot and video age "
            "set apart, y_u from random rows beside re-weighted ones, t = 0.",
        ],
        numbers={"rho": rho, "nights": nights},
    )


def _curve(rho: float, curves: Sequence[Mapping[str, Any]]) -> Table:
    """Return accuracy against bias along t, on logged and on random rows."""
    rows = []
    exposures = [name for name in ("logged", "random") if all(name in curve["exposures"] for curve in curves)]
    for place, t in enumerate(point["trade_off"] for point in _points(curves[0], "logged")):
        cells = []
        for exposure in exposures:
            for kind, digits in (("accuracy", 4), ("bias", 3)):
                value = [_points(curve, exposure)[place][kind]["value"] for curve in curves]
                cells.append(mean_sd(value, digits))
        rows.append([f"{t:g}", *cells])
    return Table(
        title=f"Proxy priors along t, rho = {rho:g}: {len(curves)} worlds, mean ± sd",
        columns=["t", *(f"{what}, {name} rows" for name in exposures for what in ("XAUC", "bias in s"))],
        rows=rows,
        notes=[
            "Head wlr; proxies: duration, age of the video, slot. Bias: standard deviation over duration deciles of (mean "
            "prediction - mean label), before calibration. A report of the judge day; it chose nothing. Watch time depends "
            "on duration in the simulator itself, so an output that must not know it cannot be even over durations.",
        ],
        numbers={"rho": rho, "curves": curves},
    )


def _points(curve: Mapping[str, Any], exposure: str) -> Sequence[Any]:
    points: Sequence[Any] = curve["exposures"][exposure]["targets"]["watch_time"]
    return points


def _values(nights: Sequence[Measured], name: str, exposure: str, metric: str) -> NDArray[np.float64]:
    return np.array([night[name].get(exposure, {}).get(metric, float("nan")) for night in nights])
