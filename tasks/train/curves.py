"""`curves.csv` of a bundle: how the fit of every seed went, epoch by epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.core.document import read_lines
from tasks.core.files import write_text

FILE = "curves.csv"


@dataclass(frozen=True)
class Epoch:
    """One epoch of one seed.

    Attributes:
        seed: the seed.
        number: from 1.
        columns: everything measured after it, by column: `train_<task>` and `validation_<task>` (losses),
            `validation_xauc`, `gradient_share_<task>`, `gradient_cosine_<task>` and what parts of the model account for.
    """

    seed: int
    number: int
    columns: Mapping[str, float]


def write_curves(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row per seed and epoch."""
    names = ["seed", "epoch", *sorted(set(rows[0]) - {"seed", "epoch"})]  # a resumed fit's rows come from sorted JSON
    lines = [names, *([_text(row[name]) for name in names] for row in rows)]
    write_text(path, "".join(",".join(line) + "\n" for line in lines))


def read_curves(path: Path, stage: str) -> tuple[Epoch, ...]:
    """Read every epoch of every seed.

    Raises:
        MissingArtifact: if the file is not there; the message names the stage that writes it.
    """
    named = ("seed", "epoch", "best")
    return tuple(
        Epoch(
            seed=int(row["seed"]),
            number=int(row["epoch"]),
            columns={name: float(value) for name, value in row.items() if name not in named and value},
        )
        for row in read_lines(path, stage)
    )


def _text(value: Any) -> str:
    """Return a number so that it reads back as the same number."""
    return repr(value) if isinstance(value, float) else str(value)
