"""A train stage that kills itself (SIGKILL) after some steps."""

import os
import signal
from pathlib import Path
from typing import Any

from tasks.train.fit import SeedFit
from tasks.train.run import NamedRecipe, train
from tests.train.forked import started
from tests.train.settings import RECIPES, training


def train_until_killed(table: Path, folder: Path, steps: int, name: str) -> None:
    """Run the stage in a process of its own, which kills itself; the bundle would be `b` below the folder, scratch is `s`.

    Args:
        table: a training table.
        folder: where the stage works.
        steps: to take.
        name: of the recipe, in `RECIPES`.
    """
    process = started(train_and_die, table, folder / "b", folder / "s", steps, name)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def train_and_die(table: Path, out: Path, scratch: Path, steps: int, name: str) -> None:
    """Train until the given number of steps is taken."""
    steps_left, take_step = steps, SeedFit._step

    def step(self: SeedFit, batch: Any) -> Any:
        nonlocal steps_left
        steps_left -= 1
        if steps_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return take_step(self, batch)

    SeedFit._step = step
    config = training(seeds=(0, 1)) if name == "small" else training()
    train(table, NamedRecipe(name, RECIPES[name], config), out, scratch)
