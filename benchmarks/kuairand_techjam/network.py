"""dwell's own network on the rows of the task: the stages of a night, and its probability of a long view for every row.

Shapes: B rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.kuairand_techjam.rows import Split, TaskRows
from tasks.core.contract import KEY
from tasks.core.layout import Workspace
from tasks.core.predictions import column, probability
from tasks.evaluate.metrics.inputs import FloatArray
from tasks.protocol.config import Protocol, ProtocolDays, load_protocol
from tasks.protocol.run import ProtocolRun

PROTOCOL = Path(__file__).resolve().parent / "protocol.yaml"
RECIPE = "long_view"


@dataclass(frozen=True, eq=False)
class NetworkScores:
    """What the network says of the test rows.

    Attributes:
        by_seed: seed -> the [B] probabilities of a long view.
        set_aside: rows that validation sets aside: they have the share of long views in train.
    """

    by_seed: dict[int, FloatArray]
    set_aside: int


def network(
    folder: Path, split: Split, train: TaskRows, test: TaskRows, protocol: Protocol, scratch: Path
) -> NetworkScores:
    """Fit every seed and return the scores of the test rows.

    Args:
        folder: of KuaiRand-Pure.
        split: which days; of those of valid the last stops and calibrates.
        train: rows that are learned from.
        test: rows that are scored.
        protocol: recipe, features, seeds.
        scratch: for the stages' outputs.
    """
    days = ProtocolDays(fit=tuple(split.days("train")), validation=split.valid[1], judge=tuple(split.days("test")))
    run = ProtocolRun(protocol.model_copy(update={"days": days}), Workspace(scratch / "network"), folder)
    run.prepare()
    (variant,) = protocol.variants
    run.table(variant)
    run.fit(variant, RECIPE)
    seeds = protocol.params.training.seeds
    names = [column(probability(RECIPE), seed) for seed in seeds]
    found = pl.read_parquet(run.place(variant).judge_table(RECIPE), columns=[*KEY, *names])
    return joined(test, found, float(train.label_B.mean()), seeds)


def with_seeds(seeds: Sequence[int], **training: int) -> Protocol:
    """Return the protocol with other seeds, and other settings of training."""
    protocol = load_protocol(PROTOCOL)
    changed = protocol.params.training.model_copy(update={"seeds": tuple(seeds), **training})
    return protocol.model_copy(update={"params": protocol.params.model_copy(update={"training": changed})})


def joined(test: TaskRows, found: pl.DataFrame, mean: float, seeds: Sequence[int]) -> NetworkScores:
    """Return scores row by row: repetitions of a row have one score, rows without any the mean.

    Args:
        test: rows that are scored, in file order.
        found: the prediction table, of which validation kept one row per key.
        mean: of the label in train.
        seeds: of the fits.
    """
    keys = test.frame.select("user_id", "video_id", event_time_ms="time_ms")
    rows = keys.join(found, on=KEY, how="left", maintain_order="left", validate="m:1")
    names = {seed: column(probability(RECIPE), seed) for seed in seeds}
    set_aside = rows[names[seeds[0]]].null_count()
    return NetworkScores({seed: rows[name].fill_null(mean).to_numpy() for seed, name in names.items()}, set_aside)
