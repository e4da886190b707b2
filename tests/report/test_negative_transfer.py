"""A recipe is held against the same recipe with fewer tasks, if the night has one."""

from collections.abc import Callable

import pytest

from models.recipe import Recipe
from tasks.core.files import read_json, write_json
from tasks.report.inputs import Artifacts
from tasks.report.negative_transfer import MOST, losses
from tasks.report.sections.summary import top
from tests.report.conftest import MadeNight, recipe

Made = Callable[[str], MadeNight]


def with_recipes(made: MadeNight, **recipes: Recipe) -> Artifacts:
    for name, chosen in recipes.items():
        manifest = made.workspace.bundle(name) / "manifest.json"
        write_json(manifest, read_json(manifest) | {"recipe": chosen.model_dump(mode="json")})
    return Artifacts.read(made.workspace)


def test_what_is_learned_worse_beside_others_is_named(copy_of: Made) -> None:
    """The made-up world's wlr_mmoe predicts with more noise than its d2q."""
    several, alone = recipe("wlr", "watch_time", "skip", "like"), recipe("wlr", "watch_time", "skip", balance="pcgrad")
    artifacts = with_recipes(copy_of("first"), wlr_mmoe=several, d2q=alone)
    found = list(losses(artifacts))
    assert [(loss.recipe, loss.twin, loss.task) for loss in found] == [
        ("wlr_mmoe", "d2q", "skip"),
        ("wlr_mmoe", "d2q", "watch_time"),
    ]
    for loss in found:
        assert loss.value < loss.alone - MOST
        assert loss.value == artifacts.model("wlr_mmoe").metrics.metrics[loss.metric].value
    (remark,) = [remark for remark in top(artifacts, None).attention if "watch time suffers" in remark]
    assert remark.startswith("wlr_mmoe: ") and "of d2q, which learns fewer tasks" in remark


@pytest.mark.parametrize(
    "better",
    [
        recipe("d2q", "watch_time", "skip"),  # another head
        recipe("wlr", "watch_time", "skip", "like"),  # the same tasks
        recipe("wlr", "watch_time", "long_view"),  # a task that the other one lacks
    ],
)
def test_only_the_same_recipe_with_fewer_tasks_is_a_twin(copy_of: Made, better: Recipe) -> None:
    several = recipe("wlr", "watch_time", "skip", "like")
    assert not list(losses(with_recipes(copy_of("first"), wlr_mmoe=several, d2q=better)))


def test_a_twin_that_does_no_better_is_no_warning(copy_of: Made) -> None:
    several, alone = recipe("wlr", "watch_time", "skip", "like"), recipe("wlr", "watch_time", "skip")
    assert not list(losses(with_recipes(copy_of("first"), d2q=several, wlr_mmoe=alone)))
