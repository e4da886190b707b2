"""Codes of fewer bits than eight: what the gate must be able to see. No recipe can ask for them.

Shape legend: N rows.
"""

from collections.abc import Mapping
from typing import ClassVar

from models.compression.formats import FORMATS, Int8Row, RowFormat


class LowBitRow(Int8Row):
    """Codes of `bits` bits with a scale per row; in memory a code takes a byte, in the ledger its bits."""

    bits: ClassVar[int]

    def row_bytes(self, width: int) -> int:
        """Return the bits of the codes, filled up to bytes, and two bytes for the scale."""
        return -(-width * self.bits // 8) + 2


class Int6Row(LowBitRow):
    """Codes from -31 to 31."""

    kind, bits, largest_code = "int6_row", 6, 31


class Int4Row(LowBitRow):
    """Codes from -7 to 7."""

    kind, bits, largest_code = "int4_row", 4, 7


class Int2Row(LowBitRow):
    """Codes -1, 0 and 1."""

    kind, bits, largest_code = "int2_row", 2, 1


def beside_single_precision(form: RowFormat) -> Mapping[str, RowFormat]:
    """Return two formats: this one at place 0, single precision at place 1."""
    return {form.kind: form, "fp32": FORMATS["fp32"]}
