"""A step of every registry entry on a card: nothing mixes devices, and nothing waits but what is declared here."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from models.components import REGISTRIES
from models.encoders.grouped import grouped_tables
from models.heads.base import TrainLabels
from models.objectives import OBJECTIVES
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.table.training_table import TrainingTable
from tasks.train.device import Device
from tasks.train.problem import open_problem
from tasks.train.step import Step
from tests.fake_card import CARD, TO_CARD, Card, Wait, WaitError
from tests.models.conftest import SCHEMA, make_batch
from tests.models.test_ranker import ONE_BY_ONE, PLAIN, recipe_of
from tests.train.settings import RANKED, RECIPE, training

WAITS = {
    "cagrad": (
        "models/balance/cagrad.py",
        "scipy solves for the mixture, which needs the tasks' inner products on the host",
    ),
    "latent_exogenous": (
        "models/objectives/latent_exogenous.py",
        "rows are told apart by kind first: a quadrature of 64 nodes is not taken where it is not read",
    ),
}
"""Registry key -> file that waits for the device in every step, and why it may."""

HEAD_OF = {"latent_exogenous": "tr_log"}
"""Objective -> head of its test; the others take one with a mean."""
ENTRIES = [*ONE_BY_ONE, *(("objective", kind) for kind in OBJECTIVES)]
VARIANTS: dict[str, dict[str, Any]] = {
    "fields_apart": {"set_apart": ("scene",)},
    "adversary": {"adversary": {}},
    "further_heads": {"head": {"kind": "tr_log"}, "further_heads": {"d": {"head": {"kind": "d2q"}}}},
    "bins_that_grow": {
        "head": {"kind": "cread", "progressive_steps": 10, "thresholds": 128},
        "further_heads": {"d": {"head": {"kind": "tpm", "progressive_steps": 10, "depth": 7}}},
    },
    "drawn_thresholds": {"head": {"kind": "ordinal", "placement": "lognormal"}},
    "groups_of_rows": {
        "encoder": {
            "kind": "packed",
            "embedding_dim": 4,
            "widths": {"user_id": {"bounds": [8.0], "kept": [[1], [0, 1, 2, 3]]}},
        }
    },
    "matches": {"encoder": {"kind": "packed", "embedding_dim": 4, "history": {"kind": "none"}, "matches": {}}},
    "vectors_learned_before": {"pretraining": {"kind": "directau", "use": "join"}},
    "vectors_read_after_the_fit": {"pretraining": {"kind": "distilled"}},
    "users_of_pd": {"head": {"kind": "vr_mse"}, "objective": {"kind": "pd", "within": "user"}},
    "running_weights": {
        "objective": {"kind": "ips"},
        "propensity": {"kind": "popularity", "self_normalise": "running"},
    },
    "batch_weights": {"objective": {"kind": "ips"}, "propensity": {"kind": "popularity", "self_normalise": "batch"}},
    "fine_tune": {"objective": {"kind": "dr_jl", "fine_tune": 0.1}, "selection": {"kind": "click"}},
    "offsets_by_level": {"objective": {"kind": "tmle", "fields": ["scene"]}, "selection": {"kind": "click"}},
    "pairs_by_gap": {"ranking": {"kind": "pairs", "weights": "gap", "estimand": "candidates"}},
    "pairs_by_ndcg": {"ranking": {"kind": "pairs", "weights": "ndcg"}},
    "jrc_of_grades": {"ranking": {"kind": "jrc", "form": "graded"}},
    "pairs_by_residual": {"ranking": {"kind": "pairs", "match": "residual"}},
}
SHIPPED = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())["recipes"]
NETWORKS = {name: recipe for name, recipe in SHIPPED.items() if recipe.get("kind") != "trees"}


def ranker_of(recipe: Recipe) -> Ranker:
    rows = make_batch(64, seed=1)
    assert rows.watch_B is not None
    labels = TrainLabels(rows.watch_B.double().numpy(), rows.duration_B.double().numpy())
    ranker = Ranker(recipe, SCHEMA, recipe.fit_head_state(labels)).train()
    for table in grouped_tables(ranker).values():
        table.divide(np.arange(SCHEMA.num_rows, dtype=np.float64))
    return ranker


def waits_of(
    configuration: Mapping[str, Any], steps: int = 1, change: Callable[[Ranker], None] = lambda _: None
) -> list[Wait]:
    """Return where the first steps of a recipe wait; they end at the first wait for a value."""
    recipe, card = Recipe.model_validate(configuration), Card()
    ranker = ranker_of(recipe)
    change(ranker)
    rows = make_batch(9, unobserved=recipe.selection.kind != "impression")
    labels = dict.fromkeys(recipe.label_names, rows.labels["skip"])
    card.move(ranker)
    batch = card.moved(replace(rows, labels=labels, candidate_probability_B=None))
    with contextlib.suppress(WaitError), card.watching():
        take_step = Step(ranker, training(), Device(f"{CARD}:0", bfloat16=False, compiled=False))
        for _ in range(steps):
            assert take_step(batch).device.type == CARD
    return card.waits


def assert_waits(kind: str, recipe: Mapping[str, Any], steps: int = 1) -> None:
    """Fail for a wait that is not declared for a registry key, and for a declaration without a wait."""
    waits, (file, _) = waits_of(recipe, steps), WAITS.get(kind, ("", ""))
    assert not [wait for wait in waits if not file or not wait.where.startswith(f"{file}:")]
    assert bool(waits) == bool(file), f"{kind} waits nowhere: take it from WAITS"


@pytest.mark.slow
@pytest.mark.parametrize(("part", "kind"), ENTRIES)
def test_no_entry_mixes_devices_or_waits_undeclared(part: str, kind: str) -> None:
    head = HEAD_OF.get(kind, "vr_mse") if part == "objective" else PLAIN["head"]
    recipe = recipe_of(**{**PLAIN, "head": head, part: kind})
    assert_waits(kind, recipe | {"tasks": {task: recipe["tasks"][task] for task in ("watch_time", "skip")}})


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_no_option_that_branches_waits(name: str) -> None:
    assert_waits(name, VARIANTS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_recipes_of_a_night_wait_for_nothing_undeclared(name: str) -> None:
    assert_waits(NETWORKS[name].get("objective", {}).get("kind", name), NETWORKS[name], steps=2)


def test_every_entry_that_takes_part_in_a_step_is_tried() -> None:
    """Propensities are fitted and applied, and vectors learned, before the first step, on the host; tables are compressed after
    the last one."""
    others = ("models.propensity", "models.pretraining", "models.compression")
    entries = {kind for module, registry in REGISTRIES.items() if module not in others for kind in registry}
    assert entries == {kind for _, kind in ENTRIES}
    assert set(WAITS) <= entries


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [RECIPE, RANKED], ids=["impressions", "candidates in lists"])
def test_a_shard_is_copied_once_and_batches_are_made_where_it_lies(candidate_table: Path, recipe: Recipe) -> None:
    rows = open_problem(TrainingTable.open(candidate_table), recipe).fit.mapped(lambda split: split.on(f"{CARD}:0"))
    card = Card()
    with card.watching():
        batches = rows.epoch(batch_size=64, shard_rows=400, seed=0, epoch=0)
        first = next(batches)
        copied = len(card.waits)
        assert copied and {wait.why for wait in card.waits} == {TO_CARD}
        second = next(batches)
    assert len(card.waits) == copied
    for batch in (first, second):
        assert {value.device.type for value in tensors_of(batch)} == {CARD}


def tensors_of(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else vars(value).values() if is_dataclass(value) else ()
    return [tensor for part in parts for tensor in tensors_of(part)]


class Toy(nn.Module):
    """What stands between a tower and its head, and must not."""

    def __init__(self, does: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.does = does

    def forward(self, out_BO: Tensor) -> Tensor:
        return self.does(out_BO)


def with_toy(does: Callable[[Tensor], Tensor]) -> list[Wait]:
    def change(ranker: Ranker) -> None:
        ranker.towers.of["task_watch_time"] = nn.Sequential(ranker.towers["watch_time"], Toy(does))

    return waits_of(recipe_of(**PLAIN), change=change)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (lambda out_BO: out_BO * 2 if out_BO.sum() > 0 else out_BO, "a value is read"),
        (lambda out_BO: out_BO * float(out_BO.detach().norm()), "a value is read"),
        (lambda out_BO: out_BO + out_BO[out_BO > 0].mean(), "values size the result"),
        (lambda out_BO: out_BO + len(torch.unique(out_BO.detach())), "values size the result"),
        (lambda out_BO: out_BO + torch.from_numpy(out_BO.detach().cpu().numpy()), "values are copied to the host"),
        (lambda out_BO: out_BO[:, [0]], "numbers are copied to the card"),
        (lambda out_BO: out_BO * torch.tensor([2.0], device=out_BO.device), "numbers are copied to the card"),
        (lambda out_BO: out_BO[torch.arange(len(out_BO))], "an index is copied to the card"),
    ],
)
def test_a_step_that_waits_is_caught(does: Callable[[Tensor], Tensor], why: str) -> None:
    waits = with_toy(does)
    assert {wait.why for wait in waits} == {why}
    assert {wait.where.split(":")[0] for wait in waits} == {"tests/train/test_step_on_card.py"}


def test_a_step_that_mixes_devices_is_caught() -> None:
    bias_O = torch.ones(1)  # no buffer: it stays where it was made
    with pytest.raises(RuntimeError, match="device"):
        with_toy(lambda out_BO: out_BO + bias_O)


def test_the_same_step_without_a_toy_passes() -> None:
    assert with_toy(lambda out_BO: out_BO.clamp(min=-30.0)) == []
