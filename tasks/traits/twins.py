"""The table of a night as it would be had the users' traits been dealt to one another."""

from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.days import Days
from tasks.features.traits import FILE, KNOWN_FROM
from tasks.table.build import build_table
from tasks.table.training_table import LEARNED, SPLITS, TrainingTable

_KEPT = ("user_id", KNOWN_FROM)


def shuffled(traits: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return traits whose values, those of a user together, belong to another user who agreed.

    Who agreed, and when, stays: what a model then loses is what the values say.

    Args:
        traits: of data/features.
        seed: of the permutation.
    """
    order = np.random.default_rng(seed).permutation(traits.height)
    return traits.select(_KEPT).hstack(traits.drop(_KEPT)[order])


def build_twin(features: Path, table: TrainingTable, twin: Path, out: Path, seed: int) -> None:
    """Write the table of the same rows with shuffled traits, fit and validation days alone.

    Args:
        features: data/features; nothing in it is changed.
        table: the night's.
        twin: folder for features with the shuffled values in place of the users' own. It and `out` hold values of traits, so
            whoever calls removes them.
        out: folder of the table.
        seed: of the permutation.
    """
    twin.mkdir(parents=True)
    for path in features.iterdir():
        if path.name != FILE:
            (twin / path.name).symlink_to(path.resolve())
    shuffled(pl.read_parquet(features / FILE), seed).write_parquet(twin / FILE)
    about = table.metadata
    fit, (validation,), judge = (about.days[split] for split in SPLITS)
    build_table(twin, about.config, Days(fit, validation, judge, lookback=0), out, splits=LEARNED)
