"""The published estimator of the two-index likelihood, restated plainly to be compared with and for nothing else.

Source: the account of the released code in docs/methods/debias.md#published-procedure. P(o = 1, r) is an average over M
draws of one noise: the draws that pass the threshold of one index, times the conditional normal CDF of the other index.
The indicator has no gradient, so the two networks can only take turns, each with the other's index in the indicator.

Shape legend: B rows, M draws.
"""

import torch
from torch import Tensor
from torch.special import log_ndtr

FLOOR = 1e-5


def monte_carlo_probability(drawn_B: Tensor, kept_B: Tensor, rho: Tensor, noise_BM: Tensor) -> Tensor:
    """Return the average of 1{drawn + e > 0} Phi((kept + rho e) / s) over draws e, [B]; estimates Phi2(drawn, kept; rho).

    Args:
        drawn_B: index inside the indicator; no gradient reaches it.
        kept_B: index that is trained.
        rho: correlation.
        noise_BM: standard normal draws.
    """
    passes_BM = (drawn_B.detach().unsqueeze(1) + noise_BM > 0).to(kept_B.dtype)
    s = torch.sqrt((1 - rho) * (1 + rho))
    inner_BM = (kept_B.unsqueeze(1) + rho * noise_BM) / s
    return (passes_BM * torch.exp(log_ndtr(inner_BM))).mean(dim=1)


def monte_carlo_log_likelihood(
    drawn_B: Tensor, kept_B: Tensor, drawn_is_exposure: bool, label_B: Tensor, rho: Tensor, noise_BM: Tensor
) -> Tensor:
    """Return the published log-likelihood of observed rows, [B]: clipped, and P(o=1, r=0) by subtraction."""
    both_B = monte_carlo_probability(drawn_B, kept_B, rho, noise_BM)
    exposure_B = drawn_B.detach() if drawn_is_exposure else kept_B
    disliked_B = torch.exp(log_ndtr(exposure_B)) - both_B
    return torch.where(label_B > 0, both_B, disliked_B).clamp(min=FLOOR).log()
