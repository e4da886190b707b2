"""How much of an encoding the confounding proxies explain: the penalty that keeps them out of it.

Shape legend: B rows, E width of the encoding, P width of the proxies' encoding.
"""

import torch
from torch import Tensor

RIDGE = 1e-6
"""Added to the proxies' covariance, as a share of its mean diagonal: directions that they barely use are left alone."""
_TINY = 1e-24


def explained_share(encoded_BE: Tensor, proxy_BP: Tensor, weight_B: Tensor) -> Tensor:
    """Return mean_j cos^2(E_j, W_j sg(C)) of the coordinates j of an encoding, in [0, 1].

    The cosine is taken over the rows, both sides centred, and W_j is the least-squares map from the proxies' encoding C
    to the coordinate. So this is the mean squared multiple correlation, and it is 0 exactly where no linear function of
    the encoding is correlated with the proxies. It does not depend on the scale of either side, nor on their widths. No
    gradient reaches C or W (at a least-squares W the gradient through it is 0 anyhow). A coordinate that does not vary
    counts as 0. By chance alone independent encodings reach about P / B.

    Source: docs/methods/debias.md#proxy-priors. Which cosine, and which W, is our reading: a W that is trained to make
    the penalty small would turn away from E and disentangle nothing.

    Args:
        encoded_BE: what the tasks read.
        proxy_BP: what the proxies' encoder gave.
        weight_B: the share of the population each row stands for; sums to 1.
    """
    root_B1 = weight_B.double().sqrt().unsqueeze(1)
    centred_BE = root_B1 * _centred(encoded_BE.double(), weight_B)
    with torch.no_grad():
        proxies_BP = root_B1 * _centred(proxy_BP.double(), weight_B)
        covariance_PP = proxies_BP.T @ proxies_BP
        ridge = RIDGE * covariance_PP.diagonal().mean() + _TINY
        penalised_PP = covariance_PP + ridge * torch.eye(len(covariance_PP), dtype=torch.float64, device=ridge.device)
        # The ridge leaves nothing singular to check for.
        map_PE, _ = torch.linalg.solve_ex(penalised_PP, proxies_BP.T @ centred_BE)
        fitted_BE = proxies_BP @ map_PE
    overlap_E = (centred_BE * fitted_BE).sum(dim=0)
    norms_E = centred_BE.square().sum(dim=0) * fitted_BE.square().sum(dim=0)
    share: Tensor = (overlap_E.square() / norms_E.clamp(min=_TINY)).mean().float()
    return share


def _centred(value_BX: Tensor, weight_B: Tensor) -> Tensor:
    return value_BX - weight_B.double() @ value_BX
