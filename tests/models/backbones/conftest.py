"""A small encoding: four fields of width three, two dense features behind them, and up to five events."""

from collections.abc import Callable

import pytest
import torch

from models.encoders.base import Encoded, EncodedShape

NAMES = ("scene", "user_id", "video_id", "tag")
SHAPE = EncodedShape(num_fields=4, embedding_dim=3, width=14, field_names=NAMES, num_events=5)


@pytest.fixture
def shape() -> EncodedShape:
    """Return the sizes of `encoding`."""
    return SHAPE


@pytest.fixture
def encoding() -> Callable[..., Encoded]:
    """Return the maker of random encodings in double precision: (rows, seed)."""

    def make(rows: int = 5, seed: int = 0) -> Encoded:
        g = torch.Generator().manual_seed(seed)
        fields_BFD = torch.randn(rows, SHAPE.num_fields, SHAPE.embedding_dim, generator=g, dtype=torch.float64)
        dense_BN = torch.randn(rows, 2, generator=g, dtype=torch.float64)
        flat_BE = torch.cat([fields_BFD.flatten(start_dim=1), dense_BN], dim=1)
        mask_BL = torch.arange(5) >= 5 - torch.randint(6, (rows, 1), generator=g)
        event_BLD = torch.randn(rows, 5, SHAPE.embedding_dim, generator=g, dtype=torch.float64)
        return Encoded(fields_BFD, flat_BE, {}, event_BLD * mask_BL.unsqueeze(2), mask_BL)

    return make
