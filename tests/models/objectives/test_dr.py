"""DR with a fixed imputation: the running mean label."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import softplus


def rows_with(model_rows: Callable[..., Any], label: list[float], observed: list[float]) -> Any:
    count = len(label)
    return model_rows(
        torch.ones(count), torch.tensor(label).float(), torch.tensor(observed).float(), torch.full((count,), 0.5)
    )


def test_the_mean_label_is_learned_in_training_only(
    model_rows: Callable[..., Any], objective_of: Callable[..., Any]
) -> None:
    dr = objective_of("dr")
    first = rows_with(model_rows, [1, 0, 1, 1], [1, 1, 0, 0])
    second = rows_with(model_rows, [1, 1, 0, 0], [1, 1, 1, 1])
    dr.eval()(first)
    assert dr.diagnostics() == {"mean_label": 0.5}
    dr.train()(rows_with(model_rows, [1, 1, 1, 1], [0, 0, 0, 0]))
    assert dr.diagnostics() == {"mean_label": 0.5}
    for rows, mean in ((rows_with(model_rows, [1, 1, 1, 0], [1, 1, 1, 1]), 0.75), (second, 0.625)):
        dr(rows)
        assert dr.diagnostics() == {"mean_label": pytest.approx(mean)}


def test_by_hand(model_rows: Callable[..., Any], objective_of: Callable[..., Any]) -> None:
    rows = rows_with(model_rows, [1, 0, 1, 1], [1, 1, 1, 0])
    found = objective_of("dr")(rows).item()
    liked, disliked = softplus(torch.tensor(-1.0)), softplus(torch.tensor(1.0))
    imputed = (2 * liked + disliked) / 3
    expected = imputed + 2 * (2 * liked + disliked - 3 * imputed) / 4
    assert found == pytest.approx(expected.item())


def test_extreme_means_stay_finite(model_rows: Callable[..., Any], objective_of: Callable[..., Any]) -> None:
    for label in (0.0, 1.0):
        assert torch.isfinite(objective_of("dr")(rows_with(model_rows, [label] * 3, [1, 1, 0])))
