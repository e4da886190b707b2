"""Rankers that begin with vectors learned from watches, or read them, against those that do not and a control with dealt vectors.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded. Shapes: B judge rows.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.parts.protocol import protocol_of
from benchmarks.representation.slices import Sliced, heading, sliced, slices_of
from benchmarks.watchtime.testbed import Testbed
from models.recipe import Recipe
from tasks.core.layout import Workspace
from tasks.protocol.run import ProtocolRun
from tasks.table.training_table import TrainingTable
from tasks.train.trees.config import TreesRecipe

FILE = Path(__file__).resolve().parent / "pretraining.yaml"
RECIPE, PLAIN, CONTROL = "network", "none", "shuffled"
ARMS: Mapping[str, Mapping[str, Any] | None] = {
    PLAIN: None,
    "directau, initialise": {"kind": "directau"},
    "directau, initialise at .3": {"kind": "directau", "spread": 0.3},
    "directau, join": {"kind": "directau", "use": "join"},
    "lightgcn, join": {"kind": "lightgcn", "use": "join"},
    "metric, initialise": {"kind": "metric"},
    "metric, join": {"kind": "metric", "use": "join"},
    "shuffled, initialise": {"kind": "directau", "shuffled": True},
    "shuffled, initialise at .3": {"kind": "directau", "spread": 0.3, "shuffled": True},
    "shuffled, join": {"kind": "directau", "use": "join", "shuffled": True},
}
"""Arm -> its pre-training; shuffled: the vectors of directau, dealt to other users and videos."""
CONTROLS: Mapping[str, str] = {
    arm: f"{CONTROL},{arm.partition(',')[2]}" for arm in ARMS if arm != PLAIN and not arm.startswith(CONTROL)
}
"""Arm -> the control of the same use."""
RULE = (
    "Rule, set before the run: an arm helps if over all rows the interval over users of its difference in XAUC to none is above 0, and "
    "what helps are the vectors if the control of the same use keeps less than a fifth of it."
)
_QUICK = {
    "sources": {"simulator": {"impressions_per_day": 800, "users": 60, "videos": 80, "new_videos_per_day": 5}},
    "training": {"max_epochs": 1, "batch_size": 256},
}


def run(options: Options) -> list[Table]:
    """Simulate the days and measure every arm."""
    protocol = protocol_of(FILE, options, _QUICK)
    night = ProtocolRun(protocol, Workspace(options.scratch / "night"))
    night.prepare()
    (variant,) = protocol.variants
    table, training = night.table(variant), protocol.params.training_of(RECIPE)
    testbed = Testbed(night.workspace.features, table, night.days, options.scratch / "fits", training)
    short = {"epochs": 1} if options.quick else {}
    arms = {arm: None if asked is None else {**asked, **short} for arm, asked in ARMS.items()}
    return measured(testbed, protocol.params.recipe(RECIPE), arms)


def measured(
    testbed: Testbed, plain: Recipe | TreesRecipe, arms: Mapping[str, Mapping[str, Any] | None]
) -> list[Table]:
    """Fit a recipe with every pre-training and the same seeds, and measure it by slices.

    Args:
        testbed: days and settings.
        plain: the recipe without.
        arms: as `ARMS`.
    """
    slices, found = slices_of(testbed, TrainingTable.open(testbed.table)), dict[str, dict[str, Sliced]]()
    for number, (arm, pretraining) in enumerate(arms.items()):
        recipe = Recipe.model_validate(plain.model_dump() | {"pretraining": pretraining})
        outputs = testbed.judged(testbed.outputs(testbed.fit(f"arm{number}", recipe)))
        found[arm] = {name: sliced(testbed, outputs, index) for name, index in slices.items()}
    first, *others = (_table(name, index.size, found) for name, index in slices.items())
    return [replace(first, notes=[*first.notes, _verdict(found), RULE, _about()]), *others]


def _table(name: str, rows: int, found: Mapping[str, Mapping[str, Sliced]]) -> Table:
    lines, numbers = [], {}
    for arm, of in found.items():
        against = of[name].over(found[PLAIN][name])
        cells = ["" if arm == PLAIN else "{:+.4f} [{:+.4f}, {:+.4f}]".format(*against[unit]) for unit in against]
        lines.append([arm, mean_sd(of[name].per_seed, 4), *cells])
        numbers[arm] = {"per_seed": of[name].per_seed, **against}
    columns = ["arm", "XAUC", "against none (users)", "against none (videos)"]
    return Table(heading(name), columns, lines, [f"{rows:,} judge rows."], numbers)


def _verdict(found: Mapping[str, Mapping[str, Sliced]]) -> str:
    over = {arm: of["all"].over(found[PLAIN]["all"])["users"] for arm, of in found.items()}
    said = []
    for arm, control in CONTROLS.items():
        if not {arm, control} <= found.keys():
            continue
        gain, low, _ = over[arm]
        helps = low > 0
        by_vectors = helps and over[control][0] < gain / 5
        said.append(f"{arm}: {'helps' if helps else 'does not help'}{', by its vectors' if by_vectors else ''}")
    return "Verdict: " + "; ".join(said) + "."


def _about() -> str:
    return (
        "Users have a planted taste for factors of the videos, of which the caption vector is a noisy linear image. A network of deepfm, which "
        "multiplies fields, learns every arm with the same seeds; joined vectors are two further fields that no step changes, so those arms "
        "hold more numbers, and the control as many. Mean ± sd over fits; 95 % intervals of the paired difference hold the sampling of "
        "users, or of videos."
    )
