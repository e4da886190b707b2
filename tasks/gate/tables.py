"""What the gate itself looks up in prediction tables; metrics are computed in `tasks.evaluate`."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.core.errors import ContractError
from tasks.core.predictions import SCORE, column, prediction_columns, task_of
from tasks.gate.inputs import Contender, GateInputs


@dataclass(frozen=True)
class Predicted:
    """The prediction columns of one table."""

    seeds: tuple[int, ...]
    tasks: frozenset[str]
    columns: tuple[str, ...]


def predicted(path: Path) -> Predicted:
    """Return seeds and binary tasks a prediction table holds.

    Raises:
        ContractError: if the file is missing or holds no predictions.
    """
    if not path.is_file():
        raise ContractError(f"the gate needs the prediction table {path}, which does not exist: run evaluate first")
    found = prediction_columns(pl.read_parquet_schema(path))
    if not found:
        raise ContractError(f"{path} holds no prediction column such as {column(SCORE, 0)}")
    seeds = tuple(sorted({item.seed for item in found}))
    tasks = frozenset(task for item in found if (task := task_of(item.output)) is not None)
    return Predicted(seeds, tasks, tuple(item.name for item in found))


def non_finite(path: Path) -> dict[str, int]:
    """Return prediction column -> number of rows that are null, NaN or infinite; sound columns are left out."""
    columns = predicted(path).columns
    counts = pl.scan_parquet(path).select(
        (~pl.col(name).cast(pl.Float64).is_finite()).fill_null(True).sum() for name in columns
    )
    return {name: int(count) for name, count in counts.collect().row(0, named=True).items() if count}


@dataclass(frozen=True)
class Pool:
    """Judge tables of two recipes on the same nights, this night last."""

    candidate: tuple[Path, ...]
    champion: tuple[Path, ...]

    @property
    def nights(self) -> int:
        return len(self.candidate)


def pool(inputs: GateInputs, challenger: Contender, champion: Contender, nights: int) -> Pool:
    """Gather the last judge days on which both recipes were judged.

    An earlier night counts if its expectations passed, its champion and one of its challengers have the recipes of
    today's pair, and both were fitted with the seeds of today's (a mean over other seeds is another quantity).

    Args:
        inputs: this night and the earlier ones.
        challenger: this night's challenger.
        champion: this night's champion.
        nights: how many at most, this night included.
    """
    wanted, standing = predicted(challenger.predictions).seeds, predicted(champion.predictions).seeds
    pairs: list[tuple[Path, Path]] = []
    for day in sorted(inputs.evidence, key=lambda day: day.as_of):
        if day.as_of >= inputs.tonight.as_of or not day.expectations_passed or day.champion is None:
            continue
        if day.champion.recipe_hash != champion.recipe_hash or predicted(day.champion.predictions).seeds != standing:
            continue
        same = [other for other in day.challengers if other.recipe_hash == challenger.recipe_hash]
        if same and predicted(same[0].predictions).seeds == wanted:
            pairs.append((same[0].predictions, day.champion.predictions))
    pairs = [*pairs[len(pairs) - min(len(pairs), nights - 1) :], (challenger.predictions, champion.predictions)]
    return Pool(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))
