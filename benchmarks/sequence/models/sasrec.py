"""SASRec: the inner product of an item with the causal Transformer's state of the positives so far."""

from typing import Literal

from torch import Tensor

from benchmarks.sequence.models.base import CausalConfig, Encoded, SequenceModel
from models.encoders.history.causal import CausalEncoder


class SasRecConfig(CausalConfig):
    """Nothing beyond the Transformer."""

    kind: Literal["sasrec"] = "sasrec"


class SasRec(SequenceModel):
    """The inner product with the last state; with `skip_margin` off and on the pair to beat.

    Source: Kang and McAuley, ICDM 2018; docs/methods/sequences.md#sasrec.
    """

    Config = SasRecConfig

    def __init__(self, config: SasRecConfig, num_items: int, max_length: int) -> None:
        super().__init__(config, num_items, max_length)
        self.encoder = CausalEncoder(config.embedding_dim, config, max_length)
        self.initialise()

    def encode(self, item_BL: Tensor) -> Encoded:
        """Return the states, [B, L, D]."""
        mask_BL = item_BL != 0
        return Encoded(self.encoder(self.items(item_BL), mask_BL), mask_BL)
