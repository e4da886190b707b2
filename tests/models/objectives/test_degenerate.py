"""Batches without an observed row, with nothing else, of one row, under tiny propensities: finite, with finite gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from models.objectives import OBJECTIVES

ELSEWHERE = {"proxy_priors", "latent_exogenous"}
"""Objectives that need an input of their own, tested beside it."""
KINDS = [kind for kind in OBJECTIVES if kind not in ELSEWHERE]
BATCHES: dict[str, dict[str, Any]] = {
    "none_observed": {"observed": [0, 0, 0, 0]},
    "all_observed": {"observed": [1, 1, 1, 1]},
    "one_observed": {"observed": [0, 1, 0, 0]},
    "one_row": {"observed": [1]},
    "one_unobserved_row": {"observed": [0]},
    "all_random": {"observed": [1, 1, 1, 1], "random": [1, 1, 1, 1]},
    "one_label": {"observed": [1, 1, 0, 0], "label": 1.0},
    "tiny_propensity": {"observed": [1, 1, 0, 0], "propensity": 1e-6, "exposure": -14.0},
    "certain_exposure": {"observed": [1, 1, 0, 0], "exposure": 60.0},
    "impossible_exposure": {"observed": [1, 1, 0, 0], "exposure": -200.0},
    "certain_predictions": {"observed": [1, 1, 0, 0], "logit": 60.0},
    "impossible_predictions": {"observed": [1, 1, 0, 0], "logit": -200.0},
}


@pytest.mark.slow
@pytest.mark.parametrize("self_normalise", ["off", "batch", "running"])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_gradients_stay_finite(
    kind: str, self_normalise: str, model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    if kind == "rel_mf" and self_normalise != "off":
        return
    for name, case in BATCHES.items():
        for binary in (True, False):
            rows, leaves = rows_of_case(kind, case, binary, model_rows)
            loss = objective_of(kind, clip=0.05, self_normalise=self_normalise)(rows)
            assert torch.isfinite(loss), (name, binary)
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True) if loss.requires_grad else ()
            assert all(torch.isfinite(g).all() for g in gradients if g is not None), (name, binary)


def rows_of_case(
    kind: str, case: dict[str, Any], binary: bool, model_rows: Callable[..., Any]
) -> tuple[Any, list[Any]]:
    observed_B = torch.tensor(case["observed"]).float()
    count = len(observed_B)
    logit_B = (torch.linspace(-1, 1, count) + case.get("logit", 0.0)).requires_grad_()
    encoded_BE = torch.ones(count, 3).requires_grad_()
    auxiliary = {
        tower.name: torch.linspace(1, -1, count).requires_grad_() for tower in OBJECTIVES[kind].auxiliary_towers
    }
    if "exposure" in auxiliary:
        auxiliary["exposure"] = torch.full((count,), case.get("exposure", 0.3)).requires_grad_()
    label_B = torch.full((count,), case["label"]) if "label" in case else (torch.arange(count) % 2).float()
    rows = model_rows(
        logit_B, label_B, observed_B, torch.full((count,), case.get("propensity", 0.4)), binary, auxiliary=auxiliary,
        random_B=torch.tensor(case.get("random", [0] * count)).bool(), encoded_BE=encoded_BE, second_BE=encoded_BE[:, :2],
    )  # fmt: skip
    return rows, [logit_B, encoded_BE, *auxiliary.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_unobserved_rows_without_a_propensity_are_no_harm_or_an_error(
    kind: str, model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    """Naive Bayes propensities are NaN where there is no label to condition on."""
    case: dict[str, Any] = {"observed": [1, 1, 0, 0], "propensity": float("nan")}
    rows, _ = rows_of_case(kind, case, True, model_rows)
    rows.propensity_B[:2] = 0.5
    if kind in ("tdr", "pd", "pda", "dce_dr"):
        with pytest.raises(ValueError, match=f"'{kind}' reads the propensity of unobserved rows"):
            objective_of(kind)(rows)
    else:
        assert torch.isfinite(objective_of(kind)(rows))


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("eib", {"imputation": 0}), ("dr_jl", {"imputation": -1}), ("dr_jl", {"fine_tune": 0.0}), ("dr_mse", {"bias_share": 1.1}),
        ("stable_dr", {"eta": -1}), ("ips_v2", {"counterfactual": 0}), ("dr_v2", {"balance": -1}),
        ("ips_v2", {"balance_on": "everything"}), ("escm2_ips", {"entire_space": -0.1}), ("cvib", {"contrast": -1}),
        ("pd", {"partners": 0}), ("pda", {"forecast": 0}), ("inv_pref", {"environment": 0}),
        ("dt_ips", {"exposure": 0}), ("dt_dr", {"orthogonality": -1}), ("dr", {"imputation": 1}),
        ("cdr", {"left_out": 1.5}), ("tmle", {"rate": 0.0}), ("dce_dr", {"rate": -1.0}), ("dr_residual", {"imputation": 0}),
    ],
)  # fmt: skip
def test_configurations_are_checked(kind: str, config: dict[str, Any], objective_of: Callable[..., Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(config))):
        objective_of(kind, **config)
