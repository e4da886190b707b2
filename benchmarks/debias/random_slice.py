"""What a share of randomly exposed rows buys: error of the predicted seconds under uniform exposure, nights of known truth.

Every night is a world of its own, run by the project's stages with the naive recipe. Its seconds are calibrated twice on
the validation day: on what was shown, and shifted by the rows of that day that were exposed at random
(`models.calibration.uniform`). Both are held against the expected seconds of uniformly exposed rows of the judge day.
Where there are enough, the same night is also fitted with the random rows weighed (`models.objectives.joint_uniform`).
"""

import datetime as dt
from collections.abc import Mapping

import numpy as np
import torch

from benchmarks.debias import nights
from benchmarks.parts.cells import mean_sd, mean_se
from benchmarks.parts.part import Options, Table
from tasks.config import Params
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.simulate.config import SimulatorConfig

SHARES = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05)
WORLD = SimulatorConfig().scaled(60_000)
QUICK_WORLD = SimulatorConfig().scaled(16_000)
RECIPE = "naive"
JOINT_SHARES, WEIGHTS = (0.01, 0.05), (0.1, 0.3, 0.6)
"""Shares of random rows at which the joint loss is fitted, and its weights of them."""
Night = dict[str, float]
"""Metric of the expected seconds -> value; those of uniform seconds end in `_uniform`."""


def run(options: Options) -> list[Table]:
    """Return the table of errors by share, and that of the joint loss."""
    torch.set_num_threads(1)
    found: dict[float, list[Night]] = {}
    joint: dict[tuple[float, float], list[tuple[Night, Night]]] = {}
    for share in SHARES[-1:] if options.quick else SHARES:
        for number, seed in enumerate(options.seeds):
            workspace = Workspace(options.scratch / f"random_slice/{share:g}-{seed}")
            nights.run_night(
                params(share, seed, options.quick), nights.START + dt.timedelta(days=9 + number), workspace
            )
            night = measured(workspace)
            found.setdefault(share, []).append(night)
            for weight in _weights(share, options.quick):
                joint.setdefault((share, weight), []).append((measured(workspace, _joint(weight)), night))
    return [_table(found, QUICK_WORLD if options.quick else WORLD), _joint_table(joint)]


def _joint(weight: float) -> str:
    return f"joint_{100 * weight:.0f}"


def _weights(share: float, quick: bool) -> tuple[float, ...]:
    """Return the weights that the joint loss is fitted with at a share of random rows."""
    if share not in JOINT_SHARES:
        return ()
    return WEIGHTS[1:2] if quick else WEIGHTS


def params(share: float, seed: int, quick: bool) -> Params:
    """Return the configuration of one night: a short window, one recipe without debiasing, and the joint losses of its share."""
    base = nights.params(0.0, seed, quick).model_dump(mode="json")
    naive = base["recipes"][RECIPE]
    recipes = {RECIPE: naive} | {
        _joint(weight): naive | {"objective": {"kind": "joint_uniform", "uniform_weight": weight}}
        for weight in _weights(share, quick)
    }
    world = (QUICK_WORLD if quick else WORLD).model_copy(
        update={"random_share": share, "seed": nights.FIRST_SEED + seed}
    )
    return Params.model_validate(
        base
        | {
            "sources": {"simulator": world.model_dump(mode="json")},
            "nightly": {"recipes": [*recipes]},
            "recipes": recipes,
            "window": {"fit_days": 3, "lookback_days": 3},
            "training": base["training"] | {"max_epochs": 1 if quick else 3},
        }
    )


def measured(workspace: Workspace, recipe: str = RECIPE) -> Night:
    """Return the errors of a recipe under uniform exposure, and how many random rows calibrated."""
    truth = read_json(workspace.oracle / f"{recipe}.json")["truth_expected"]["metrics"]
    calibrators = read_json(workspace.bundle(recipe) / "calibrators.json")
    (calibration,) = calibrators.values()
    uniform = calibration["mean"]["uniform"]
    seconds = {name: metric["value"] for name, metric in truth.items()}
    return seconds | {"rows": uniform["rows"], "factor": uniform["factor"]}


def _table(found: Mapping[float, list[Night]], world: SimulatorConfig) -> Table:
    rows = []
    for share, of_share in found.items():
        known = [night for night in of_share if "rmse_uniform" in night]
        gain = [night["rmse"] - night["rmse_uniform"] for night in known]
        rows.append(
            [
                f"{100 * share:g} %",
                f"{np.mean([night['rows'] for night in of_share]):.0f}",
                mean_sd([night["rmse"] for night in of_share], 3),
                mean_sd([night["rmse_uniform"] for night in known], 3) if known else "refused",
                mean_se(gain, 3) if len(known) > 1 else "",
                mean_sd([night["tre_signed"] for night in of_share], 3),
                mean_sd([night["tre_signed_uniform"] for night in known], 3) if known else "refused",
            ]
        )
    return Table(
        title=f"Seconds under uniform exposure by the share of random rows: {max(map(len, found.values()))} worlds, mean ± sd",
        columns=[
            "random rows", "on the validation day", "RMSE, seconds of the log", "uniform seconds", "less by (± s.e.)",
            "signed TRE, seconds of the log", "uniform seconds",
        ],
        rows=rows,
        notes=[
            f"{world.impressions_per_day:,} impressions a day of {world.users:,} users and {world.videos:,} videos; 3 fit days, one "
            "recipe without debiasing. Held against the expected seconds of uniformly exposed rows of the judge day.",
            "Under 500 random rows of 200 users nothing is shifted: the log's seconds are served and the report says so.",
        ],
        numbers={f"{share:g}": of_share for share, of_share in found.items()},
    )  # fmt: skip


def _joint_table(found: Mapping[tuple[float, float], list[tuple[Night, Night]]]) -> Table:
    """Return what the joint loss gains over the naive fit of the same night."""
    metrics = {"xauc": 4, "rmse": 3, "rmse_uniform": 3}
    rows = []
    for (share, weight), pairs in found.items():
        cells = [
            text
            for name, digits in metrics.items()
            for text in (
                mean_sd([joint[name] for joint, _ in pairs], digits),
                mean_se([joint[name] - naive[name] for joint, naive in pairs], digits),
            )
        ]
        rows.append([f"{100 * share:g} %", f"{weight:g}", *cells])
    return Table(
        title="The random rows weighed in the loss: the same nights, mean ± sd, and difference from naive ± s.e.",
        columns=[
            "random rows", "their weight", "XAUC", "from naive", "RMSE, seconds of the log", "from naive", "RMSE, uniform seconds",
            "from naive",
        ],
        rows=rows,
        notes=[
            "Objective `joint_uniform` in place of `naive`, everything else alike; XAUC against the expected seconds of the same "
            "uniformly exposed rows. At a weight of their share it would be `naive`.",
        ],
        numbers={f"{share:g}, {weight:g}": pairs for (share, weight), pairs in found.items()},
    )  # fmt: skip
