"""SASRec as a history encoder: the causal Transformer's state after the newest event."""

from typing import Literal

from torch import Tensor

from models.encoders.history.causal import CausalEncoder, CausalSize
from models.encoders.history.in_order import InOrderConfig, InOrderHistory, small_projection
from models.schema import InputSchema


class SasRecHistoryConfig(InOrderConfig, CausalSize):
    """Size of the Transformer."""

    kind: Literal["sasrec"] = "sasrec"


class SasRecHistory(InOrderHistory):
    """Source: Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018.

    Differs from the paper: the state is one more field of the ranker instead of being multiplied with the item.
    """

    Config = SasRecHistoryConfig
    asks = False

    def __init__(self, config: SasRecHistoryConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)
        self.encoder = CausalEncoder(embedding_dim, config, schema.history_length)
        self.leave = small_projection(embedding_dim)

    def summary(self, event_BLD: Tensor, mask_BL: Tensor, candidate_BD: Tensor) -> Tensor:
        """Return the state after the newest event, [B, D]; it does not depend on the candidate."""
        summary_BD: Tensor = self.leave(self.encoder(event_BLD, mask_BL)[:, -1])
        return summary_BD
