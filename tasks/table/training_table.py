"""The training table of a night as its readers hold it: opened once, then handed on."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.schema import InputSchema
from tasks.core.errors import ContractError
from tasks.core.files import read_json, write_json
from tasks.table.columns import open_column, open_columns
from tasks.table.config import TableConfig
from tasks.table.preprocessor import Preprocessor
from tasks.table.selection.summary import SelectionSummary
from tasks.table.unobserved import PairPopulation

PREPROCESSOR = "preprocessor"
CONTENTS = "contents.parquet"
"""Content of the videos of the fit days, where the features carry some."""
LEARNED = ("fit", "validation")
"""Splits that a fit sees, and that hold a sample of unobserved pairs where one is asked for."""
SPLITS = (*LEARNED, "judge")
SELECTED = "selected"
"""Rows of the fit split that the steps of a fit read instead, where `table.selection` asks for some of them."""
WEIGHT = "weight"
"""Column of `selected`: 1 / the probability with which a row was kept."""
_FILE = "table.json"
_REMEDY = "run `dwell prepare` and `dvc repro table` (or `dwell stage` ingest, validate, features and table) first"


class TableMetadata(BaseModel):
    """What `table.json` says of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    days: Mapping[str, tuple[dt.date, ...]]
    """Arrival days per split."""
    rows: Mapping[str, int]
    """Rows per split."""
    late: Mapping[str, int]
    """Rows per split left out because they were not known at the run's cut-off."""
    populations: Mapping[str, PairPopulation]
    """Population of pairs per split; empty where no unobserved pairs are asked for."""
    tasks: tuple[str, ...]
    """Binary tasks, the columns of `labels`."""
    input_schema: InputSchema = Field(alias="schema")
    """Shape of the input."""
    config: TableConfig
    """What was encoded, and what the watch-time label is."""
    hashes: Mapping[str, str]
    """Hash of the preprocessor, of every split and, where there is some, of the content of videos."""
    code: str
    """Hash of the code that wrote the table."""
    selection: SelectionSummary | None = Field(default=None, exclude_if=lambda found: found is None)
    """Which rows of the fit split the steps of a fit read; None: all."""

    def write(self, folder: Path) -> None:
        """Write `table.json` into a folder."""
        write_json(folder / _FILE, self.model_dump(mode="json", by_alias=True))


@dataclass(frozen=True)
class TrainingTable:
    """One opened table; its columns stay on disk.

    Attributes:
        folder: folder that the table stage wrote.
        metadata: its `table.json`.
    """

    folder: Path
    metadata: TableMetadata

    @classmethod
    def open(cls, folder: Path) -> "TrainingTable":
        """Open the table of a folder.

        Raises:
            ContractError: if there is none, or code that describes tables otherwise wrote it.
        """
        if not cls.stands_in(folder):
            raise ContractError(f"{folder} holds no {_FILE}: {_REMEDY}")
        try:
            return cls(folder, TableMetadata.model_validate(read_json(folder / _FILE)))
        except ValidationError as error:
            raise ContractError(
                f"{folder / _FILE} is not what this code writes: build the table again: {error}"
            ) from error

    @staticmethod
    def stands_in(folder: Path) -> bool:
        """Tell whether a folder holds a finished table."""
        return (folder / _FILE).is_file()

    @cached_property
    def preprocessor(self) -> Preprocessor:
        """What encoded the rows."""
        return Preprocessor.load(self.folder / PREPROCESSOR)

    @property
    def schema(self) -> InputSchema:
        """Shape of the input."""
        return self.metadata.input_schema

    @property
    def tasks(self) -> tuple[str, ...]:
        """Binary tasks, the columns of `labels`."""
        return self.metadata.tasks

    @property
    def learned_hashes(self) -> dict[str, str]:
        """Hashes of everything a fit may see, which is not the judge day."""
        parts = (PREPROCESSOR, *LEARNED, CONTENTS, SELECTED)
        asked_for = (CONTENTS, SELECTED)
        return {
            part: self.metadata.hashes[part] for part in parts if part not in asked_for or part in self.metadata.hashes
        }

    @property
    def stepped(self) -> str:
        """The split whose rows the steps of a fit read: all rows of the fit days, or the selected ones."""
        return "fit" if self.metadata.selection is None else SELECTED

    def pool_weights(self) -> NDArray[np.float64] | None:
        """Return how many rows of the fit days each row of `stepped` stands for, over the mean of that; None where all are there.

        The one place that reads the weights, and no row has one by default.

        Raises:
            ContractError: if rows were selected and a weight is missing, or is none.
        """
        found = self.metadata.selection
        if found is None:
            return None
        path = self.split(SELECTED) / f"{WEIGHT}.npy"
        remedy = f"rows were selected, and each counts by 1 / its probability: {_REMEDY}"
        if not path.is_file():
            raise ContractError(f"{path} is gone: {remedy}")
        weight_B = np.array(self.column(SELECTED, WEIGHT), dtype=np.float64)
        if len(weight_B) != found.kept or not (weight_B >= 1).all() or not np.isfinite(weight_B).all():
            raise ContractError(
                f"{path} does not hold a finite weight of 1 or more for each of {found.kept} rows: {remedy}"
            )
        relative_B: NDArray[np.float64] = weight_B / weight_B.mean()
        return relative_B

    @cached_property
    def contents(self) -> pl.DataFrame | None:
        """`video_id`, ascending, and `content_vector` of every video with a fit row, null where it has none; None where the
        features carry no content."""
        return pl.read_parquet(self.folder / CONTENTS) if CONTENTS in self.metadata.hashes else None

    @property
    def validation_day(self) -> dt.date:
        """The one day of the validation split."""
        return self.metadata.days["validation"][0]

    def split(self, name: str) -> Path:
        """Return the folder of a split's columns."""
        return self.folder / name

    def columns(self, split: str) -> dict[str, Any]:
        """Return the columns of a split as memory maps, see `open_columns`."""
        return open_columns(self.split(split))

    def column(self, split: str, name: str) -> Any:
        """Return one column of a split as a memory map."""
        return open_column(self.split(split), name)
