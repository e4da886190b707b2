"""What correlation does the latent exogenous objective learn in whole nights, with exposure as it happens and without?

The worlds and the networks are those of `nights`; the true correlation is known, so is the share of candidates shown.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import torch
import yaml

from benchmarks.debias import nights
from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from tasks.config import Params
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.stages import STAGES, Night

AS_ONE = {"kind": "latent_exogenous", "rho_rate": 1.0, "complete_plays": "exact", "skip_share": None}
AS_IT_HAPPENS = {"kind": "latent_exogenous"}
SHOWN = nights.WORLD.exposure_rate
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "as_one": {"objective": AS_ONE, "selection": {"kind": "candidate"}},
    "without_candidates": {"objective": AS_IT_HAPPENS, "selection": {"kind": "candidate"}},
    "as_it_happens": {"objective": AS_IT_HAPPENS, "selection": {"kind": "candidate", "shown_per_candidate": SHOWN}},
}
"""Every pair refused, plays exact and one learning rate; all but the probability to be a candidate; everything."""
OTHER_WORLDS: Mapping[str, Mapping[str, Any]] = {
    "candidates_logged": {"log_candidates": True},
    "taste_apart": {"strengths": nights.WORLD.strengths.model_copy(update={"exposed_taste": 0.0}).model_dump()},
}
"""The recipe `as_it_happens` where the log marks the candidates that were not shown, and where taste does not move exposure."""


def run(options: Options) -> list[Table]:
    """Return a table of learned correlations, and of those the validation day shows."""
    torch.set_num_threads(1)
    rows, numbers = [], {}
    for rho in nights.RHOS[-1:] if options.quick else nights.RHOS:
        found = [_night(rho, seed, number, options) for number, seed in enumerate(options.seeds)]
        numbers[f"rho {rho:g}"] = found
        for name in (*RECIPES, *_other_worlds(options)):
            cells = [[one[name][key] for one in found] for key in ("learned", "rho", "standard_error")]
            warned = sum(one[name]["warning"] is not None for one in found)
            rows.append([f"{rho:g}", name, *(mean_sd(cell, 3) for cell in cells), f"{warned} of {len(found)}"])
    return [
        Table(
            title=f"Correlation of exposure and watch time in whole nights: {len(options.seeds)} worlds, mean ± sd",
            columns=["true rho", "recipe", "learned", "re-calibrated", "standard error", "warned"],
            rows=rows,
            notes=[
                "Learned: by the networks of the night. Re-calibrated, with its standard error: on the validation day with "
                "the networks held fixed (docs/methods/debias.md#identification-of-the-correlation).",
                f"as_one: every pair that was not shown counts as refused, complete and short plays are exact, one learning "
                f"rate. as_it_happens: {SHOWN} of the candidates are shown, complete plays are censored, skips on sight are a "
                "mixture, kappa steps 30 times as far. without_candidates: the same, every pair a candidate. candidates_logged: as "
                "it happens, in the same worlds whose logs mark the candidates that were not shown. taste_apart: as it happens, "
                "in worlds whose exposure does not follow users' taste.",
            ],
            numbers=numbers,
        )
    ]


def _night(rho: float, seed: int, number: int, options: Options) -> dict[str, dict[str, Any]]:
    base = nights.params(rho, seed, options.quick).model_dump(mode="json")
    root, as_of = options.scratch / f"rho/rho{rho:g}-{seed}", nights.START + dt.timedelta(days=14 + number)
    found = _learned(base, RECIPES, as_of, Workspace(root / "world"))
    for name, changes in _other_worlds(options).items():
        world = {**base, "sources": {"simulator": base["sources"]["simulator"] | changes}}
        found |= _learned(world, {name: RECIPES["as_it_happens"]}, as_of, Workspace(root / name))
    return found


def _other_worlds(options: Options) -> Mapping[str, Mapping[str, Any]]:
    return dict([*OTHER_WORLDS.items()][: 1 if options.quick else None])


def _learned(
    params: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]], as_of: dt.date, workspace: Workspace
) -> dict[str, dict[str, Any]]:
    recipes = {name: {**nights.MODEL, **changed} for name, changed in changes.items()}
    settings = Params.model_validate({**params, "nightly": {"recipes": [*recipes]}, "recipes": recipes})
    workspace.root.mkdir(parents=True)
    workspace.params.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))
    night = Night(settings, RunKey(as_of=as_of, source="simulator", data="tasks/simulate"), workspace)
    for stage in ("ingest", "validate", "features", "table"):
        STAGES[stage](night, None)
    for name in recipes:
        STAGES["train"](night, name)
    return {
        name: dict(read_json(workspace.bundle(name) / "learned.json")["validation"]["watch_time"]) for name in recipes
    }
