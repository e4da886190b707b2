"""A tiny input schema, batches that fit it, and rankers built on them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.batch import Batch, History
from models.heads.base import TrainLabels
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema

SCHEMA = InputSchema(
    fields=(("user_id", 7), ("video_id", 11), ("scene", 3)),
    num_dense=2,
    history_fields=("video_id", "scene"),
    history_length=4,
)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Tiny matrices on a shared machine: more threads only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture
def schema() -> InputSchema:
    """Three fields, two dense features, four events that carry two of the fields."""
    return SCHEMA


def make_batch(rows: int, seed: int = 0, unobserved: bool = False) -> Batch:
    """Return random rows, three of a list; the first has an empty history, the last was exposed at random.

    With `unobserved` every second row was not observed, and stands for three times as much of the population.
    """
    g = torch.Generator().manual_seed(seed)

    def ids(field: int, *shape: int) -> torch.Tensor:
        return SCHEMA.offsets[field] + torch.randint(SCHEMA.fields[field][1], shape, generator=g)

    mask_BL = torch.rand(rows, 4, generator=g) < 0.6
    mask_BL[0] = False
    history = History(
        fields={"video_id": ids(1, rows, 4), "scene": ids(2, rows, 4)},
        feedback_BL=torch.randint(8, (rows, 4), generator=g),
        ratio_BL=torch.randint(9, (rows, 4), generator=g),
        gap_BL=torch.randint(17, (rows, 4), generator=g),
        mask_BL=mask_BL,
    )
    duration_B = torch.randint(5, 60, (rows,), generator=g).float()
    watch_B = torch.round(1000 * duration_B * torch.rand(rows, generator=g)) / 1000
    random_B = torch.zeros(rows, dtype=torch.bool)
    random_B[-1] = True
    observed_B = torch.ones(rows)
    if unobserved:
        observed_B[1:-1:2] = 0
    stands_for_B = 3 - 2 * observed_B
    return Batch(
        ids_BF=torch.stack([ids(field, rows) for field in range(3)], dim=1),
        dense_BN=torch.randn(rows, 2, generator=g),
        duration_B=duration_B,
        history=history,
        watch_B=watch_B,
        labels={"skip": (watch_B < 3).float(), "like": (torch.rand(rows, generator=g) < 0.3).float()},
        observed_B=observed_B,
        propensity_B=0.02 + 0.9 * torch.rand(rows, generator=g),
        random_B=random_B,
        weight_B=stands_for_B / stands_for_B.sum(),
        group_B=torch.arange(rows) // 3,
        pair_P2=torch.tensor([(i, j) for j in range(rows) for i in range(j // 3 * 3, j)]).reshape(-1, 2),
    )


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Return the maker of random batches: (rows, seed, whether some rows were not observed)."""
    return make_batch


@pytest.fixture
def ranker() -> Callable[..., Ranker]:
    """Return the maker of rankers: (recipe or its configuration, frozen tasks), seeded, label state of one batch."""

    def build(recipe: Recipe | dict[str, Any], frozen_tasks: tuple[str, ...] = ()) -> Ranker:
        parsed = recipe if isinstance(recipe, Recipe) else Recipe.model_validate(recipe)
        rows = make_batch(64, seed=1)
        labels = TrainLabels(rows.watch_B.double().numpy(), rows.duration_B.double().numpy())
        state = parsed.fit_head_state(labels)
        torch.manual_seed(0)
        return Ranker(parsed, SCHEMA, state, frozen_tasks)

    return build
