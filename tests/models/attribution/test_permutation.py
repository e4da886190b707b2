"""F-Permutation against permutation itself on planted fields, and beside the signed form, which sees nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from models.attribution.fields import FieldRows
from models.attribution.permutation import _moved, f_permutation, permutation
from models.batch import Batch
from models.heads.base import TrainLabels
from models.ranker import Ranker
from models.recipe import Recipe
from models.schema import InputSchema

EFFECTS = (8.0, 6.0, 4.5, 3.0, 2.0, 1.2, 0.6, 0.0)
"""Seconds by which a standard deviation of each field's levels moves the watch time; the last is noise."""
LEVELS = 20
NAMES = tuple(f"f{i}" for i in range(len(EFFECTS)))
SCHEMA = InputSchema(
    fields=tuple((name, LEVELS) for name in NAMES), num_dense=3, dense_names=("strong", "weak", "noise")
)
DENSE_EFFECTS = (5.0, 0.9, 0.0)
GROUPS = {"past": ("weak", "noise")}


def planted(rows: int, seed: int) -> Batch:
    """Return rows whose watch time is a sum of effects of fields and dense features, with noise of 4 s."""
    level_FL = np.random.default_rng(99).normal(size=(len(EFFECTS), LEVELS))
    random = np.random.default_rng(seed)
    ids_BF = random.integers(LEVELS, size=(rows, len(EFFECTS)))
    dense_BN = random.normal(size=(rows, 3))
    watch_B = 40 + dense_BN @ np.array(DENSE_EFFECTS) + random.normal(size=rows) * 4
    for field, effect in enumerate(EFFECTS):
        watch_B += effect * level_FL[field, ids_BF[:, field]]
    return Batch(
        ids_BF=torch.from_numpy(ids_BF + LEVELS * np.arange(len(EFFECTS))),
        dense_BN=torch.from_numpy(dense_BN).float(),
        duration_B=torch.full((rows,), 200.0),
        watch_B=torch.from_numpy(watch_B).float().clamp(0, 200),
        labels={"skip": torch.from_numpy(watch_B < 30).float()},
    )


@pytest.fixture(scope="module")
def fitted() -> Ranker:
    """Return a ranker that has learned the planted rows."""
    train = planted(6_000, 1)
    recipe = Recipe.model_validate(
        {
            "encoder": {"kind": "packed", "embedding_dim": 4},
            "trunk": {"kind": "shared_bottom", "hidden": [32], "dropout": 0.3},
            "head": {"kind": "vr_mse"},
            "tasks": {"watch_time": {}, "skip": {}},
        }
    )
    assert train.watch_B is not None
    state = recipe.fit_head_state(TrainLabels(train.watch_B.double().numpy(), train.duration_B.double().numpy()))
    torch.manual_seed(0)
    ranker = Ranker(recipe, SCHEMA, state)
    optimizer = torch.optim.Adam(ranker.dense_parameters(), lr=0.01)
    tables = torch.optim.SparseAdam(ranker.embedding_parameters(), lr=0.02)
    for step in range(240):
        rows = train.take(torch.arange(step % 12 * 500, step % 12 * 500 + 500))
        losses = ranker.losses(rows)
        for one in (optimizer, tables):
            one.zero_grad()
        sum(losses.values()).backward()
        for one in (optimizer, tables):
            one.step()
    return ranker.eval()


@pytest.fixture(scope="module")
def held_out(fitted: Ranker) -> FieldRows:
    return FieldRows.of(fitted, planted(3_000, 2), GROUPS)


def signed(rows: FieldRows) -> dict[str, Tensor]:
    """Return the wrong twin: the mean of the terms themselves."""
    return {task: _moved(rows, task).mean(dim=0) for task in rows.ranker.trained_tasks}


def agreement(scores: Tensor, reference: Tensor) -> float:
    return float(spearmanr(scores.numpy(), reference.numpy()).statistic)


@pytest.mark.slow
def test_it_orders_fields_as_permutation_does_and_the_signed_form_does_not(held_out: FieldRows) -> None:
    reference = permutation(held_out)
    for task, scores in f_permutation(held_out).items():
        assert agreement(scores, reference[task]) >= 0.9, task
        assert agreement(signed(held_out)[task], reference[task]) < 0.6, task


@pytest.mark.slow
def test_a_field_of_noise_is_last_and_the_strongest_first(held_out: FieldRows) -> None:
    names = held_out.layout.names
    assert names == (*NAMES, "strong", "aggregates/past")
    for scores in f_permutation(held_out).values():
        order = [names[i] for i in scores.argsort(descending=True).tolist()]
        assert order[0] == "f0" and order[-1] == "f7"


@pytest.mark.slow
def test_permutation_is_the_brute_force_mean_over_shuffled_rows(fitted: Ranker) -> None:
    """By hand from the batch: another row's id in the place of a field's own, and its columns in that of a group's."""
    batch = planted(400, 3)
    rows = FieldRows.of(fitted, batch, GROUPS)
    found = permutation(rows, shuffles=2, seed=5)
    generator = torch.Generator().manual_seed(5)
    orders = [torch.randperm(400, generator=generator) for _ in range(2)]

    def loss(changed: Batch) -> float:
        with torch.no_grad():
            return float(fitted.losses(changed)["watch_time"])

    for name, columns in (("f0", [0]), ("f7", [7])):
        after = []
        for order_B in orders:
            ids_BF = batch.ids_BF.clone()
            ids_BF[:, columns] = ids_BF[order_B][:, columns]
            after.append(loss(replace(batch, ids_BF=ids_BF)))
        assert found["watch_time"][rows.layout.names.index(name)] == pytest.approx(
            np.mean(after) - loss(batch), abs=1e-6
        )
    after = []
    for order_B in orders:
        dense_BN = batch.dense_BN.clone()
        dense_BN[:, 1:] = dense_BN[order_B][:, 1:]
        after.append(loss(replace(batch, dense_BN=dense_BN)))
    assert found["watch_time"][-1] == pytest.approx(np.mean(after) - loss(batch), abs=1e-6)


def test_a_training_ranker_is_refused(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        FieldRows.of(ranker({}), batch(4), {})


def test_rows_whose_label_was_not_seen_say_nothing(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model = ranker({"tasks": {"watch_time": {}, "skip": {}}}).eval()
    rows = FieldRows.of(model, replace(batch(12), observed_B=torch.zeros(12)), {})
    assert all((scores == 0).all() for scores in f_permutation(rows).values())
