"""Everything fitted on fit days that turns rows into model inputs; a bundle carries its own copy.

A champion of an earlier night is scored on today's rows with the vocabularies it was trained with, by this very code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.schema import InputSchema
from tasks.core.files import read_json, write_json
from tasks.table.items.codes import ItemCodes
from tasks.table.normalisation import Normalisation
from tasks.table.past import Past
from tasks.table.rows import Array, PaddedSlots, dense_matrix, require, seconds
from tasks.table.vocabulary import Vocabulary, pack

DURATION_BUCKET = "duration_quantile"
"""Name of the field of equal-count duration buckets; code 0 is never used by a row with a duration."""
HISTORY_CODES = {"feedback": "feedback", "ratio": "ratio_bucket", "gap": "gap_bucket"}
"""History column of the table -> list column of the features stage."""
_ITEMS = "items"


@dataclass(frozen=True)
class Preprocessor:
    """Vocabularies, duration edges and normalisation.

    Attributes:
        vocabularies: one per categorical field, in packed order; the duration buckets come after them, then the code fields.
        duration_edges_s: inner edges of the duration buckets, float64, increasing.
        normalisation: of the dense features.
        history_fields: vocabularies that history events are encoded by; the schema names codes of their videos beside them.
        history_length: events per sequence.
        truncate_watch: whether the label is min(play, duration).
        timezone: of the source; a row reads the history of its local day.
        items: codes of the videos; None: none are read.
        sensitive: field or dense feature -> the trait of users that it tells.
    """

    vocabularies: tuple[Vocabulary, ...]
    duration_edges_s: NDArray[np.float64]
    normalisation: Normalisation
    history_fields: tuple[str, ...]
    history_length: int
    truncate_watch: bool
    timezone: str
    items: ItemCodes | None = None
    sensitive: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> InputSchema:
        """What a ranker is built for."""
        fields = [(vocabulary.field, vocabulary.size) for vocabulary in self.vocabularies]
        codes = () if self.items is None else self.items.fields
        return InputSchema(
            fields=(*fields, (DURATION_BUCKET, len(self.duration_edges_s) + 2), *codes),
            num_dense=len(self.normalisation.names),
            dense_names=tuple(self.normalisation.names),
            history_fields=(*self.history_fields, *(name for name, _ in self._event_codes)),
            history_length=self.history_length if self.event_columns else 0,
            sensitive=tuple(self.sensitive.items()),
        )

    @property
    def tokenizer(self) -> str | None:
        """Id of the tokenizer of item codes; None: no codes are read."""
        return None if self.items is None else self.items.id

    @property
    def row_columns(self) -> tuple[str, ...]:
        """Columns that `encode` reads."""
        names = (v.field for v in self.vocabularies)
        of_items = () if self.items is None else self.items.reads
        return tuple(dict.fromkeys([*names, "duration_ms", *self.normalisation.names, *of_items]))

    @property
    def event_columns(self) -> tuple[str, ...]:
        """Columns of past events that `encode_history` reads, beside what the user did."""
        return tuple(dict.fromkeys([*self.history_fields, *(["video_id"] if self._event_codes else [])]))

    @property
    def _event_codes(self) -> tuple[tuple[str, int], ...]:
        """Name and number of rows of every code field of past events."""
        return () if self.items is None or not self.items.of_events else self.items.fields

    def encode(self, frame: pl.DataFrame, where: str) -> dict[str, Array]:
        """Return `ids` [rows, F] int32, `dense` [rows, N] float32 and `duration_s` float32 of rows.

        Args:
            frame: rows of the features stage.
            where: file the rows came from, for the message.

        Raises:
            ContractError: if a column the preprocessor was fitted with is missing, a row has no duration, or content has
                another width than that of the fit days.
        """
        require(frame, self.row_columns, where)
        duration_s = seconds(frame, where)
        schema, duration = self.schema, len(self.vocabularies)
        ids = np.empty((frame.height, schema.num_fields), dtype=np.int32)
        offsets = pack(self.vocabularies)
        for column, vocabulary in enumerate(self.vocabularies):
            ids[:, column] = vocabulary.encode(frame[vocabulary.field]) + offsets[vocabulary.field]
        bucket = np.searchsorted(self.duration_edges_s, duration_s, side="right")
        ids[:, duration] = schema.offsets[duration] + 1 + bucket
        if self.items is not None:
            begins = np.array(schema.offsets[duration + 1 :], dtype=np.int32)
            ids[:, duration + 1 :] = self.items.encode(frame, where) + begins
        dense = self.normalisation.apply(dense_matrix(frame, self.normalisation.names))
        return {"ids": ids, "dense": dense, "duration_s": duration_s.astype(np.float32)}

    def local_codes(self, ids: Array, field: str) -> NDArray[np.int64]:
        """Return the codes of one field within its own vocabulary, 0 = unknown, from packed ids."""
        column = self.schema.names.index(field)
        return ids[:, column].astype(np.int64) - self.schema.offsets[column]

    def encode_history(self, frame: pl.DataFrame, past: Past) -> dict[str, Array]:
        """Return sequences [rows, L], left-padded: `feedback`, `ratio`, `gap` (uint8, 0 = pad) and one int32 per field.

        Args:
            frame: histories.
            past: that they were read from, for the codes of their videos.

        Raises:
            ConfigError: if codes are of content and the night carries none.
            ContractError: if content has another width than that of the fit days.
        """
        slots = PaddedSlots.of(frame["feedback"], self.history_length)
        encoded: dict[str, Array] = {
            name: slots.place(frame[column].explode().to_numpy().astype(np.uint8), pad=0)
            for name, column in HISTORY_CODES.items()
        }
        by_field = {v.field: v for v in self.vocabularies}
        local = {name: by_field[name].encode(frame[name].explode()) for name in self.history_fields}
        if self.items is not None and self._event_codes:
            code_EF = self.items.encode_videos(frame["video_id"].explode(), past.catalogue)
            local |= {name: code_EF[:, place] for place, (name, _) in enumerate(self._event_codes)}
        for name, begin in self._history_offsets.items():
            encoded[name] = slots.place(local[name] + np.int32(begin), pad=begin)
        return encoded

    def empty_history(self) -> dict[str, Array]:
        """Return the one sequence of users without history: all padding."""
        shape = (1, self.history_length)
        codes: dict[str, Array] = {name: np.zeros(shape, dtype=np.uint8) for name in HISTORY_CODES}
        return codes | {name: np.full(shape, begin, dtype=np.int32) for name, begin in self._history_offsets.items()}

    @property
    def _history_offsets(self) -> dict[str, int]:
        """First packed row of every field of past events: that of unknown values and of padding."""
        schema = self.schema
        return {
            name: schema.offsets[column]
            for name, column in zip(schema.history_fields, schema.history_columns, strict=True)
        }

    def save(self, folder: Path) -> None:
        """Write the preprocessor as JSON and one Parquet file, and codebooks into a folder of their own."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(
            folder / "preprocessor.json",
            {
                "fields": [{"name": v.field, "dtype": str(v.keys.dtype), "size": v.size} for v in self.vocabularies],
                "duration_edges_s": self.duration_edges_s.tolist(),
                "dense": {
                    "names": list(self.normalisation.names),
                    "mean": self.normalisation.mean.tolist(),
                    "scale": self.normalisation.scale.tolist(),
                    "clip": self.normalisation.clip,
                },
                "history_fields": list(self.history_fields),
                "history_length": self.history_length,
                "truncate_watch": self.truncate_watch,
                "timezone": self.timezone,
                **({"sensitive": dict(self.sensitive)} if self.sensitive else {}),
            },
        )
        self.save_levels(folder, "vocabularies.parquet")

    def save_levels(self, folder: Path, name: str) -> None:
        """Write the levels of all fields, `field` and `key` in the order of their codes, and codebooks into `items`."""
        text = {"field": pl.String, "key": pl.String}  # stated: a vocabulary may be empty
        levels = [
            pl.DataFrame({"field": [v.field] * len(v.keys), "key": v.keys.cast(pl.String)}, schema=text)
            for v in self.vocabularies
        ]
        pl.concat(levels).write_parquet(folder / name, compression="zstd", statistics=True)
        if self.items is not None:
            self.items.save(folder / _ITEMS)

    @classmethod
    def load(cls, folder: Path) -> "Preprocessor":
        """Read what `save` wrote."""
        about = read_json(folder / "preprocessor.json")
        levels = pl.read_parquet(folder / "vocabularies.parquet")
        vocabularies = []
        for said in about["fields"]:
            keys = levels.filter(pl.col("field") == said["name"])["key"].rename(said["name"])
            vocabularies.append(Vocabulary(said["name"], keys.cast(pl.Int64) if said["dtype"] == "Int64" else keys))
        dense = about["dense"]
        return cls(
            tuple(vocabularies),
            np.array(about["duration_edges_s"], dtype=np.float64),
            Normalisation(tuple(dense["names"]), np.array(dense["mean"]), np.array(dense["scale"]), dense["clip"]),
            tuple(about["history_fields"]),
            about["history_length"],
            about["truncate_watch"],
            about["timezone"],
            ItemCodes.load(folder / _ITEMS) if (folder / _ITEMS).is_dir() else None,
            about.get("sensitive", {}),
        )
