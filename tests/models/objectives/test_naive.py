"""Naive: the mean over observed rows."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.objectives.naive import Naive, NaiveConfig
from models.propensity.popularity import PopularityConfig


def test_mean_of_the_observed_rows(task_rows: Callable[..., Any]) -> None:
    naive = Naive(NaiveConfig(), PopularityConfig())
    assert naive(task_rows(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([1.0, 1.0, 0.0]))).item() == 1.5
    assert naive(task_rows(torch.tensor([1.0, 2.0]), torch.zeros(2))).item() == 0


def test_it_is_biased_by_the_known_amount(selection: Callable[[int], Any], task_rows: Callable[..., Any]) -> None:
    problem = selection(0)
    estimate = Naive(NaiveConfig(), PopularityConfig())(task_rows(problem.loss_B, problem.observed_B)).item()
    assert estimate - problem.risk == pytest.approx(0.082, abs=0.006)
