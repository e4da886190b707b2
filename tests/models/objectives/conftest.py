"""A selection problem of known truth: exposure and taste share a cause (docs/methods/debias.md#the-doubly-robust-loss).

Shape legend: B rows, O outputs of a head.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.objectives import OBJECTIVES
from models.objectives.base import Objective, TaskRows
from models.propensity.popularity import PopularityConfig

TINY_CLIP = 0.001


def rows_of(
    loss_B: Tensor,
    observed_B: Tensor,
    propensity_B: Tensor | None = None,
    random_B: Tensor | None = None,
    **fields: Any,
) -> TaskRows:
    """Return rows with given losses and, where asked, other fields; what no test reads is left plain."""
    rows = TaskRows(
        out_BO=torch.zeros(len(loss_B), 1),
        label_B=torch.zeros_like(loss_B),
        loss_B=loss_B,
        observed_B=observed_B,
        propensity_B=torch.ones_like(loss_B) if propensity_B is None else propensity_B,
        random_B=torch.zeros_like(loss_B, dtype=torch.bool) if random_B is None else random_B,
        weight_B=torch.full_like(loss_B, 1 / len(loss_B)),
        loss_for=lambda out_BO, target_B: (out_BO[:, 0] - target_B).square(),
        label_of=torch.sigmoid,
        share_of=lambda out_BO: torch.sigmoid(out_BO[:, 0]),
        share_label_B=torch.zeros_like(loss_B),
        latent_label_B=torch.zeros_like(loss_B),
        encoded_BE=torch.zeros(len(loss_B), 1),
        user_B=torch.arange(len(loss_B)),
        item_B=torch.arange(len(loss_B)),
    )
    return replace(rows, **fields)


def bce(out_BO: Tensor, target_B: Tensor) -> Tensor:
    """Return the loss of a binary task."""
    return functional.binary_cross_entropy_with_logits(out_BO[:, 0], target_B, reduction="none")


def steps(out_BO: Tensor, target_B: Tensor) -> Tensor:
    """Return the loss of a watch-time head whose label is a step function of the target, as that of D2Q is."""
    return (torch.sigmoid(out_BO[:, 0]) - torch.round(10 * target_B) / 10).square()


def model_rows_of(
    logit_B: Tensor, label_B: Tensor, observed_B: Tensor, propensity_B: Tensor, binary: bool = True, **fields: Any
) -> TaskRows:
    """Return rows of a task with one raw output; durations of watch time are 1 s, so labels are shares."""
    loss_for = bce if binary else steps
    out_BO = logit_B.unsqueeze(1)
    return rows_of(
        loss_for(out_BO, label_B), observed_B, propensity_B,
        **{"out_BO": out_BO, "label_B": label_B, "share_label_B": label_B, "loss_for": loss_for, "binary": binary, **fields},
    )  # fmt: skip


def build_objective(kind: str, clip: float = TINY_CLIP, self_normalise: str = "off", **config: Any) -> Any:
    """Return an objective of the registry, seeded, with its configuration checked."""
    objective: type[Objective] = OBJECTIVES[kind]
    torch.manual_seed(0)
    options = PopularityConfig.model_validate({"clip": clip, "self_normalise": self_normalise})
    return objective(objective.Config.model_validate({"kind": kind, **config}), options)


@dataclass(frozen=True)
class Selection:
    """All pairs of the problem, the constant prediction's squared error, and the true risk.

    Attributes:
        expected_B: E[e | x], the best imputed error.
        chance_B: P(r = 1 | x).
        liked_B: r.
    """

    loss_B: Tensor
    observed_B: Tensor
    propensity_B: Tensor
    risk: float
    expected_B: Tensor
    chance_B: Tensor
    liked_B: Tensor


@pytest.fixture(scope="session")
def task_rows() -> Callable[..., TaskRows]:
    """Return the maker of rows: (losses, observed, propensity, random, other fields by name)."""
    return rows_of


@pytest.fixture(scope="session")
def model_rows() -> Callable[..., TaskRows]:
    """Return the maker of rows with a model: (logits, labels, observed, propensity, binary, other fields by name)."""
    return model_rows_of


@pytest.fixture(scope="session")
def objective_of() -> Callable[..., Any]:
    """Return the maker of objectives: (kind, clip, self_normalise, configuration by name)."""
    return build_objective


@pytest.fixture(scope="session")
def selection() -> Callable[..., Selection]:
    """Return the problem, drawn from a seed; .3937 is its true risk."""

    def draw(seed: int, pairs: int = 400_000) -> Selection:
        g = torch.Generator().manual_seed(seed)
        x1, x2 = torch.randn(2, pairs, generator=g)
        propensity_B = torch.sigmoid(-1.5 + x1).clamp(min=0.02)
        chance_B = torch.sigmoid(0.5 + 1.2 * x1 - 0.8 * x2)
        liked_B = (torch.rand(pairs, generator=g) < chance_B).float()
        observed_B = (torch.rand(pairs, generator=g) < propensity_B).float()
        loss_B = (0.2 - liked_B).square()
        return Selection(loss_B, observed_B, propensity_B, 0.3937, 0.04 + 0.6 * chance_B, chance_B, liked_B)

    return draw
