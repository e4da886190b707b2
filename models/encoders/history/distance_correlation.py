"""How dependent two variables are, whatever the form of the dependence.

Shape legend: D paired observations.
"""

import torch
from torch import Tensor

_TINY = 1e-12


def distance_correlation(x_D: Tensor, y_D: Tensor) -> Tensor:
    """Return the distance correlation of paired scalars, in [0, 1]; 0 where one of them is constant.

    Source: Székely, Rizzo and Bakirov, Annals of Statistics 2007; biased (V-statistic) form, the square root of the
    ratio of squares, as in docs/methods/sequences.md#distance-correlation. Averages of products are kept 1e-12 above 0,
    so that independence has a gradient.

    Args:
        x_D: first variable.
        y_D: second variable.
    """
    x_DD, y_DD = _centred(x_D), _centred(y_D)
    covariance, x_variance, y_variance = (
        (left * right).mean().clamp(min=_TINY).sqrt() for left, right in ((x_DD, y_DD), (x_DD, x_DD), (y_DD, y_DD))
    )
    varies = torch.minimum(x_variance, y_variance) > _TINY**0.5
    return torch.where(varies, covariance, 0.0) / (x_variance.sqrt() * y_variance.sqrt())


def _centred(x_D: Tensor) -> Tensor:
    distance_DD = (x_D.unsqueeze(0) - x_D.unsqueeze(1)).abs()
    return distance_DD - distance_DD.mean(dim=0) - distance_DD.mean(dim=1, keepdim=True) + distance_DD.mean()
