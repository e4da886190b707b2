"""What a search may try is checked against the recipe before anything is fitted."""

from typing import Any

import optuna
import pytest

from models.recipe import Recipe
from tasks.core.errors import ConfigError
from tasks.train.config import TrainingConfig
from tasks.tune.config import Parameter, TuningConfig
from tasks.tune.space import Space

RECIPE = Recipe.model_validate(
    {
        "encoder": {"kind": "packed", "embedding_dim": 8, "history": {"kind": "attention"}},
        "trunk": {"kind": "mmoe", "hidden": [32, 16], "dropout": 0.2},
        "head": {"kind": "d2q", "groups": 10},
        "tasks": {"watch_time": {}, "skip": {"weight": 0.2}},
    }
)
TRAINING = TrainingConfig(learning_rate=2e-3, weight_decay=1e-2, batch_size=256)


def space(metric: Any = "xauc", **wanted: Any) -> Space:
    """Return a space, `a__b={...}` for the path a.b."""
    parameters = {path.replace("__", "."): Parameter(**values) for path, values in wanted.items()}
    return Space.of(RECIPE, TRAINING, parameters, metric)


def test_the_default_space_lies_around_the_recipes_own_values() -> None:
    found = {dimension.path: dimension for dimension in space().dimensions}
    assert sorted(found) == [
        *("encoder.embedding_dim", "training.batch_size", "training.learning_rate", "training.weight_decay"),
        *("trunk.dropout", "trunk.hidden"),
    ]
    assert sorted(found["encoder.embedding_dim"].parameter.choices or ()) == [4, 8, 16]
    assert sorted(found["trunk.hidden"].parameter.choices or ()) == [[16, 8], [32, 16], [64, 32]]
    rate = found["training.learning_rate"].parameter
    assert (rate.low, rate.high, rate.log) == (pytest.approx(4e-4), pytest.approx(1e-2), True)
    assert all(dimension.parameter.holds(dimension.default) for dimension in found.values())


def test_without_weight_decay_some_is_tried() -> None:
    found = Space.of(RECIPE, TRAINING.model_copy(update={"weight_decay": 0.0}), {}, "xauc")
    assert {d.path: d for d in found.dimensions}["training.weight_decay"].parameter.choices == (0.0, 1e-4, 1e-2)


def test_defaults_leave_the_recipe_as_it_is_and_values_change_only_their_place() -> None:
    searched = space(trunk__num_experts={"low": 2, "high": 6}, training__clip_norm={"low": 1.0, "high": 20.0})
    unchanged = searched.candidate(searched.defaults)
    assert (unchanged.recipe, unchanged.training) == (RECIPE, TRAINING)
    changed = searched.candidate({"trunk.num_experts": 3, "training.clip_norm": 2.0})
    assert changed.recipe == RECIPE.model_copy(update={"trunk": RECIPE.trunk.model_copy(update={"num_experts": 3})})
    assert changed.training == TRAINING.model_copy(update={"clip_norm": 2.0})


def test_whole_blocks_can_be_chosen_and_stand_for_the_same_when_spelled_shorter() -> None:
    (history,) = space(encoder__history={"choices": [{"kind": "none"}, {"kind": "attention"}]}).dimensions
    assert len(history.parameter.choices or ()) == 2
    assert history.default in (history.parameter.choices or ())


def test_the_recipes_own_value_is_added_to_the_choices() -> None:
    (dimension,) = space(head__groups={"choices": [5, 20]}).dimensions
    assert dimension.parameter.choices == (10, 5, 20)


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({"head__groups": {"low": 5, "high": 30}}, optuna.distributions.IntDistribution(5, 30)),
        ({"head__groups": {"low": 2, "high": 30, "step": 4}}, optuna.distributions.IntDistribution(2, 30, step=4)),
        ({"trunk__dropout": {"low": 0, "high": 1e-1 * 5}}, optuna.distributions.FloatDistribution(0, 0.5)),
        (
            {"tasks__skip__weight": {"low": 0.1, "high": 1, "log": True}},
            optuna.distributions.FloatDistribution(0.1, 1, log=True),
        ),
    ],
)
def test_ranges_are_whole_where_the_recipe_is(
    wanted: dict[str, Any], kind: optuna.distributions.BaseDistribution
) -> None:
    (dimension,) = space(**wanted).dimensions
    assert dimension.distribution() == kind


