"""What tasks ask of the shared parameters, against gradients taken one by one."""

import pytest
import torch
from torch import Tensor

from models.batch import Batch
from models.heads.base import TrainLabels
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.train.conflict import gradient_account

SCHEMA = InputSchema(fields=(("user_id", 5), ("video_id", 9)), num_dense=2)
ROWS = 32


@pytest.fixture
def batch() -> Batch:
    g = torch.Generator().manual_seed(0)
    duration_B = torch.randint(5, 60, (ROWS,), generator=g).float()
    watch_B = (duration_B * torch.rand(ROWS, generator=g)).round()
    return Batch(
        ids_BF=torch.stack([torch.randint(5, (ROWS,), generator=g), 5 + torch.randint(9, (ROWS,), generator=g)], dim=1),
        dense_BN=torch.randn(ROWS, 2, generator=g),
        duration_B=duration_B,
        watch_B=watch_B,
        labels={"skip": (watch_B < 3).float(), "long_view": (watch_B > 18).float()},
    )


def ranker(batch: Batch, tasks: tuple[str, ...]) -> Ranker:
    recipe = Recipe.model_validate({"trunk": {"kind": "shared_bottom", "hidden": [6]}, "tasks": {t: {} for t in tasks}})
    assert batch.watch_B is not None
    labels = TrainLabels(batch.watch_B.double().numpy(), batch.duration_B.double().numpy())
    torch.manual_seed(0)
    return Ranker(recipe, SCHEMA, recipe.fit_head_state(labels))


def test_shares_and_cosines_are_those_of_the_tasks_own_gradients(batch: Batch) -> None:
    model = ranker(batch, ("watch_time", "skip", "long_view"))
    found = gradient_account(model, batch)
    own: dict[str, Tensor] = {}
    for task in model.trained_tasks:
        model.zero_grad()
        model.losses(batch)[task].backward()
        own[task] = torch.cat([p.grad.flatten() for p in model.shared_parameters() if p.grad is not None]).double()
    total = sum(float(value.norm()) for value in own.values())
    for task, value in own.items():
        assert found[f"gradient_share_{task}"] == pytest.approx(float(value.norm()) / total)
    for task in ("skip", "long_view"):
        cosine = torch.nn.functional.cosine_similarity(own[task], own["watch_time"], dim=0)
        assert found[f"gradient_cosine_{task}"] == pytest.approx(float(cosine))
    assert len(found) == 5


def test_a_skip_conflicts_with_a_long_view_label_of_its_own_opposite(batch: Batch) -> None:
    batch.labels["long_view"] = 1 - batch.labels["skip"]
    model = ranker(batch, ("watch_time", "skip", "long_view"))
    model.towers["long_view"].load_state_dict(model.towers["skip"].state_dict())
    with torch.no_grad():
        for tower in (model.towers["skip"], model.towers["long_view"]):
            tower.output.bias.zero_()
    found = gradient_account(model, batch)
    assert found["gradient_cosine_skip"] * found["gradient_cosine_long_view"] < 0


def test_gradients_and_the_random_state_are_left_alone(batch: Batch) -> None:
    model = ranker(batch, ("watch_time", "skip"))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state = torch.get_rng_state()
    gradient_account(model, batch)
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in model.parameters() if p.grad is not None)
    assert torch.equal(torch.get_rng_state(), state)


def test_one_task_has_nothing_to_conflict_with(batch: Batch) -> None:
    assert gradient_account(ranker(batch, ("watch_time",)), batch) == {}
