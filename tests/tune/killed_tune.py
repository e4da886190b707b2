"""A search that kills itself (SIGKILL) after some epochs: killed_tune.py WORKSPACE EPOCHS."""

import os
import signal
import sys
from pathlib import Path

from flows.tune import tune
from tasks.core.layout import Workspace
from tasks.train.fit import SeedFit


def main(root: str, epochs: str) -> None:
    """Search until the given number of epochs is trained."""
    epochs_left, train_epoch = int(epochs), SeedFit.epoch

    def epoch(self: SeedFit) -> None:
        nonlocal epochs_left
        epochs_left -= 1
        if epochs_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        train_epoch(self)

    SeedFit.epoch = epoch
    tune(Workspace(Path(root)), "small")


if __name__ == "__main__":
    main(*sys.argv[1:])
