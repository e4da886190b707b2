"""The input schema: packed order, history columns, and what it refuses."""

import pytest
from pydantic import ValidationError

from models.schema import InputSchema


def test_offsets_follow_the_packed_order(schema: InputSchema) -> None:
    assert schema.offsets == (0, 7, 18)
    assert schema.num_rows == 21
    assert schema.history_columns == (1, 2)


def test_json_round_trip(schema: InputSchema) -> None:
    assert InputSchema.model_validate_json(schema.model_dump_json()) == schema


def test_history_field_must_be_a_field() -> None:
    with pytest.raises(
        ValidationError, match=r"history_fields \['author'\] are no categorical fields; known: \['video"
    ):
        InputSchema(fields=(("video", 3),), history_fields=("author",))


def test_a_name_stands_once() -> None:
    with pytest.raises(ValidationError, match="hold a name twice"):
        InputSchema(fields=(("video", 3), ("video", 4)))
