"""Does reading skips help? The feedback-aware encoding against the same recipe without skipped items, and its ablations.

Run it: python -m benchmarks.feedback [SETTING ...] --data path/to/KuaiRand-Pure
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.feedback.differences import differences
from benchmarks.feedback.planted import planted
from benchmarks.feedback.report import write_setting
from benchmarks.feedback.settings import HERE, load_settings
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.protocol.run import ProtocolRun
from tasks.simulate.config import SimulatorConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the settings that are named, or all; return the exit status."""
    settings = load_settings()
    parser = _parser(list(settings))
    asked = parser.parse_args(arguments)
    if unknown := sorted(set(asked.settings) - set(settings)):
        parser.error(f"unknown settings {', '.join(unknown)}: choose from {', '.join(settings)}")
    with ExitStack() as stack:
        scratch = asked.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dwell-feedback-")))
        for name in asked.settings or settings:
            protocol = settings[name].load(asked.seeds)
            data = asked.data if protocol.params.default_source == "kuairand" else None
            found = measured(ProtocolRun(protocol, Workspace(scratch / name), data))
            print(write_setting(name, protocol, found, asked.out), flush=True)
    return 0


def measured(run: ProtocolRun) -> dict[str, Any]:
    """Fit what has not been fitted in the workspace; return, by title of the variant, what was found.

    That is `models`, what `differences` returns, and on simulated days `planted`.
    """
    run.prepare()
    params, found = run.protocol.params, {}
    world = params.named_source(params.default_source)
    for name, variant in run.protocol.variants.items():
        if not variant.recipes:
            continue
        run.table(name)
        place = run.place(name)
        for recipe in variant.recipes:
            if not _fitted(place.predictions(recipe) / "metrics.json", params.training.seeds):
                run.fit(name, recipe)
        tables = {recipe: place.judge_table(recipe) for recipe in variant.recipes}
        found[variant.title] = {"models": differences(tables, params.evaluation)}
        if isinstance(world, SimulatorConfig):
            found[variant.title]["planted"] = planted(run.workspace.features, run.days.judge, tables, world)
    return found


def _fitted(metrics: Path, seeds: Sequence[int]) -> bool:
    return metrics.is_file() and read_json(metrics)["seeds"] == list(seeds)


def _parser(settings: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feedback", description=__doc__)
    parser.add_argument("settings", nargs="*", metavar="SETTING", help=f"any of {', '.join(settings)}; all")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/KuaiRand-Pure"), help="folder of KuaiRand-Pure"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)), help="one fit each")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the results")
    parser.add_argument("--scratch", type=Path, help="keep data and finished fits here and take those that are; default: a "
                        "temporary folder. Start with an empty one after a change of code, data or seeds")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
