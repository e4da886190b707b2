"""Compressed tables in the place of a fitted ranker's embeddings."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.compression.base import Compression, RowUse
from models.compression.formats import FORMATS
from models.compression.mixed_dim import MixedDimTable
from models.compression.table import CompressedTable, StoredTable
from models.encoders.base import packed_tables
from models.encoders.grouped import GroupedTable


def compress(ranker: nn.Module, compression: Compression, use: RowUse | None) -> None:
    """Put what a compression leaves of them in the place of a ranker's packed tables; grouped ones hold what they keep, also
    where nothing else is compressed.

    Args:
        ranker: fitted; it cannot be trained afterwards.
        compression: how rows are stored.
        use: of the rows; None where the compression does not read it.

    Raises:
        ValueError: if a table cannot be stored so; the message names it.
    """
    for name, table in packed_tables(ranker).items():
        format_N = compression.formats(table.num_embeddings, use)
        if format_N is None and not isinstance(table, GroupedTable):
            continue
        try:
            stored = _stored(table, format_N)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        ranker.set_submodule(name, CompressedTable(stored))


def _stored(table: nn.Embedding, format_N: NDArray[np.uint8] | None) -> StoredTable:
    """Return a table as it is stored.

    Args:
        table: packed.
        format_N: formats of its rows; None: that of single precision.
    """
    weight_ND = table.weight.detach().cpu().numpy()
    if not isinstance(table, GroupedTable):
        assert format_N is not None
        return StoredTable.of(weight_ND, format_N)
    kind = "fp32" if format_N is None else list(FORMATS)[int(format_N[0])]
    return MixedDimTable.grouped(weight_ND, kind, table.class_N.cpu().numpy(), table.scale_CD.cpu().numpy() > 0)


def place(ranker: nn.Module, tables: Mapping[str, StoredTable]) -> None:
    """Put stored tables in the place of a ranker's packed tables, of all or of those that are grouped.

    Raises:
        ValueError: if they are not the tables that the ranker has, or not of their shape.
    """
    packed = {name: (table.num_embeddings, table.embedding_dim) for name, table in packed_tables(ranker).items()}
    given = {name: (stored.num_rows, stored.width) for name, stored in tables.items()}
    if not given or not given.items() <= packed.items():
        raise ValueError(f"the recipe has tables of {packed} rows and width, and there are {given}")
    for name, stored in tables.items():
        ranker.set_submodule(name, CompressedTable(stored))


def compressed_tables(ranker: nn.Module) -> dict[str, CompressedTable]:
    """Return the compressed tables of a ranker by name; none where its tables are as they were fitted."""
    return {name: module for name, module in ranker.named_modules() if isinstance(module, CompressedTable)}
