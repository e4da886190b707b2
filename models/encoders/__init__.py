"""Encoders by `kind`."""

from typing import TYPE_CHECKING

from models.component import ComponentConfig, one_of
from models.encoders.base import Encoder
from models.encoders.packed import PackedEncoder

ENCODERS: dict[str, type[Encoder]] = {
    "packed": PackedEncoder,
}

if TYPE_CHECKING:
    EncoderConfig = ComponentConfig
else:
    EncoderConfig = one_of(ENCODERS)
