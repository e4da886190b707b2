"""How much more often a sparse user begins as a rich one did: the first rows of heavy users are not those of light ones
(docs/methods/representation.md#distillation).

Shapes: N sparse users, M beginnings of rich users, F numbers that say what a beginning is.
"""

import torch
from torch import Tensor

MOST = 10.0
"""No beginning counts more than so many average ones."""
_PENALTY, _STEPS = 1.0, 200


def sparse_odds(sparse_NF: Tensor, rich_MF: Tensor) -> Tensor:
    """Return the weight of every rich beginning, [M]: the odds of being sparse among all who begin so, as a multiple of
    their mean, and at most `MOST`.

    A logistic regression with a ridge penalty of 1 on standardised numbers; both groups count as much as each other. Its steps
    are bounded by the steepest curvature there can be (Böhning), so that each lowers the loss and none need be tuned.

    Args:
        sparse_NF: what sparse users' rows say.
        rich_MF: what the first rows of rich users say.
    """
    x_BF = torch.cat([sparse_NF, rich_MF]).double()
    scale_F, mean_F = torch.std_mean(x_BF, dim=0, correction=0)
    x_BF = torch.cat([(x_BF - mean_F) / torch.where(scale_F > 0, scale_F, 1), torch.ones(len(x_BF), 1)], dim=1)
    sparse, rich = len(sparse_NF), len(rich_MF)
    is_sparse_B = torch.cat([torch.ones(sparse), torch.zeros(rich)]).double()
    weight_B = torch.cat([torch.full((sparse,), 1 / sparse), torch.full((rich,), 1 / rich)]).double() * sparse
    penalty_F = torch.full((x_BF.shape[1],), _PENALTY, dtype=torch.float64)
    penalty_F[-1] = 0  # the intercept
    slope_F = torch.zeros_like(penalty_F)
    bound_FF = torch.linalg.cholesky(x_BF.T @ (weight_B[:, None] * x_BF) / 4 + penalty_F.diag())
    for _ in range(_STEPS):
        error_B = torch.sigmoid(x_BF @ slope_F) - is_sparse_B
        gradient_F = x_BF.T @ (weight_B * error_B) + penalty_F * slope_F
        slope_F = slope_F - torch.cholesky_solve(gradient_F[:, None], bound_FF)[:, 0]
    odds_M = (x_BF[sparse:] @ slope_F).exp()
    return (odds_M / odds_M.mean()).clamp(max=MOST).float()