def test_what_the_study_stores_comes_back_with_four_digits_inside_the_range() -> None:
    (rate,) = space(training__learning_rate={"low": 0.00123456, "high": 0.01, "log": True}).dimensions
    assert rate.value(0.0034567891) == 0.003457
    assert rate.value(0.00123457) == 0.001235
    assert rate.value(0.00123456) == 0.001235
    assert rate.value(rate.stored(0.002)) == 0.002
    (hidden,) = space(trunk__hidden={"choices": [[8], [64, 32]]}).dimensions
    assert hidden.value(hidden.stored([64, 32])) == [64, 32]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"trunk__dropot": {"low": 0, "high": 0.5}},
            r"'trunk.dropot' is no part of the recipe; did you mean 'trunk.dropout'",
        ),
        ({"tasks__like__weight": {"low": 0.1, "high": 1}}, r"'tasks.like.weight' .*did you mean 'tasks.skip.weight'"),
        ({"training__learning_rat": {"low": 0.1, "high": 1}}, r"did you mean 'training.learning_rate'"),
        ({"training__threads": {"choices": [1, 2]}}, r"'training.threads' is no part"),
        (
            {"trunk__dropout": {"low": 0.1, "high": 1.5}},
            r"tuning.space.trunk.dropout: 1.5 is not possible: .*less than 1",
        ),
        ({"trunk__dropout": {"low": 0.3, "high": 0.5}}, r"own value 0.2 must be among the values, 0.3 to 0.5"),
        ({"head__groups": {"low": 4, "high": 12, "step": 4}}, r"own value 10 must be among .* 4 to 12 in steps of 4"),
        ({"trunk__hidden": {"low": 4, "high": 12}}, r"tuning.space.trunk.hidden: 4 is not possible"),
        ({"head__kind": {"choices": ["d2q", "tpm"]}}, r'tuning.space.head.kind: "tpm" is not possible: Extra inputs'),
        ({"head__groups": {"low": 1.0, "high": 12.0}}, r"head.groups: must be whole numbers"),
        (
            {"encoder__history": {"choices": [{"kind": "none"}]}, "encoder__history__kind": {"choices": ["none"]}},
            r"'encoder.history.kind' lies inside 'encoder.history'",
        ),
    ],
)
def test_a_wrong_path_or_value_is_named(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        space(**wanted)


def test_watch_losses_of_different_heads_are_not_compared() -> None:
    with pytest.raises(ConfigError, match=r"'head.groups' changes what the watch loss is.*set tuning.metric to xauc"):
        space("watch_loss", head__groups={"low": 5, "high": 30})
    assert space("watch_loss", trunk__dropout={"low": 0, "high": 0.5}).dimensions


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "either choices, or low and high"),
        ({"low": 1}, "either choices, or low and high"),
        ({"low": 1, "high": 2, "choices": [1]}, "either choices, or low and high"),
        ({"low": 2, "high": 1}, "low 2 must be less than high 1"),
        ({"low": 0, "high": 1, "log": True}, "log needs low > 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "log needs low > 0 and no step"),
        ({"low": 1, "high": 8, "step": 2}, "high 8 must be low 1 plus a multiple of step 2"),
        ({"low": 1, "high": 8, "step": 0}, "greater than 0"),
        ({"choices": []}, "at least 1 item"),
    ],
)
def test_an_impossible_range_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parameter(**values)


def test_confirmation_needs_seeds_that_chose_nothing() -> None:
    with pytest.raises(ValueError, match=r"confirmation_seeds \[3\] also chose the trial"):
        TuningConfig(seeds=(1, 3), confirmation_seeds=(3, 4))
