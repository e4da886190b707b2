"""Training settings of one recipe: what `dwell tune` finds has a place in params.yaml, and the train stage reads it."""

import datetime as dt
from typing import Any

import pytest
import yaml

from tasks.config import Params, load_params
from tasks.core.errors import ConfigError
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.core.yaml_config import parse
from tasks.core.yaml_file import Place
from tasks.stages import STAGES, Night
from tasks.train.config import TrainingBlock, TrainingConfig
from tests.tune.conftest import MakeWorkspace


def with_exceptions(workspace: Workspace, by_recipe: dict[str, Any]) -> Params:
    raw = yaml.safe_load(workspace.params.read_text())
    raw["training"]["by_recipe"] = by_recipe
    return parse(Params, raw, Place("params.yaml"))


def test_only_what_is_stated_differs_and_only_for_that_recipe(make_workspace: MakeWorkspace) -> None:
    params = with_exceptions(make_workspace(), {"small": {"learning_rate": 0.1, "clip_norm": None}})
    shared = params.training_of("other")
    assert params.training_of("small") == shared.model_copy(update={"learning_rate": 0.1, "clip_norm": None})
    assert type(shared) is TrainingConfig and shared.learning_rate == 3e-3


def test_exceptions_of_others_do_not_change_what_a_fit_depends_on() -> None:
    values = {"seeds": (1, 2), "batch_size": 64}
    block = TrainingBlock.model_validate(values | {"by_recipe": {"a": {"patience": 1}}})
    assert block.of("b").model_dump(mode="json") == TrainingConfig.model_validate(values).model_dump(mode="json")


@pytest.mark.parametrize(
    ("by_recipe", "message"),
    [
        ({"smal": {}}, r"training.by_recipe: unknown recipe 'smal'; did you mean 'small'"),
        ({"small": {"learning_rat": 1}}, r"by_recipe.small.learning_rat: unknown key .*did you mean 'learning_rate'"),
        ({"small": {"seeds": [1]}}, r"by_recipe.small.seeds: unknown key 'seeds'"),
        ({"small": {"batch_size": None}}, r"by_recipe.small.batch_size: give a value, or leave the key out"),
        ({"small": {"batch_size": 1}}, r"by_recipe.small.batch_size: .*greater than or equal to 2"),
    ],
)
def test_a_wrong_exception_is_named(make_workspace: MakeWorkspace, by_recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_exceptions(make_workspace(), by_recipe).check(Place("params.yaml"))


def test_the_train_stage_fits_a_recipe_with_its_own_settings(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace(max_epochs=1)
    params = with_exceptions(workspace, {"small": {"learning_rate": 0.02, "batch_size": 100}})
    key = RunKey(as_of=dt.date(2024, 3, 7), source="simulator", data="-")
    STAGES["train"](Night(params, key, workspace), "small")
    stated = read_json(workspace.bundle("small") / "manifest.json")["training"]
    assert (stated["learning_rate"], stated["batch_size"], stated["max_epochs"]) == (0.02, 100, 1)
    assert stated == params.training_of("small").model_dump(mode="json")
    assert load_params(workspace.params).training_of("small").learning_rate == 3e-3
