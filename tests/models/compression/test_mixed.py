import numpy as np
import pytest
from pydantic import ValidationError

from models.compression.base import RowUse
from models.compression.formats import FORMATS
from models.compression.mixed import Mixed, MixedConfig
from models.recipe import Recipe

NAMES = list(FORMATS)


def use(positive: list[list[int]], negative: list[list[int]], unseen: tuple[int, ...] = ()) -> RowUse:
    return RowUse(np.array(positive, dtype=np.int32), np.array(negative, dtype=np.int32), unseen)


def test_the_priority_by_hand() -> None:
    """Two days, a 4, b .1: the first day's 8 fades to .9 of its .1, the second adds .1 of its own."""
    days = use([[2, 0, 1], [0, 0, 1]], [[0, 3, 1], [0, 5, 0]])
    found = Mixed(MixedConfig(positive_weight=4, rate=0.1)).priority(days)
    np.testing.assert_allclose(found, [0.9 * 0.8, 0.9 * 0.3 + 0.5, 0.9 * 0.5 + 0.4])


def test_rows_are_told_apart_by_priority_and_not_by_their_number() -> None:
    """Renumbering the rows moves their formats with them."""
    random = np.random.default_rng(0)
    positive, negative = random.permutation(4000).reshape(2, 2, 1000).astype(np.int32)
    config = Mixed(MixedConfig(int8_row=0.5, fp16=0.3, new_days=0))
    order = random.permutation(1000)
    here = config.formats(1000, RowUse(positive, negative, ()))
    there = config.formats(1000, RowUse(positive[:, order], negative[:, order], ()))
    assert np.array_equal(here[order], there)
    assert np.bincount(here).tolist() == [500, 300, 200]
    priority = config.priority(RowUse(positive, negative, ()))
    assert (
        priority[here == 0].max() <= priority[here == 1].min() <= priority[here == 1].max() <= priority[here == 2].min()
    )


def test_effective_views_count_more_than_impressions() -> None:
    days = use([[0, 3]], [[10, 0]])
    formats = Mixed(MixedConfig(int8_row=0.5, fp16=0.0, new_days=0, positive_weight=4)).formats(2, days)
    assert formats.tolist() == [0, 2]
    formats = Mixed(MixedConfig(int8_row=0.5, fp16=0.0, new_days=0, positive_weight=1)).formats(2, days)
    assert formats.tolist() == [2, 0]


def test_rows_without_history_and_those_that_new_levels_read_are_stored_in_half_precision() -> None:
    """Row 0 was read yesterday and the day before, row 1 yesterday alone, row 2 never; row 3 stands for unseen levels."""
    days = use([[1, 0, 0, 5], [1, 1, 0, 5]], [[0, 0, 0, 0], [0, 0, 0, 0]], unseen=(3,))
    everything = MixedConfig(int8_row=1.0, fp16=0.0)
    assert [NAMES[i] for i in Mixed(everything).formats(4, days)] == ["int8_row", "fp16", "fp16", "fp16"]
    none_new = everything.model_copy(update={"new_days": 0})
    assert {NAMES[i] for i in Mixed(none_new).formats(4, days)} == {"int8_row"}


def test_without_counts_it_says_so() -> None:
    with pytest.raises(ValueError, match="which it was not told"):
        Mixed(MixedConfig()).formats(4, None)


def test_a_recipe_names_its_compression_and_a_typo_is_an_error() -> None:
    assert Recipe.model_validate({"compression": {"kind": "mixed", "int8_row": 0.7}}).compression.kind == "mixed"
    assert "compression" not in Recipe().model_dump(mode="json")
    assert Recipe.model_validate({"compression": {"kind": "int8_row"}}).model_dump()["compression"] == {
        "kind": "int8_row"
    }
    with pytest.raises(ValidationError, match="exceed 1"):
        Recipe.model_validate({"compression": {"kind": "mixed", "int8_row": 0.95, "fp16": 0.1}})
    with pytest.raises(ValidationError, match="int4_row"):
        Recipe.model_validate({"compression": {"kind": "int4_row"}})
