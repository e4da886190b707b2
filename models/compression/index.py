"""Where a row stands once rows are sorted by format: a directory of half a byte a row instead of a pointer of four.

Source: docs/methods/compression.md#row-directory. Shape legend: N rows, W words of 32 rows, K formats.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

ROWS = 32
"""Rows of a word: two bits each."""
NUM_FORMATS = 3
_EVEN = 0x5555_5555_5555_5555
_PAIRS = 0x3333_3333_3333_3333
_NIBBLES = 0x0F0F_0F0F_0F0F_0F0F
_BYTES = 0x0101_0101_0101_0101


def directory(format_N: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Return the directory of rows whose formats are given.

    Args:
        format_N: format of every row, below `NUM_FORMATS`.

    Returns:
        `formats`: int64 [W, 1], two bits a row, row i of a word at bit 2 i; `before`: int32 [W, 2], rows of the first and of the
        second format that stand before the word. Places after the last row hold the last row's format.
    """
    words = -(-len(format_N) // ROWS)
    padded = np.pad(format_N.astype(np.uint64), (0, words * ROWS - len(format_N)), mode="edge").reshape(words, ROWS)
    shift = np.arange(0, 2 * ROWS, 2, dtype=np.uint64)
    word_W = np.bitwise_or.reduce(padded << shift, axis=1)
    counted_W2 = np.stack([(padded == kind).sum(axis=1) for kind in range(NUM_FORMATS - 1)], axis=1)
    before_W2 = np.cumsum(counted_W2, axis=0) - counted_W2
    return {"formats": word_W.view(np.int64)[:, None], "before": before_W2.astype(np.int32)}


def directory_bytes(rows: int) -> int:
    """Return the bytes of the directory of this many rows."""
    return -(-rows // ROWS) * (8 + 2 * 4)


def places(arrays: Mapping[str, Tensor], ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return format and place among the rows of that format, int64 [...] each.

    A place is beyond the last row of its format where an id is beyond the last row of the table but in its last word.

    Args:
        arrays: what `directory` returned, as tensors.
        ids: int64 [...], rows of the table.

    Raises:
        IndexError: if an id is negative or beyond the last word.
    """
    word_id, within = ids >> 5, ids & (ROWS - 1)
    word = functional.embedding(word_id, arrays["formats"]).squeeze(-1)
    before = functional.embedding(word_id, arrays["before"]).long()
    kind = (word >> (2 * within)) & 3
    # Two bits agree with those of `kind`, repeated over the word, where both are 0 in the exclusive or.
    differs = word ^ (kind * _EVEN)
    agrees = ~(differs | (differs >> 1)) & _EVEN
    earlier = agrees & ((torch.ones_like(word) << (2 * within)) - 1)
    others = ROWS * word_id - before.sum(dim=-1)
    start = torch.cat([before, others.unsqueeze(-1)], dim=-1).gather(-1, kind.unsqueeze(-1)).squeeze(-1)
    return kind, start + _count(earlier)


def _count(bits: Tensor) -> Tensor:
    """Return how many of the even bits of int64 words are set."""
    pairs = (bits & _PAIRS) + ((bits >> 2) & _PAIRS)
    nibbles = (pairs + (pairs >> 4)) & _NIBBLES
    return (nibbles * _BYTES) >> 56
