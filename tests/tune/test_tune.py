"""The search: what it reads, that it repeats itself, goes on, gives up, and fails where it must."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from filelock import FileLock
from typer.testing import CliRunner

from flows.cli import app
from flows.tune import add_to_params, tune
from models.recipe import Recipe
from tasks.config import load_params
from tasks.core.errors import ConfigError, ContractError, TuningError
from tasks.core.files import hash_value, read_json, write_json
from tasks.core.layout import Workspace
from tasks.evaluate.metrics.pairwise import xauc
from tasks.table.columns import open_columns
from tasks.train.run import NamedRecipe, train
from tasks.tune.run import Tuned
from tests.tune.conftest import MakeWorkspace

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def output(tuned: Tuned) -> tuple[str, str]:
    return tuned.recipe.read_text(), tuned.trials.read_text()


def journals(workspace: Workspace) -> list[Path]:
    return sorted((workspace.scratch / "tuning/small").glob("*/journal.log"))


@pytest.fixture(scope="module")
def place(make_workspace: MakeWorkspace) -> Workspace:
    return make_workspace()


@pytest.fixture(scope="module")
def tuned(place: Workspace) -> Tuned:
    return tune(place, "small")


@pytest.fixture(scope="module")
def expected(tuned: Tuned) -> tuple[str, str]:
    return output(tuned)


def test_the_first_trial_is_the_recipe_as_the_train_stage_fits_it(
    place: Workspace, tuned: Tuned, tmp_path: Path
) -> None:
    params = load_params(place.params)
    train(
        place.table,
        NamedRecipe("small", params.recipe("small"), params.training_of("small")),
        tmp_path / "b",
        tmp_path / "s",
    )
    first = tuned.found.rows[0]
    assert first.value == read_json(tmp_path / "b/validation.json")["0"]["xauc"]
    assert first.values == tuned.found.space.defaults
    assert [row.index for row in tuned.found.rows] == list(range(6))


def test_the_best_trial_is_chosen_and_its_gain_stated_with_seeds_that_chose_nothing(
    place: Workspace, tuned: Tuned
) -> None:
    found = tuned.found
    assert found.best.value == max(row.value for row in found.rows if row.value is not None)
    assert found.best.index > 0
    gain = found.gain
    assert gain is not None and gain.seeds == (100,)
    assert gain.difference.value == pytest.approx(gain.tuned - gain.default)
    assert gain.difference.low < gain.difference.value < gain.difference.high
    (scores,) = journals(place)[0].parent.glob(f"confirmation/trial{found.best.index}-seed100.npy")
    watch_s = open_columns(place.table / "validation")["watch_s"]
    assert gain.tuned == pytest.approx(xauc(watch_s, np.load(scores)).value)
    assert gain.tuned != found.best.value
    assert "Optimistic" in found.summary() and "trunk.dropout" in found.summary()


def test_the_found_recipe_can_be_pasted_or_added_and_is_that_of_the_best_trial(
    place: Workspace, tuned: Tuned, tmp_path: Path
) -> None:
    best = tuned.found.candidate
    pasted = yaml.safe_load(tuned.recipe.read_text())
    assert Recipe.model_validate(pasted["recipes"]["small_tuned"]) == best.recipe
    copied = tmp_path / "params.yaml"
    copied.write_text(place.params.read_text() + "# the end\n")
    said = add_to_params(copied, tuned)
    params = load_params(copied)
    assert params.recipe("small_tuned") == best.recipe
    assert params.training_of("small_tuned") == best.training != params.training_of("small")
    assert params.recipe("small") == load_params(place.params).recipe("small")
    assert "small_tuned" in said and copied.read_text().endswith("# the end\n")
    once = copied.read_text()
    add_to_params(copied, tuned)
    assert copied.read_text() == once


def test_every_trial_has_its_line(tuned: Tuned) -> None:
    trials = pl.read_csv(tuned.trials)
    assert trials["trial"].to_list() == list(range(6))
    assert trials["training.learning_rate"][0] == 3e-3
    assert trials.filter(pl.col("state") == "finished")["xauc"].is_not_null().all()
    given_up = trials.filter(pl.col("state") == "given up")
    assert (given_up["epochs"] <= 3).all() and given_up["xauc"].is_null().all()


def test_the_same_inputs_give_the_same_bytes_a_longer_search_goes_on_and_the_judge_day_is_not_read(
    expected: tuple[str, str], make_workspace: MakeWorkspace
) -> None:
    again = make_workspace()
    shutil.rmtree(again.table / "judge")
    about = read_json(again.table / "table.json")
    about["hashes"]["judge"], about["rows"]["judge"] = hash_value("other"), 0
    write_json(again.table / "table.json", about)
    short = tune(again, "small", trials=4)
    assert [row.index for row in short.found.rows] == [0, 1, 2, 3]
    assert output(tune(again, "small")) == expected
    assert len(journals(again)) == 1


def test_a_finished_search_is_only_read_again(
    place: Workspace, tuned: Tuned, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.train.fit.SeedFit.epoch", None)
    assert output(tune(place, "small")) == expected


def test_a_killed_search_ends_with_the_same_bytes(expected: tuple[str, str], make_workspace: MakeWorkspace) -> None:
    """Killed in the second epoch of the third trial; what a kill can leave behind stands in the way."""
    workspace = make_workspace()
    command = [sys.executable, "-m", "tests.tune.killed_tune", str(workspace.root), "7"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    assert subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode == -signal.SIGKILL
    assert not workspace.tuned.exists()
    (journal,) = journals(workspace)
    (checkpoint,) = journal.parent.glob("checkpoints/2-*/seed0/progress.json")
    assert read_json(checkpoint)["epoch"] == 1
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 5, "tri')
    journal.with_name("journal.log.lock").touch()
    assert output(tune(workspace, "small")) == expected
    assert not list(journal.parent.glob("checkpoints/*"))


def test_another_table_or_space_is_another_search(make_workspace: MakeWorkspace) -> None:
    space = {"trunk.dropout": {"low": 0.0, "high": 0.5}}
    workspace = make_workspace({"trials": 2, "space": space}, max_epochs=1)
    tune(workspace, "small")
    about = read_json(workspace.table / "table.json")
    about["hashes"]["validation"] = hash_value("other")
    write_json(workspace.table / "table.json", about)
    tune(workspace, "small")
    workspace.params.write_text(workspace.params.read_text().replace("high: 0.5", "high: 0.6"))
    tune(workspace, "small")
    tune(workspace, "small", trials=3)
    assert len(journals(workspace)) == 3


@pytest.mark.parametrize("kind", ["median", "hyperband"])
def test_hopeless_trials_are_given_up(make_workspace: MakeWorkspace, kind: str) -> None:
    space = {"training.learning_rate": {"choices": [3e-3, 1e-9]}}
    workspace = make_workspace(
        {"trials": 12, "space": space, "startup_trials": 20, "pruning": {"kind": kind, "startup_trials": 1}},
        max_epochs=4,
    )
    rows = tune(workspace, "small").found.rows
    given_up = [row for row in rows if row.state == "given up"]
    assert given_up and all(row.epochs < 4 for row in given_up)
    assert {row.values["training.learning_rate"] for row in given_up} == {1e-9}


def test_a_loss_that_is_not_finite_fails_the_trial_and_not_the_search(make_workspace: MakeWorkspace) -> None:
    space = {"training.learning_rate": {"choices": [3e-3, 10.0]}}  # times a decay of 10: weights grow 99-fold a step
    workspace = make_workspace({"trials": 5, "space": space, "startup_trials": 20}, weight_decay=10.0)
    found = tune(workspace, "small").found
    failed = [row for row in found.rows if row.state == "failed"]
    assert failed and all(row.values["training.learning_rate"] == 10 and "not finite" in row.error for row in failed)
    assert found.best.index == 0 and found.gain is None
    assert "No trial beat the recipe as it is" in found.summary() and f"{len(failed)} failed" in found.summary()


def test_a_search_in_which_nothing_finishes_says_why(make_workspace: MakeWorkspace) -> None:
    space = {"trunk.dropout": {"low": 0, "high": 0.5}}
    workspace = make_workspace({"trials": 2, "space": space}, learning_rate=10.0, weight_decay=10.0)
    with pytest.raises(TuningError, match=r"none of 2 trials was finished: seed 0, epoch 1, step \d+: .*not finite"):
        tune(workspace, "small")
    assert not workspace.tuned.exists()


@pytest.mark.parametrize(("metric", "best"), [("xgauc", max), ("watch_loss", min)])
def test_other_metrics_choose_in_their_direction(
    make_workspace: MakeWorkspace, metric: str, best: Callable[[Iterable[float]], float]
) -> None:
    space = {"training.learning_rate": {"low": 1e-4, "high": 2e-2, "log": True}}
    workspace = make_workspace({"trials": 4, "metric": metric, "space": space, "pruning": {"kind": "none"}})
    found = tune(workspace, "small").found
    values = [row.value for row in found.rows if row.value is not None]
    assert len(values) == 4 and found.best.value == best(values) and len(set(values)) > 1
    if found.gain is not None:
        assert found.gain.metric == ("xgauc" if metric == "xgauc" else "xauc")


def test_processes_share_the_trials(make_workspace: MakeWorkspace) -> None:
    found = tune(make_workspace({"trials": 5}, max_epochs=1), "small", jobs=2).found
    assert [row.index for row in found.rows] == [0, 1, 2, 3, 4]
    assert found.rows[0].values == found.space.defaults


def test_one_command_at_a_time_works_on_a_search(place: Workspace, tuned: Tuned) -> None:
    with (
        FileLock(journals(place)[0].with_name("study.lock")),
        pytest.raises(TuningError, match="another `dwell tune small`"),
    ):
        tune(place, "small")


def test_what_is_missing_is_named(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace({"space": {"trunk.dropot": {"low": 0, "high": 0.5}}})
    with pytest.raises(ConfigError, match="unknown recipe 'smal'; did you mean 'small'"):
        tune(workspace, "smal")
    with pytest.raises(ConfigError, match=r"'trunk\.dropot'.*did you mean 'trunk\.dropout'"):
        tune(workspace, "small")
    shutil.rmtree(workspace.table)
    with pytest.raises(ContractError, match=r"holds no table\.json: run `dwell prepare` and `dvc repro table`"):
        tune(workspace, "small")
    assert not (workspace.scratch / "tuning").exists()


def test_the_command_prints_and_writes(place: Workspace, tuned: Tuned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.root)
    done = CliRunner().invoke(app, ["tune", "small", "--write"])
    assert done.exit_code == 0, done.output
    assert "best: trial" in done.output and "written: tuned/small.yaml, tuned/small.trials.csv" in done.output
    assert "small_tuned" in load_params(place.params).recipes
