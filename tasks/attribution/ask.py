"""`dwell importance`: ranks of fields beside permutation itself, for whoever wants to know now and can wait for it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from models.attribution.permutation import f_permutation, permutation
from tasks.attribution.ranks import agreement, ranks
from tasks.attribution.sample import validation_sample
from tasks.core.errors import ConfigError
from tasks.predict.bundle import load_bundle
from tasks.predict.manifest import read_manifest
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.train.manifest import ServableRecipe


@dataclass(frozen=True)
class AskedField:
    """One field of one task.

    Attributes:
        name: of the field.
        rank: by F-Permutation.
        permutation_rank: by permutation.
        loss: by how much permuting it raises the mean loss.
    """

    name: str
    rank: int
    permutation_rank: int
    loss: float


@dataclass(frozen=True)
class Asked:
    """Both orders of a network's fields.

    Attributes:
        said: whose, and of which rows.
        agreement: task -> Spearman's correlation of the two.
        fields: of the task that was asked for, the most depended on first.
    """

    said: str
    agreement: dict[str, float]
    fields: tuple[AskedField, ...]

    def lines(self) -> list[str]:
        """Return what a person reads."""
        width = max(len(field.name) for field in self.fields)
        return [
            self.said,
            *(f"  {task:24s} rank correlation with permutation {value:.3f}" for task, value in self.agreement.items()),
            f"{'rank':>4s} {'by permutation':>15s} {'loss':>10s}  field",
            *(f"{f.rank:4d} {f.permutation_rank:15d} {f.loss:+10.5f}  {f.name:{width}s}".rstrip() for f in self.fields),
        ]


def ask(bundle: Path, table: Path, features: Path, shuffles: int, task: str, threads: int = 1) -> Asked:
    """Rank the fields of a fitted network both ways, on the rows that nights ask.

    Args:
        bundle: folder that the stage `train` wrote.
        table: folder that the table stage wrote.
        features: folder of the features stage.
        shuffles: of every field.
        task: whose fields are listed.
        threads: CPU threads.

    Raises:
        ConfigError: if the bundle is of trees, or its network has no such task.
        ContractError: if there is no table.
        TrainingError: if the bundle cannot be read.
    """
    manifest = read_manifest(bundle)
    if not isinstance(manifest, ServableRecipe):
        raise ConfigError(f"{bundle} is of trees, and fields are those of a network: name a recipe of one")
    torch.set_num_threads(threads)
    ranker = load_bundle(bundle, (manifest.serving_seed,)).rankers[manifest.serving_seed]
    if task not in ranker.trained_tasks:
        raise ConfigError(f"{manifest.name} has no task {task!r}: choose among {', '.join(ranker.trained_tasks)}")
    opened = TrainingTable.open(table)
    rows = validation_sample(ranker, opened, FeatureFolder.open(features)).rows
    first, second = f_permutation(rows), permutation(rows, shuffles)
    names = rows.layout.names
    orders = [ranks(scores[task].numpy(), names) for scores in (first, second)]
    losses = second[task].tolist()
    fields = [AskedField(*values) for values in zip(names, *orders, losses, strict=True)]
    return Asked(
        f"{manifest.name}, seed {manifest.serving_seed}, {len(rows.x_BW):,} rows of the validation day {opened.validation_day}; "
        f"{task}, {shuffles} shuffles of every field",
        {name: agreement(first[name].numpy(), second[name].numpy()) for name in first},
        tuple(sorted(fields, key=lambda field: field.rank)),
    )
