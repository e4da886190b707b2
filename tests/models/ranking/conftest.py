"""Batches of lists as a term reads them, and terms on label state of a few train rows."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.heads.base import TrainLabels
from models.ranking import RANKINGS
from models.ranking.base import ListedRows, Ranking

TRAIN = TrainLabels(np.linspace(0, 40, 200), np.linspace(8, 60, 200).clip(40))
CLIP = 0.05


def listed(lists: list[list[float]], scores: Tensor, **columns: Any) -> ListedRows:
    """Return rows of lists with these labels, in order, with every pair of every list."""
    length = [len(labels) for labels in lists]
    group_B = torch.repeat_interleave(torch.arange(len(lists)), torch.tensor(length))
    starts = np.cumsum([0, *length])
    places = [pair for at, n in zip(starts, length, strict=False) for pair in combinations(range(at, at + n), 2)]
    label_B = torch.tensor([label for labels in lists for label in labels], dtype=scores.dtype)
    given = {
        "duration_B": torch.full_like(label_B, 30.0),
        "weight_B": torch.ones_like(label_B),
        "pair_P2": torch.tensor(places, dtype=torch.int64).reshape(-1, 2),
    }
    return ListedRows(scores, label_B, group_B=group_B, **{**given, **columns})


def drawn(seed: int, binary: bool) -> ListedRows:
    """Return a random batch: ties, single rows, lists of one class, now and then a list of 200 rows."""
    rng = np.random.default_rng(seed)
    lists = [rng.integers(0, 2 if binary else 40, rng.integers(1, 9)).astype(float) for _ in range(rng.integers(1, 9))]
    lists.append(np.full(3, float(rng.integers(0, 2))))
    if seed % 40 == 0:
        lists.append(rng.integers(0, 2 if binary else 60, 200).astype(float))
    rows = sum(map(len, lists))
    scores = torch.from_numpy(rng.normal(0, 2, rows)).requires_grad_()
    duration_B = torch.from_numpy(rng.choice([20.0, 22.0, 45.0, 60.0], rows))
    weight_B = torch.from_numpy(1 / rng.uniform(0.01, 1, rows))
    found = listed([list(values) for values in lists], scores, duration_B=duration_B, weight_B=weight_B, binary=binary)
    group_B = torch.where(torch.from_numpy(rng.random(rows) < 0.05), -1, found.group_B)
    return ListedRows(**{**vars(found), "group_B": group_B})


@pytest.fixture
def term() -> Callable[..., Ranking]:
    """Return the maker of terms: (kind, options)."""

    def build(kind: str, **options: Any) -> Ranking:
        config = RANKINGS[kind].Config(**options)
        return RANKINGS[kind](config, RANKINGS[kind].fit_state(config, TRAIN), CLIP)

    return build
