"""How far up among train rows a watch time stands: the mid-rank distribution function of all, or of like durations.

Shape legend: B rows.
"""

from torch import Tensor, nn

from models.heads.base import LabelState, TrainLabels
from models.heads.d2q import D2q, D2qConfig


class Percentiles(nn.Module):
    """U_k(y) of D2Q, in as many duration groups as asked for; one group: U(y)."""

    def __init__(self, groups: int, state: LabelState) -> None:
        super().__init__()
        self.law = D2q(D2qConfig(groups=groups), state)

    @staticmethod
    def fit_state(groups: int, labels: TrainLabels) -> LabelState:
        """Fit the distribution functions on train rows."""
        return D2q.fit_state(D2qConfig(groups=groups), labels)

    def forward(self, watch_B: Tensor, duration_B: Tensor) -> Tensor:
        """Return the percentile of every row in [0, 1], [B]."""
        return self.law.target(watch_B, duration_B)
