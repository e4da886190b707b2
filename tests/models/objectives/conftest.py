"""A selection problem of known truth: exposure and taste share a cause (docs/methods/debias.md#the-doubly-robust-loss).

Shape legend: B rows, O outputs of a head.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.objectives import OBJECTIVES
from models.objectives.base import Objective, TaskRows
from models.objectives.dce_dr import DceDr
from models.objectives.tdr import Tdr
from models.objectives.tmle import Tmle
from models.propensity.popularity import PopularityConfig

TINY_CLIP = 0.001


def rows_of(
    loss_B: Tensor,
    observed_B: Tensor,
    propensity_B: Tensor | None = None,
    random_B: Tensor | None = None,
    **fields: Any,
) -> TaskRows:
    """Return rows with given losses and, where asked, other fields; what no test reads is left plain.

    The label is its own one statistic. An imputation may be given as logits [B]; unless draws or folds are given, it is sure of
    itself, and that of every fold.
    """
    auxiliary = dict(fields.pop("auxiliary", {}))
    if auxiliary.get("imputation", torch.zeros(1, 1)).ndim == 1:
        auxiliary["imputation"] = auxiliary["imputation"].unsqueeze(1)
    if "imputation" in auxiliary:
        auxiliary.setdefault("imputation_draws", auxiliary["imputation"].detach().expand(2, -1, -1))
        auxiliary.setdefault("imputation_folds", auxiliary["imputation"].expand(2, -1, -1))
    loss_for = fields.get("loss_for", lambda out_BO, label_B: (out_BO[:, 0] - label_B).square())
    rows = TaskRows(
        out_BO=torch.zeros(len(loss_B), 1),
        label_B=torch.zeros_like(loss_B),
        loss_B=loss_B,
        observed_B=observed_B,
        propensity_B=torch.ones_like(loss_B) if propensity_B is None else propensity_B,
        random_B=torch.zeros_like(loss_B, dtype=torch.bool) if random_B is None else random_B,
        weight_B=torch.full_like(loss_B, 1 / len(loss_B)),
        loss_for=loss_for,
        statistics_for=lambda label_B: label_B.unsqueeze(1),
        expected_statistics=torch.sigmoid,
        statistics_loss=loss_for,
        expected_loss=lambda out_BO, statistics_BS: loss_for(out_BO, statistics_BS[:, 0]),
        share_of=lambda out_BO: torch.sigmoid(out_BO[:, 0]),
        share_label_B=torch.zeros_like(loss_B),
        latent_label_B=torch.zeros_like(loss_B),
        encoded_BE=torch.zeros(len(loss_B), 1),
        user_B=torch.arange(len(loss_B)),
        item_B=torch.arange(len(loss_B)),
        auxiliary=auxiliary,
    )
    return replace(rows, **fields)


def bce(out_BO: Tensor, target_B: Tensor) -> Tensor:
    """Return the loss of a binary task."""
    return functional.binary_cross_entropy_with_logits(out_BO[:, 0], target_B, reduction="none")


def steps(label_B: Tensor) -> Tensor:
    """Return the one statistic of a watch-time head that learns a step function of the label, as D2Q does, [B, 1]."""
    return torch.round(10 * label_B.unsqueeze(1)) / 10


def squared(out_BO: Tensor, statistics_BS: Tensor) -> Tensor:
    """Return the loss of such a head for an expected statistic, [B]."""
    return (torch.sigmoid(out_BO[:, 0]) - statistics_BS[:, 0]).square()


def model_rows_of(
    logit_B: Tensor, label_B: Tensor, observed_B: Tensor, propensity_B: Tensor, binary: bool = True, **fields: Any
) -> TaskRows:
    """Return rows of a task with one raw output; durations of watch time are 1 s, so labels are shares."""
    out_BO = logit_B.unsqueeze(1)
    if binary:
        loss_B, loss = bce(out_BO, label_B), {"loss_for": bce}
    else:
        loss = {
            "statistics_for": steps, "expected_loss": squared,
            "statistics_loss": lambda raw_BS, label_B: squared(raw_BS, steps(label_B)),
        }  # fmt: skip
        loss_B = squared(out_BO, steps(label_B))
    return rows_of(
        loss_B, observed_B, propensity_B,
        **{"out_BO": out_BO, "label_B": label_B, "share_label_B": label_B, "binary": binary, **loss, **fields},
    )  # fmt: skip


def build_objective(kind: str, clip: float = TINY_CLIP, self_normalise: str = "off", **config: Any) -> Any:
    """Return an objective of the registry, seeded, with its configuration checked."""
    objective: type[Objective] = OBJECTIVES[kind]
    torch.manual_seed(0)
    options = PopularityConfig.model_validate({"clip": clip, "self_normalise": self_normalise})
    return objective(objective.Config.model_validate({"kind": kind, **config}), options)


HELD_OUT_USER = 8
"""Code of a user whom `dce_dr` holds out; 0 is not."""


def settle(objective: Any, rows: TaskRows) -> None:
    """Let an objective learn what its risk rests on from rows: t of TDR in a step, eps and calibrations to the end."""
    if isinstance(objective, Tdr):
        objective(rows)
        assert objective.t != 0
    if isinstance(objective, Tmle):
        find_root(objective.fluctuation, lambda: objective.fluctuation_loss(rows))
    if isinstance(objective, DceDr):
        held = replace(rows, user_B=torch.full_like(rows.user_B, HELD_OUT_USER))
        find_root(objective, lambda: objective.calibration_loss(held))


def find_root(module: nn.Module, loss: Callable[[], Tensor]) -> None:
    """Take the parameters of a module to where the gradient of a loss is 0, by a quasi-Newton search without its value."""
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=120, tolerance_grad=1e-5, tolerance_change=0)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    assert all(p.grad is not None and p.grad.abs().max() < 1e-4 for p in module.parameters())


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
