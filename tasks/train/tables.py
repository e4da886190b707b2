"""The compressed embedding tables of one seed on disk: plain arrays, and a manifest that says what every byte is.

tables-seed<S>/manifest.json                 kinds, fields, hashes, ledger, what compression cost on the validation day
tables-seed<S>/<table>.<format>.<array>.npy  rows of one format, in the order of their numbers
tables-seed<S>/<table>.directory.<array>.npy which format a row has, where there are several, or which numbers, where not all

Source: docs/methods/compression.md#compressed-tables. Arrays are little-endian `.npy` files, mapped into memory when they are
read: equal tables give equal bytes whatever the files are called, and no code runs when they are loaded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from models.compression.formats import FORMATS
from models.compression.mixed_dim import MixedDimTable
from models.compression.table import StoredTable
from models.schema import InputSchema
from tasks.core.document import Document, read_document
from tasks.core.errors import TrainingError
from tasks.core.files import hash_file
from tasks.train.manifest import InputHashes

FILE = "manifest.json"
HEADER = 128
"""Bytes of a `.npy` header: numpy pads those of such short shapes to two times 64."""


class _Described(Document):
    """A part of the manifest; later versions may say more."""

    model_config = ConfigDict(extra="ignore")


class FieldRows(_Described):
    """The rows of one categorical field."""

    field: str
    unseen: int
    """Its first row, which every level reads that the fit days did not hold."""
    rows: int


class ArrayFile(_Described):
    """One file."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    sha256: str


class Ledger(_Described):
    """Where the bytes of a table go; their sum is that of its files."""

    rows: dict[str, int]
    """Format -> bytes of its rows, scales included."""
    directory: int
    """What finds a row, and of `mixed_dim` the lists of kept numbers."""
    headers: int
    total: int
    fp32: int
    """The same table in one file of single precision."""

    @classmethod
    def of(cls, stored: StoredTable) -> "Ledger":
        """Return the ledger of a table, from its counts of rows alone."""
        rows, headers = stored.row_bytes, HEADER * len(stored.arrays)
        total = sum(rows.values()) + stored.directory_bytes + headers
        fp32 = stored.num_rows * FORMATS["fp32"].row_bytes(stored.width) + HEADER
        return cls(rows=rows, directory=stored.directory_bytes, headers=headers, total=total, fp32=fp32)

    @property
    def saved(self) -> float:
        """Share of the bytes of single precision that are saved."""
        return 1 - self.total / self.fp32


class TableEntry(_Described):
    """One table."""

    kind: str
    """The format of all rows, `mixed` where there are several, or `mixed_dim` where rows hold what their groups keep."""
    rows: dict[str, int]
    """Format -> rows."""
    width: int
    offsets: dict[str, int]
    """Format -> its first row once rows are sorted by format."""
    zeroed: int
    """Rows too small for a scale, stored as zeros."""
    files: dict[str, ArrayFile]
    ledger: Ledger


class FitOfTables(_Described):
    """The fit whose tables they are."""

    recipe: str
    seed: int
    hashes: InputHashes
    validation: dict[str, float]
    """Metric of `validation.json` -> by how much compression moved it on the validation day."""


class TablesManifest(_Described):
    """The tables of one seed."""

    fit: FitOfTables
    id_map: str
    """Hash of the preprocessor that numbers the rows; with another one they are the rows of other ids."""
    fields: tuple[FieldRows, ...]
    tables: dict[str, TableEntry]


def tables_folder(bundle: Path, seed: int) -> Path:
    """Return the folder of one seed's compressed tables."""
    return bundle / f"tables-seed{seed}"


def write_tables(
    folder: Path, tables: Mapping[str, StoredTable], schema: InputSchema, id_map: str, fit: FitOfTables
) -> TablesManifest:
    """Write the tables of one seed.

    Args:
        folder: new.
        tables: name -> table.
        schema: which rows are whose.
        id_map: hash of the preprocessor that numbers the rows.
        fit: which fit made them.

    Returns:
        What was written as `manifest.json`.
    """
    folder.mkdir(parents=True)
    entries = {}
    for table, stored in tables.items():
        files = {}
        for name, values in stored.arrays.items():
            little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
            path = folder / f"{table}.{name}.npy"
            np.save(path, little, allow_pickle=False)
            shape, dtype = values.shape, little.dtype.str
            files[name] = ArrayFile(dtype=dtype, shape=shape, bytes=path.stat().st_size, sha256=hash_file(path))
        entries[table] = TableEntry(
            kind=stored.kind,
            rows=dict(stored.rows),
            width=stored.width,
            offsets=stored.offsets,
            zeroed=stored.zeroed,
            files=files,
            ledger=Ledger.of(stored),
        )
    by_field = zip(schema.fields, schema.offsets, strict=True)
    fields = tuple(FieldRows(field=name, unseen=first, rows=rows) for (name, rows), first in by_field)
    manifest = TablesManifest(fit=fit, id_map=id_map, fields=fields, tables=entries)
    manifest.write(folder / FILE)
    return manifest


def read_tables(folder: Path, id_map: str) -> dict[str, StoredTable]:
    """Map the tables of one seed into memory; nothing of them is read but to compare hashes.

    Args:
        folder: what `write_tables` wrote.
        id_map: hash of the preprocessor that numbers the rows to be read.

    Raises:
        TrainingError: if a file is missing, was altered or cut off, or the rows were numbered by another preprocessor.
    """
    if not (folder / FILE).is_file():
        raise TrainingError(f"{folder} holds no {FILE}: its compressed tables are missing; train the recipe again")
    manifest = read_document(folder / FILE, TablesManifest, "train")
    if manifest.id_map != id_map:
        raise TrainingError(
            f"{folder}: its rows were numbered by the preprocessor {manifest.id_map[:12]}, not by {id_map[:12]} that lies beside: "
            "restore the bundle, or train the recipe again"
        )
    return {name: _read(folder, name, entry) for name, entry in manifest.tables.items()}


def _read(folder: Path, table: str, entry: TableEntry) -> StoredTable:
    arrays = {name: _map(folder / f"{table}.{name}.npy", file) for name, file in entry.files.items()}
    kind = MixedDimTable if entry.kind == "mixed_dim" else StoredTable
    return kind(entry.width, {kind: entry.rows[kind] for kind in FORMATS if kind in entry.rows}, entry.zeroed, arrays)


def _map(path: Path, file: ArrayFile) -> NDArray[Any]:
    """Map one file into memory, privately: torch asks for memory that it could write to."""
    found = path.stat().st_size if path.is_file() else None
    if found != file.bytes or hash_file(path) != file.sha256:
        said = (
            "is missing"
            if found is None
            else f"has {found} bytes of {file.bytes}"
            if found != file.bytes
            else "was altered"
        )
        raise TrainingError(f"{path} {said}: restore the bundle, or train the recipe again")
    values: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    if values.dtype.str != file.dtype or values.shape != file.shape:
        raise TrainingError(
            f"{path} holds {values.dtype} {values.shape}, and its {FILE} says {file.dtype} {file.shape}"
        )
    return values
