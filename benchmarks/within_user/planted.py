"""Worlds with a planted order: where the user cannot be known, where he can, and where labels of a day changed places.

The first world is fitted twice: with user identifiers, which never come back and can only be learned by heart, and without."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.parts.part import Options, Table
from benchmarks.watchtime.testbed import Testbed
from benchmarks.within_user.arms import CONTROLS, RULES, Arm, Terms, fitted, gap, standard_error, table
from benchmarks.within_user.world import World, planted_log
from tasks.core.layout import Workspace
from tasks.protocol.config import Protocol, load_protocol
from tasks.protocol.run import ProtocolRun

FILE = Path(__file__).resolve().parent / "planted.yaml"
ONCE, DAILY = World(users=400, videos=2000, rows=10, daily=False), World(users=400, videos=300, rows=10, daily=True)
QUICK = World(users=60, videos=40, rows=6, daily=False)
FULL: Terms = {
    **CONTROLS,
    **{f"pairs, {weight:g}": {"kind": "pairs", "weight": weight} for weight in (0.1, 0.3, 1.0)},
    "pairs by gap, 0.3": {"kind": "pairs", "weight": 0.3, "weights": "gap"},
    "JRC, 0.3": {"kind": "jrc", "weight": 0.3},
    "ListNet, 0.3": {"kind": "listnet", "weight": 0.3},
}
FEW: Terms = {name: FULL[name] for name in (*CONTROLS, "pairs, 0.1", "pairs, 0.3", "JRC, 0.3", "ListNet, 0.3")}
LEAST_GAIN = 0.01


def run(options: Options) -> list[Table]:
    """Fit every arm in every world."""
    if options.quick:
        return [_planted("quick", QUICK, dict(list(FEW.items())[:3]), options)]
    return [
        _planted("Users who come once", ONCE, FULL, options),
        _planted("Users who come once, not told to the model", ONCE, FEW, options, "videos"),
        _planted("Users who come every day", DAILY, FEW, options),
        _permuted(ONCE, FEW, options),
    ]


def _planted(title: str, world: World, terms: Terms, options: Options, inputs: str = "ids") -> Table:
    arms = _arms(title, world, terms, options, inputs)
    verdicts = {name: _holds(arm, arms) for name, arm in arms.items() if name not in CONTROLS}
    return table(title, arms, verdicts, [world.described(), RULES["planted"]])


def _permuted(world: World, terms: Terms, options: Options) -> Table:
    title = "Labels of a user's day in random order"
    arms = _arms(title, world, terms, options, permuted=True)
    off = {name: (arm.scored.metrics["xgauc"].value - 0.5) / standard_error(arm, "xgauc") for name, arm in arms.items()}
    verdicts = {name: f"{'holds' if abs(by) <= 3 else 'fails'} ({by:+.1f} s.e.)" for name, by in off.items()}
    return table(title, arms, verdicts, ["The first world.", RULES["permuted"]])


def _holds(arm: Arm, arms: Mapping[str, Arm]) -> str:
    gains = [gap(arm, arms[control], "xgauc") for control in CONTROLS]
    return "holds" if all(value >= LEAST_GAIN and low > 0 for value, low, _ in gains) else "no"


def _arms(
    name: str, world: World, terms: Terms, options: Options, inputs: str = "ids", *, permuted: bool = False
) -> dict[str, Arm]:
    protocol = load_protocol(FILE)
    root = options.scratch / name.replace(" ", "_")
    root.mkdir(parents=True, exist_ok=True)
    run = ProtocolRun(
        protocol, Workspace(root / "night"), planted_log(root / "planted.parquet", world, permuted=permuted)
    )
    run.prepare()
    changes: dict[str, Any] = {"seeds": tuple(options.seeds)} | ({"max_epochs": 1} if options.quick else {})
    training = protocol.params.training_of("point").model_copy(update=changes)
    testbed = Testbed(run.workspace.features, run.table(inputs), run.days, root / "fits", training)
    return fitted(testbed, testbed, _recipe(protocol), terms, training)


def _recipe(protocol: Protocol) -> Mapping[str, Any]:
    return protocol.params.recipes["point"]
