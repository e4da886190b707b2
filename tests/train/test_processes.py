"""A recipe fitted by two real processes, on the loopback device: as by one, exactly again, interrupted, and too large for one."""

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.batch import Batch
from models.recipe import Recipe
from tasks.core.errors import ConfigError, LostError, TrainingError
from tasks.core.files import read_json
from tasks.table.training_table import TrainingTable
from tasks.train.config import TrainingConfig
from tasks.train.fit import Fitted, SeedFit, fit_seed
from tasks.train.group import ALONE, Group
from tasks.train.launch import together
from tasks.train.manifest import RecipeManifest
from tasks.train.problem import FitProblem, open_problem
from tasks.train.run import NamedRecipe, assist, train
from tests.train.forked import started
from tests.train.settings import RECIPE, training

pytestmark = pytest.mark.slow

DRY = Recipe.model_validate(
    RECIPE.model_dump()
    | {
        "trunk": {"kind": "mmoe", "num_experts": 2, "hidden": (8,), "dropout": 0.0},
        "tower": {"dropout": 0.0},
        "balance": {"kind": "bounded_uncertainty"},
        "pretraining": {"kind": "directau", "epochs": 1, "spread": 0.1},
    }
)
"""Nothing is dropped out: which neurons are is drawn by every process for itself."""
TABLE_MIB = 0.015
"""Too little for the tables of the small night in one process, enough for half of them."""
SETTINGS: dict[str, Any] = {"max_epochs": 2, "evaluation_rows": 100, "clip_norm": 0.52}
"""Some steps are clipped by a norm to which each process knows its own part."""
TOGETHER = training(processes=2, table_mib=TABLE_MIB, **SETTINGS)


class Interrupted(Exception):
    """The fit was left where it stood."""


class LeftFit(SeedFit):
    """A fit that is left after some steps."""

    def __init__(self, problem: FitProblem, folder: Path, group: Group, steps: int, leave: Callable[[], None]) -> None:
        super().__init__(problem, 0, TOGETHER, folder, group)
        self._left, self._leave = steps, leave

    def _step(self, batch: Batch) -> None:
        self._left -= 1
        if self._left < 0:
            self._leave()
        super()._step(batch)


def stop() -> None:
    raise Interrupted


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def go_on() -> None:
    pass


def first_epoch(problem: FitProblem, config: TrainingConfig, folder: Path, group: Group) -> Tensor:
    """Return losses and norm of the gradient of every step, [steps, tasks + 1]."""
    fit, numbers = SeedFit(problem, 0, config, folder, group), []
    add = fit._record.add

    def keep(of_step: Tensor) -> None:
        numbers.append(of_step)
        add(of_step)

    fit._record.add = keep
    fit.epoch()
    return torch.stack(numbers)


def fit_again_and_again(
    table: Path, folder: Path, leave: Callable[[], None], group: Group
) -> tuple[dict[str, Fitted], Tensor, Callable[[], None]]:
    """Be one of two processes that fit in one go, and that are interrupted and go on.

    Returns:
        Both fits, the steps of a first epoch, and one fit more to run, in which this process leaves the other.
    """
    torch.set_num_threads(1)
    problem = open_problem(TrainingTable.open(table), DRY)
    found = {"in one go": fit_seed(problem, 0, TOGETHER, folder / "one_go", group)}
    with pytest.raises(Interrupted):
        LeftFit(problem, folder / "interrupted", group, 8, stop).epoch()
    assert read_json(folder / "interrupted/complete.json") == "epoch0-step5"
    found["interrupted"] = fit_seed(problem, 0, TOGETHER, folder / "interrupted", group)
    with pytest.raises(LostError, match="begin with the same code, settings, table and checkpoint"):
        fit_seed(problem, 0, TOGETHER, folder / f"of_rank{group.rank}", group)
    steps = first_epoch(problem, TOGETHER, folder / "steps", group)
    return found, steps, LeftFit(problem, folder / "left", group, 2, leave).epoch


def fit_and_die(table: Path, folder: Path, group: Group) -> None:
    fit_again_and_again(table, folder, die, group)[-1]()


@pytest.fixture(scope="module")
def fits(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Fitted], Tensor, str]:
    """Return the fits of two processes, the second started by the first, steps, and what is said when it dies at last."""
    folder = tmp_path_factory.mktemp("fits")
    with pytest.raises(LostError) as lost, together(TOGETHER, partial(fit_and_die, table, folder)) as group:
        found, steps, fit_on = fit_again_and_again(table, folder, go_on, group)
        fit_on()
    return found, steps, str(lost.value)


