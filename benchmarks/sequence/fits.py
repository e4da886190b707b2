"""Fits of a method, kept on disk until the benchmark is over."""

import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.sequence.protocol.config import SequenceMethod
from benchmarks.sequence.protocol.fit import FittedSequences, fit_sequences
from benchmarks.sequence.protocol.split import SequenceSplit
from tasks.core.files import hash_value, writing


def fit(data: SequenceSplit, name: str, method: SequenceMethod, seed: int, scratch: Path) -> FittedSequences:
    """Return one fit, and say on standard error when it is done.

    One that lies in `scratch` is taken. It is known by its configuration, not by its code: start with an empty folder
    after a change of code.
    """
    target = scratch / f"{hash_value([method.model_dump(), seed])}.npz"
    if not target.exists():
        began = time.process_time()
        fitted = fit_sequences(data, method, seed)
        with writing(target) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **asdict(fitted))
        seconds = time.process_time() - began
        print(f"{name}, seed {seed}: {fitted.epochs} epochs, {seconds:.0f} s of CPU", file=sys.stderr, flush=True)
    with np.load(target) as arrays:
        return FittedSequences(
            test_C=arrays["test_C"],
            validation_C=arrays["validation_C"],
            criterion=float(arrays["criterion"]),
            best_epoch=int(arrays["best_epoch"]),
            epochs=int(arrays["epochs"]),
        )
