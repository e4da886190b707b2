"""Vectors of users and videos that were learned before the fit, as two fields beside the embedded ones.

Shape legend: B rows, R rows of both fields, N of them, D embedding width.
"""

import torch
from torch import Tensor, nn

from models.schema import InputSchema

PRETRAINED: dict[str, str] = {"user_id": "pretrained_user", "video_id": "pretrained_video"}
"""Field whose levels have vectors -> name of the field that these make."""


class PretrainedFields(nn.Module):
    """Looks vectors up that no step changes; 0 for a user or video of which nothing was learned.

    Args:
        schema: fields and rows; it has both fields.
        width: D.
        hides: whether some vectors are 0 as long as the ranker is fitted, and are read only afterwards.
    """

    vector_RD: Tensor
    hidden_R: Tensor

    def __init__(self, schema: InputSchema, width: int, hides: bool = False) -> None:
        super().__init__()
        self._columns = [schema.names.index(name) for name in PRETRAINED]
        self._begins = [schema.offsets[column] for column in self._columns]
        self._sizes = [schema.fields[column][1] for column in self._columns]
        self.register_buffer("vector_RD", torch.zeros(sum(self._sizes), width))
        self.hides = hides
        if hides:
            self.register_buffer("hidden_R", torch.zeros(sum(self._sizes), dtype=torch.bool))

    def forward(self, ids_BF: Tensor) -> Tensor:
        """Return the vectors of the user and the video of every row, [B, 2, D].

        Args:
            ids_BF: int64 rows of the packed table.
        """
        shifts = zip(self._columns, self._begins, (0, self._sizes[0]), strict=True)
        row_B2 = torch.stack([ids_BF[:, column] - (begin - first) for column, begin, first in shifts], dim=1)
        vector_B2D = self.vector_RD[row_B2]
        return (
            vector_B2D.masked_fill(self.hidden_R[row_B2][:, :, None], 0) if self.hides and self.training else vector_B2D
        )

    def place(self, row_N: Tensor, vector_ND: Tensor, hidden_N: Tensor) -> None:
        """Set vectors.

        Args:
            row_N: int64 rows of the packed table, of either field.
            vector_ND: their vectors.
            hidden_N: bool, which of them are 0 as long as the ranker is fitted; all False unless some may be.
        """
        user, video = self._begins
        user_size, video_size = self._sizes
        is_video_N = (row_N >= video) & (row_N < video + video_size)
        place_N = torch.where(is_video_N, row_N - video + user_size, row_N - user)
        place_N = place_N.to(self.vector_RD.device)
        self.vector_RD[place_N] = vector_ND.to(self.vector_RD)
        if self.hides:
            self.hidden_R[place_N] = hidden_N.to(self.hidden_R.device)
