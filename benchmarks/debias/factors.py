"""The indices of a selection model as embeddings of free ids, and the penalised fit that they need.

Shape legend: N rows, Z features that move exposure only, U users, I items, K rank.
"""

import torch
from torch import Tensor, nn

from models.latent.indices import Indices


class Factors(Indices):
    """Each index is a constant, a user and an item bias and a product of embeddings; the indices share nothing.

    Args:
        user_N: int64 codes below `num_users`.
        item_N: int64 codes below `num_items`.
        num_users: U.
        num_items: I.
        rank: K.
        apart_NZ: features of the exposure alone; None: there are none.
        generator: source of the initial embeddings, N(0, .1^2); None is torch's own.
    """

    user_N: Tensor
    item_N: Tensor
    apart_NZ: Tensor

    def __init__(
        self,
        user_N: Tensor,
        item_N: Tensor,
        num_users: int,
        num_items: int,
        rank: int,
        apart_NZ: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if apart_NZ is None:
            apart_NZ = torch.zeros(len(user_N), 0)
        self.num_apart = apart_NZ.shape[1]
        self.register_buffer("user_N", user_N)
        self.register_buffer("item_N", item_N)
        self.register_buffer("apart_NZ", apart_NZ.double())

        def table(rows: int) -> nn.Parameter:
            bias = torch.zeros(2, rows, 1, dtype=torch.float64)
            vectors = 0.1 * torch.randn(2, rows, rank, generator=generator, dtype=torch.float64)
            return nn.Parameter(torch.cat([vectors, bias], dim=2))

        self.user_2UK = table(num_users)
        self.item_2IK = table(num_items)
        self.constant_2 = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.apart_weight_Z = nn.Parameter(torch.zeros(self.num_apart, dtype=torch.float64))

    def forward(self) -> tuple[Tensor, Tensor]:
        """Return a [N] and b [N]."""
        user_2NK, item_2NK = self.user_2UK[:, self.user_N], self.item_2IK[:, self.item_N]
        product_2N = (user_2NK[..., :-1] * item_2NK[..., :-1]).sum(-1)
        index_2N = product_2N + user_2NK[..., -1] + item_2NK[..., -1] + self.constant_2.unsqueeze(1)
        return index_2N[0] + self.apart_NZ @ self.apart_weight_Z, index_2N[1]


def fit_penalised(model: nn.Module, penalty: float, rows: object, steps: int = 400, lr: float = 0.03) -> float:
    """Minimise `model(rows)` + penalty * |parameters of three axes|^2 by full-batch Adam; for embeddings.

    Only embedding tables are penalised: neither the correlation, nor scales, nor constants.

    Returns:
        The unpenalised loss at the end.
    """
    tables = [parameter for parameter in model.parameters() if parameter.ndim == 3]
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(rows) + penalty * sum(table.square().sum() for table in tables)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float(model(rows))
