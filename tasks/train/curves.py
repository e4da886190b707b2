"""`curves.csv` of a bundle: how the fit of every seed went, epoch by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from tasks.core.document import Document, read_rows
from tasks.core.files import write_text

FILE = "curves.csv"


class Epoch(Document):
    """One epoch of one seed: a line of `curves.csv`."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, float]

    seed: int
    epoch: int
    """From 1."""
    best: bool
    """Whether it is the best so far."""

    @property
    def measured(self) -> Mapping[str, float]:
        """Everything measured after it, by column: `train_<task>` and `validation_<task>` (losses), `validation_xauc`,
        `gradient_share_<task>`, `gradient_cosine_<task>` and what parts of the model account for.
        """
        return self.__pydantic_extra__


def write_curves(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row per seed and epoch."""
    names = ["seed", "epoch", *sorted(set(rows[0]) - {"seed", "epoch"})]  # a resumed fit's rows come from sorted JSON
    lines = [names, *([_text(row[name]) for name in names] for row in rows)]
    write_text(path, "".join(",".join(line) + "\n" for line in lines))


def read_curves(path: Path, stage: str) -> tuple[Epoch, ...]:
    """Read every epoch of every seed.

    Raises:
        MissingArtifact: if the file is not there; the message names the stage that writes it.
        ContractError: if a line is no epoch.
    """
    return read_rows(path, Epoch, stage)


def _text(value: Any) -> str:
    """Return a number so that it reads back as the same number."""
    return repr(value) if isinstance(value, float) else str(value)
