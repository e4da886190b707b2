"""Files that pass from one stage to another: one model each, which the stage that writes it shares with those that read it."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tasks.core.errors import ContractError, DwellError
from tasks.core.files import write_json

T = TypeVar("T")


class MissingArtifact(DwellError):
    """A file is needed that a stage has not written yet."""


class Document(BaseModel):
    """The base of every JSON file that a stage writes for others: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def as_json(self) -> dict[str, Any]:
        """Return the document as JSON values, with the names it has in the file."""
        return self.model_dump(mode="json", by_alias=True)

    def write(self, path: Path) -> Path:
        """Write the document as JSON; equal values give equal bytes."""
        return write_json(path, self.as_json())


def existing(path: Path, stage: str) -> Path:
    """Return a path after checking that the file is there.

    Raises:
        MissingArtifact: naming the file and the stage that writes it.
    """
    if not path.is_file():
        raise MissingArtifact(f"{path} does not exist: run the stage {stage} first")
    return path


def read_document(path: Path, kind: type[T], stage: str) -> T:
    """Read a JSON file as what it holds: a document, or a list or mapping of them.

    Args:
        path: the file.
        kind: type of its content.
        stage: stage that writes it.

    Raises:
        MissingArtifact: if it is not there.
        ContractError: if it holds something else; the message names the first place that differs.
    """
    return _checked(path, stage, lambda: TypeAdapter(kind).validate_json(existing(path, stage).read_bytes()))


def read_optional(path: Path, kind: type[T], stage: str) -> T | None:
    """Read a JSON file that a stage writes on some nights only; None where it is not there."""
    return read_document(path, kind, stage) if path.is_file() else None


def read_rows(path: Path, kind: type[T], stage: str) -> tuple[T, ...]:
    """Read a CSV file, one value of `kind` per line, from column to value; errors are those of `read_document`."""
    with existing(path, stage).open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    row = TypeAdapter(kind)
    return _checked(path, stage, lambda: tuple(row.validate_python(line) for line in lines))


def _checked(path: Path, stage: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ContractError(
            f"{path} is not what the stage {stage} writes today: {place}: {first['msg']} (got {first['input']!r:.80}): "
            "another version wrote it, or it was changed by hand; run the stage again, or use the version that made the night"
        ) from error
