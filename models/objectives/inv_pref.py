"""Invariant preferences: rows fall into environments, and what is served must not depend on which.

Shape legend: B rows, E width of an encoder's output, K environments, O outputs of a head.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from models.component import ComponentConfig
from models.objectives.base import AuxiliaryTower, Objective, TaskRows
from models.propensity.base import PropensityOptions
from models.ranges import Weight, WeightOrNone

NUM_ENVIRONMENTS = 4
"""As published for Coat."""


class InvPrefConfig(ComponentConfig):
    """Weights of the parts. These values are ours."""

    kind: Literal["inv_pref"] = "inv_pref"
    environment: Weight = 1.0
    """Weight of the loss that knows the environment."""
    invariance: WeightOrNone = 1.0
    """Weight of the share of the encoding's variance that lies between environments."""


class InvPref(Objective):
    """mean_O loss(s) + mean_O loss(s + s_k) + lambda * (variance of the encoding between environments).

    Source: Wang et al., KDD 2022; docs/methods/debias.md#invariant-preferences. Our reading, simplified: s is the
    task's own output and is served; s_k, one tower per environment on a second encoder, is added to every raw output of
    the row's environment. Instead of clustering all rows anew every T epochs, a row belongs to the environment that
    explains it best now. Instead of a classifier on gradient-reversed embeddings, the correlation ratio of the tasks'
    encoding with the environment is minimised: the part of it that means reveal, without an adversary. It needs neither
    propensities nor unobserved rows.
    """

    Config = InvPrefConfig
    weighs_rows = True
    auxiliary_towers = tuple(
        AuxiliaryTower(f"environment_{k}", hidden=(16,), reads="second") for k in range(NUM_ENVIRONMENTS)
    )

    def __init__(self, config: InvPrefConfig, options: PropensityOptions) -> None:
        super().__init__(config, options)
        self.config = config

    def forward(self, rows: TaskRows) -> Tensor:
        """Return the scalar loss."""
        loss_BK = torch.stack(
            [
                rows.loss_for(rows.out_BO + rows.auxiliary[tower.name].unsqueeze(1), rows.label_B)
                for tower in self.auxiliary_towers
            ],
            dim=1,
        )
        environment_B = loss_BK.detach().argmin(dim=1)
        aware = rows.observed_mean(loss_BK.gather(1, environment_B.unsqueeze(1))[:, 0])
        between = between_share(rows.encoded_BE, environment_B, rows.weight_B * rows.observed_B)
        loss = rows.observed_mean(rows.loss_B)
        return loss + self.config.environment * aware + self.config.invariance * between


def between_share(h_BE: Tensor, environment_B: Tensor, weight_B: Tensor) -> Tensor:
    """Return the share of the variance of h that lies between environments, averaged over its E components; in [0, 1]."""
    member_BK = functional.one_hot(environment_B, NUM_ENVIRONMENTS) * weight_B.unsqueeze(1)
    size_K = member_BK.sum(dim=0)
    total = torch.where(size_K.sum() > 0, size_K.sum(), 1.0)
    centred_BE = h_BE - (weight_B @ h_BE) / total
    mean_KE = member_BK.T @ centred_BE / torch.where(size_K > 0, size_K, 1.0).unsqueeze(1)
    between_E = size_K @ mean_KE.square() / total
    variance_E = weight_B @ centred_BE.square() / total
    return (between_E / variance_E.clamp(min=1e-8)).mean()
