"""A recipe that reads one field less: what goes is gone, and what a part asks for stays."""

import pytest

from models.recipe import Recipe
from tasks.core.errors import ConfigError
from tasks.prune.without import StillNeeded, refuse_if_set_apart_is_read, spelled_without, without

GROUPS = {"user": ("user_1d_count", "user_1d_ratio")}
SPELLED = {
    "encoder": {"kind": "packed", "history": {"kind": "pooled"}, "matches": {}},
    "head": {"kind": "wlr"},
    "set_apart": ["hour"],
}


def test_fields_and_groups_are_set_apart_and_parts_of_the_encoder_go() -> None:
    recipe = Recipe.model_validate(SPELLED)
    fields = ("history", "aggregates/user", "scene", "matches")
    left = without(recipe, fields, GROUPS)
    assert left.set_apart == ("hour", "user_1d_count", "user_1d_ratio", "scene")
    encoder = left.model_dump(mode="json")["encoder"]
    assert encoder["history"]["kind"] == "none" and encoder["matches"] is None
    assert left.head == recipe.head
    spelled = spelled_without(SPELLED, recipe, fields, GROUPS)
    assert Recipe.model_validate(spelled) == left
    assert list(spelled) == list(SPELLED) and SPELLED["set_apart"] == ["hour"]


def test_a_sensitive_attribute_goes_by_not_being_asked_for() -> None:
    recipe = Recipe(traits=("band", "score"))
    left = without(recipe, ["sensitive/band", "scene"], {})
    assert left.traits == ("score",) and left.set_apart == ("scene",)


def test_a_recipe_that_spells_no_encoder_gets_what_it_needs() -> None:
    plain = {"encoder": {"history": {"kind": "gru4rec"}}, "head": {"kind": "wlr"}}
    recipe = Recipe.model_validate(plain)
    assert spelled_without(plain, recipe, (), {}) == plain
    spelled = spelled_without({"head": {"kind": "wlr"}}, Recipe.model_validate({"head": {"kind": "wlr"}}), ["tag"], {})
    assert spelled == {"head": {"kind": "wlr"}, "set_apart": ["tag"]}


def test_without_vectors_learned_before_none_are_learned() -> None:
    recipe = Recipe.model_validate({"pretraining": {"kind": "directau", "use": "join"}})
    assert without(recipe, ["pretrained_video"], {}).pretraining is None
    with pytest.raises(
        StillNeeded, match="pretraining learns vectors of video_id, which set_apart keeps from the tasks"
    ):
        without(recipe, ["video_id"], {})


def test_a_field_that_a_part_names_stays() -> None:
    recipe = Recipe.model_validate({"backbone": {"kind": "epnet", "domain": "scene"}})
    with pytest.raises(StillNeeded, match="'epnet' reads scene"):
        without(recipe, ["scene"], {})


def test_towers_that_read_what_is_set_apart_are_no_place_to_prune() -> None:
    recipe = Recipe.model_validate({"objective": {"kind": "proxy_priors"}, "set_apart": ["scene"]})
    with pytest.raises(ConfigError, match="recipe 'mine': its objective 'proxy_priors' reads what set_apart names"):
        refuse_if_set_apart_is_read("mine", recipe)
    refuse_if_set_apart_is_read("mine", Recipe())
