"""One fitted recipe as a model, whatever it is made of: it reads rows as the table encoded them."""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import BaseModel

from tasks.core.errors import TrainingError
from tasks.core.files import read_json
from tasks.predict.model import Floats, Model
from tasks.table.history import DayHistories
from tasks.table.past import Past
from tasks.table.preprocessor import Preprocessor
from tasks.table.training_table import PREPROCESSOR
from tasks.train.batches import EncodedRows
from tasks.train.calibrate import Calibration
from tasks.train.manifest import BundleManifest


@dataclass(frozen=True)
class FittedModel(Model[EncodedRows]):
    """A fitted recipe, ready to predict on the CPU.

    Attributes:
        preprocessor: encodes rows as the recipe was trained.
    """

    preprocessor: Preprocessor

    @property
    @abstractmethod
    def reads_history(self) -> bool:
        """Whether the recipe looks at past events."""

    @property
    @abstractmethod
    def recipe(self) -> BaseModel:
        """What was fitted."""

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Feature columns that the preprocessor reads."""
        return self.preprocessor.row_columns

    @property
    def history_columns(self) -> tuple[str, ...]:
        """Columns of past events; none for a recipe without history."""
        return self.preprocessor.event_columns if self.reads_history else ()

    @property
    def truncate_watch(self) -> bool:
        """Whether the label was min(play, duration)."""
        return self.preprocessor.truncate_watch

    def encode(self, frame: pl.DataFrame, past: Past, where: str) -> EncodedRows:
        """Return feature rows as the recipe's inputs."""
        return encode_rows(self.preprocessor, frame, past, where, with_history=self.reads_history)

    def duration_s(self, rows: EncodedRows) -> Floats:
        """Return durations in seconds, [rows]."""
        return rows.columns["duration_s"].astype(np.float64)


def encode_rows(
    preprocessor: Preprocessor, frame: pl.DataFrame, past: Past, where: str, *, with_history: bool
) -> EncodedRows:
    """Return feature rows as a preprocessor encodes them; a recipe without history may be given rows with one."""
    columns = preprocessor.encode(frame, where)
    if not with_history:
        return EncodedRows(columns, {})
    sequences = DayHistories(past, preprocessor, first_index=1)
    columns["history_index"], fresh = sequences.index(frame["user_id"], frame["state_day"])
    empty = preprocessor.empty_history()
    parts = [empty] if fresh is None else [empty, fresh]
    return EncodedRows(columns, {name: np.concatenate([part[name] for part in parts]) for name in empty})


def read_preprocessor(path: Path, manifest: BundleManifest) -> Preprocessor:
    """Read the preprocessor of a bundle.

    Raises:
        TrainingError: if its tokenizer is not the one the bundle was trained with: another's codes stand for other videos.
    """
    preprocessor = Preprocessor.load(path / PREPROCESSOR)
    if preprocessor.tokenizer != manifest.tokenizer:
        raise TrainingError(
            f"{path}: {manifest.name} was trained on the item codes of tokenizer {manifest.tokenizer} and lies beside tokenizer "
            f"{preprocessor.tokenizer}, whose codes stand for other videos: restore the bundle as it was fitted, or train it again"
        )
    return preprocessor


def read_calibrations(path: Path) -> dict[int, Calibration]:
    """Read the calibrators of every seed of a bundle."""
    stored = read_json(path / "calibrators.json")
    return {int(seed): Calibration.from_dict(value) for seed, value in stored.items()}
