"""A train stage that kills itself (SIGKILL) after some steps: killed_fit.py TABLE OUT SCRATCH STEPS small|candidate|..."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tasks.train.fit import SeedFit
from tasks.train.run import NamedRecipe, train
from tests.train.settings import RECIPES, training

REPOSITORY = Path(__file__).parents[2]


def train_until_killed(table: Path, folder: Path, steps: int, name: str) -> None:
    """Run the stage in a process of its own, which kills itself; the bundle would be `b` below the folder, scratch is `s`."""
    places = [table, folder / "b", folder / "s"]
    command = [sys.executable, "-m", "tests.train.killed_fit", *places, str(steps), name]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == -signal.SIGKILL


def main(table: str, out: str, scratch: str, steps: str, name: str) -> None:
    """Train until the given number of steps is taken."""
    steps_left, take_step = int(steps), SeedFit._step

    def step(self: SeedFit, batch: Any) -> Any:
        nonlocal steps_left
        steps_left -= 1
        if steps_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return take_step(self, batch)

    SeedFit._step = step
    config = training(seeds=(0, 1)) if name == "small" else training()
    train(Path(table), NamedRecipe(name, RECIPES[name], config), Path(out), Path(scratch))


if __name__ == "__main__":
    main(*sys.argv[1:])
