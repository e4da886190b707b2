"""A selection model on free ids: names do not matter, and embeddings are penalised."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks.debias.factors import Factors, fit_penalised
from models.latent.selection_model import SelectionModel
from tests.models.latent.conftest import noise, start_at
from tests.models.latent.test_selection_model import ROWS, pairs

__all__ = ["noise"]


def test_names_do_not_matter(noise: Callable[..., Any]) -> None:
    _, _, rows = pairs(noise, 0.4)
    user, item, names = torch.arange(ROWS) % 50, torch.arange(ROWS) % 40, torch.randperm(50)
    embedded = Factors(user, item, 50, 40, 3)
    renamed = Factors(names[user], item, 50, 40, 3)
    renamed.load_state_dict({**embedded.state_dict(), "user_N": names[user]})
    renamed.user_2UK.data[:, names] = embedded.user_2UK.data
    before, after = (SelectionModel(indices, 0.3)(rows).item() for indices in (embedded, renamed))
    assert before == pytest.approx(after, abs=1e-10)


def test_embeddings_are_penalised_and_the_correlation_is_not(noise: Callable[..., Any]) -> None:
    _, _, rows = pairs(noise, 0.4)
    user, item = torch.arange(ROWS) % 50, torch.arange(ROWS) // 50
    sizes = {}
    for penalty in (0.0, 1.0):
        model = SelectionModel(Factors(user, item, 50, 80, 2, generator=torch.Generator().manual_seed(0)))
        start_at(model.correlation, 0.5)
        fit_penalised(model, penalty, rows, steps=30)
        sizes[penalty] = model.indices.user_2UK.detach().abs().mean().item()
        assert abs(model.rho) > 0.1
    assert sizes[1.0] < 0.1 * sizes[0.0]