def as_rank_1(told: dict[str, str], table: Path, scratch: Path) -> None:
    os.environ.update(told, RANK="1", LOCAL_RANK="1")
    assist(table, NamedRecipe("dry", DRY, TOGETHER), scratch)


@pytest.fixture(scope="module")
def by_two(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of two processes that find each other as torchrun tells them."""
    folder = tmp_path_factory.mktemp("by_two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    other = started(as_rank_1, told, table, folder / "scratch")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**told, "RANK": "0", "LOCAL_RANK": "0"}.items():
            patch.setenv(name, value)
        with pytest.raises(ConfigError, match=r"torchrun started 2 process\(es\), but training.processes is 1: set"):
            train(table, NamedRecipe("dry", DRY, training()), folder / "none", folder / "scratch")
        train(table, NamedRecipe("dry", DRY, TOGETHER), folder / "bundle", folder / "scratch")
    other.join(60)
    assert other.exitcode == 0
    return folder / "bundle"


@pytest.fixture(scope="module")
def alone(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of one process."""
    folder = tmp_path_factory.mktemp("alone")
    train(table, NamedRecipe("dry", DRY, training(**SETTINGS)), folder / "bundle", folder / "scratch")
    return folder / "bundle"


def test_two_processes_learn_what_one_does(alone: Path, by_two: Path) -> None:
    one, two = (load_file(bundle / "weights-seed0.safetensors") for bundle in (alone, by_two))
    assert {name: value.shape for name, value in one.items()} == {name: value.shape for name, value in two.items()}
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
    first, second = (pl.read_csv(bundle / "curves.csv") for bundle in (alone, by_two))
    assert first.columns == second.columns
    np.testing.assert_allclose(first.to_numpy(), second.to_numpy(), rtol=1e-4, atol=1e-4)
    xauc, again = (read_json(bundle / "validation.json")["0"]["xauc"] for bundle in (alone, by_two))
    assert again == pytest.approx(xauc, abs=1e-3)


def test_the_bundle_is_the_ordinary_one(alone: Path, by_two: Path) -> None:
    assert {path.name for path in alone.iterdir()} == {path.name for path in by_two.iterdir()}
    one, two = (RecipeManifest.model_validate(read_json(bundle / "manifest.json")) for bundle in (alone, by_two))
    assert (one.training.processes, two.training.processes) == (1, 2)
    assert "processes" not in read_json(alone / "manifest.json")["training"], "a fit by one says what it always said"
    assert one.hashes.config != two.hashes.config


def test_every_step_is_that_of_one_process(
    fits: tuple[dict[str, Fitted], Tensor, str], table: Path, tmp_path: Path
) -> None:
    problem = open_problem(TrainingTable.open(table), DRY)
    one, two = first_epoch(problem, training(**SETTINGS), tmp_path, ALONE), fits[1]
    assert len(one) == 12
    clipped = one[:, -1] > SETTINGS["clip_norm"]
    assert clipped.any() and not clipped.all()
    torch.testing.assert_close(two, one, rtol=1e-4, atol=0)


def test_fitted_again_and_interrupted_it_has_the_same_bytes(
    fits: tuple[dict[str, Fitted], Tensor, str], by_two: Path
) -> None:
    in_one_go, interrupted = fits[0]["in one go"], fits[0]["interrupted"]
    written = load_file(by_two / "weights-seed0.safetensors")
    for again in (in_one_go.weights, interrupted.weights):
        assert again.keys() == written.keys()
        assert all(torch.equal(again[name], value) for name, value in written.items())
    assert interrupted.curves == in_one_go.curves


def test_a_process_that_is_killed_ends_the_other_in_words(fits: tuple[dict[str, Fitted], Tensor, str]) -> None:
    assert fits[2] == (
        "processes that fit together lost each other: rank 1 was killed by SIGKILL, as the system does when memory runs out"
    )
    assert not multiprocessing.active_children()


def test_a_table_too_large_for_one_process_says_how_many_it_takes(table: Path, tmp_path: Path) -> None:
    named = NamedRecipe("dry", DRY, training(table_mib=TABLE_MIB, **SETTINGS))
    said = r"take 0\.02 MiB in each of 1 process.* training\.table_mib 0\.015: set training\.processes to 2 or more"
    with pytest.raises(TrainingError, match=said):
        train(table, named, tmp_path / "bundle", tmp_path / "scratch")


def test_a_fit_elsewhere_than_in_the_stage_does_not_pass_for_one_by_several(table: Path, tmp_path: Path) -> None:
    problem = open_problem(TrainingTable.open(table), DRY)
    with pytest.raises(ConfigError, match=r"training\.processes is 2, but here 1 fit"):
        SeedFit(problem, 0, TOGETHER, tmp_path)
