"""Compressed tables in the place of a fitted ranker's embeddings."""

from collections.abc import Mapping

from torch import nn

from models.compression.base import Compression, RowUse
from models.compression.table import CompressedTable, StoredTable
from models.encoders.base import packed_tables


def compress(ranker: nn.Module, compression: Compression, use: RowUse | None) -> None:
    """Put what a compression leaves of them in the place of a ranker's packed tables.

    Args:
        ranker: fitted; it cannot be trained afterwards.
        compression: how rows are stored.
        use: of the rows; None where the compression does not read it.

    Raises:
        ValueError: if a table cannot be stored so; the message names it.
    """
    for name, table in packed_tables(ranker).items():
        format_N = compression.formats(table.num_embeddings, use)
        if format_N is None:
            continue
        try:
            stored = StoredTable.of(table.weight.detach().cpu().numpy(), format_N)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        ranker.set_submodule(name, CompressedTable(stored))


def place(ranker: nn.Module, tables: Mapping[str, StoredTable]) -> None:
    """Put stored tables in the place of a ranker's packed tables.

    Raises:
        ValueError: if they are not the tables that the ranker has, or not of their shape.
    """
    packed = {name: (table.num_embeddings, table.embedding_dim) for name, table in packed_tables(ranker).items()}
    given = {name: (stored.num_rows, stored.width) for name, stored in tables.items()}
    if packed != given:
        raise ValueError(f"the recipe has tables of {packed} rows and width, and there are {given}")
    for name, stored in tables.items():
        ranker.set_submodule(name, CompressedTable(stored))


def compressed_tables(ranker: nn.Module) -> dict[str, CompressedTable]:
    """Return the compressed tables of a ranker by name; none where its tables are as they were fitted."""
    return {name: module for name, module in ranker.named_modules() if isinstance(module, CompressedTable)}
