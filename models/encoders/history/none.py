"""No history: the recipe sees only the impression itself."""

from typing import Literal

from torch import Tensor, nn

from models.batch import History
from models.component import ComponentConfig
from models.encoders.history.base import HistoryEncoder
from models.schema import InputSchema


class NoHistoryConfig(ComponentConfig):
    """Nothing to set."""

    kind: Literal["none"] = "none"


class NoHistory(HistoryEncoder):
    """A summary of width 0."""

    Config = NoHistoryConfig
    width = 0

    def __init__(self, config: NoHistoryConfig, schema: InputSchema, embedding_dim: int) -> None:
        super().__init__(config, schema, embedding_dim)

    def forward(self, history: History | None, table: nn.Embedding, candidate_BD: Tensor) -> Tensor:
        """Return an empty summary, [B, 0]."""
        return candidate_BD[:, :0]
