"""What DT-IPS and DT-DR add to a weighted loss: what moves exposure alone is kept out of the preference.

Shape legend: B rows, A width of the tasks' encoder, S width of the second encoder.
"""

from torch import Tensor

from models.component import ComponentConfig
from models.objectives.base import AuxiliaryTower, TaskRows
from models.objectives.exposure import exposure_loss
from models.ranges import Weight, WeightOrNone

DISENTANGLED_EXPOSURE = AuxiliaryTower("exposure", reads="both")
"""Exposure is predicted from [A; B]: the tasks' encoding, as given, beside the second one."""

VARIANCE_FLOOR = 1e-8


class DisentangledConfig(ComponentConfig):
    """Weights of the two terms. These values are ours."""

    exposure: Weight = 1.0
    """alpha, of CE(p̂, o)."""
    orthogonality: WeightOrNone = 0.1
    """beta, of the squared correlation between A and B."""


def disentangling_loss(rows: TaskRows, config: DisentangledConfig) -> Tensor:
    """Return alpha CE(p̂, o) + beta |A'B|^2 with A the tasks' encoding, which the preference reads alone, and B the second.

    Source: docs/methods/debias.md#disentangled-exposure. Our reading: A'B is the correlation matrix of the two
    encodings over the rows of the batch, which covers user and item embeddings alike and does not shrink with their
    scale, and its squares are averaged; and CE(p̂, o) trains B but not A, so that A holds of exposure only what
    preference needs.
    """
    assert rows.second_BE is not None
    loss = config.exposure * exposure_loss(rows)
    return loss + config.orthogonality * squared_correlation(rows.encoded_BE, rows.second_BE, rows.weight_B)


def squared_correlation(a_BA: Tensor, b_BS: Tensor, weight_B: Tensor) -> Tensor:
    """Return the mean squared correlation between the columns of two matrices, rows weighted; 0 for constant columns."""
    return (_standardised(a_BA, weight_B).T @ (weight_B.unsqueeze(1) * _standardised(b_BS, weight_B))).square().mean()


def _standardised(h_BE: Tensor, weight_B: Tensor) -> Tensor:
    centred_BE = h_BE - weight_B @ h_BE
    variance_E = weight_B @ centred_BE.square()
    return centred_BE / variance_E.clamp(min=VARIANCE_FLOOR).sqrt()
