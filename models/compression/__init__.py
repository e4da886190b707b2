"""Compressions of embedding tables, by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.compression.base import Compression
from models.compression.mixed import Mixed
from models.compression.uniform import Fp16Rows, Int8Rows, NoCompression

COMPRESSIONS: dict[str, type[Compression]] = {
    "none": NoCompression,
    "fp16": Fp16Rows,
    "int8_row": Int8Rows,
    "mixed": Mixed,
}

if TYPE_CHECKING:
    CompressionConfig = ComponentConfig
else:
    CompressionConfig = one_of(COMPRESSIONS)
