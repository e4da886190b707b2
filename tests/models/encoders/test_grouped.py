"""Grouped tables: which row is of which group, and that what a group drops is 0 after every step, where an unmasked twin fills up."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from models.encoders.grouped import FieldWidths, GroupedTable, classes
from models.encoders.packed import PackedConfig
from models.encoders.sharded import Placement, packed_table, placed, put_rows
from models.recipe import Recipe
from models.row_sparse import RowSparseAdamW
from models.schema import InputSchema

D = 4
WIDTHS = {
    "video_id": FieldWidths(bounds=(2.0, 5.0), kept=((), (0, 2), (0, 1, 2, 3))),
    "user_id": FieldWidths(bounds=(3.0,), kept=((1,), (0, 3))),
}


def reads(schema: InputSchema) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 16, schema.num_rows) / 2


def grouped(schema: InputSchema) -> GroupedTable:
    torch.manual_seed(0)
    table = GroupedTable(packed_table(schema.num_rows, D), schema, WIDTHS)
    table.divide(reads(schema))
    return table


def kept_by_hand(schema: InputSchema) -> np.ndarray:
    """Return which numbers every row keeps, row by row."""
    kept_ND = np.ones((schema.num_rows, D), dtype=bool)
    row = 0
    for name, rows in schema.fields:
        for _ in range(rows):
            if name in WIDTHS:
                group = sum(reads(schema)[row] >= bound for bound in WIDTHS[name].bounds)
                kept_ND[row] = [number in WIDTHS[name].kept[group] for number in range(D)]
            row += 1
    return kept_ND


def train(table: nn.Embedding, steps: int = 40) -> np.ndarray:
    """Take steps on random rows, rest between them, and return the largest magnitude that every number ever had."""
    optimizer = RowSparseAdamW([table.weight], lr=1e-2, weight_decay=1e-1)
    random = torch.Generator().manual_seed(1)
    target = torch.randn(table.num_embeddings, D, generator=random)
    largest_ND = table.weight.detach().abs()
    for _ in range(steps):
        ids = torch.randint(0, table.num_embeddings, (6,), generator=random)
        optimizer.prepare(ids)
        (table(ids) - target[ids]).square().mean().backward()
        optimizer.step(optimizer.gradients())
        optimizer.catch_up_all()
        largest_ND = torch.maximum(largest_ND, table.weight.detach().abs())
    return largest_ND.numpy()


def test_what_a_group_drops_is_zero_after_every_step_and_fills_up_without_the_mask(schema: InputSchema) -> None:
    kept_ND = kept_by_hand(schema)
    table = grouped(schema)
    assert np.array_equal(table.weight.detach().numpy() != 0, kept_ND)
    assert np.array_equal(train(table) != 0, kept_ND)

    unmasked = nn.Embedding(schema.num_rows, D, sparse=True, _weight=grouped(schema).weight.detach().clone())
    assert np.count_nonzero(train(unmasked)) > kept_ND.sum(), "the twin whose zeros are set once"


def test_a_whole_group_is_the_plain_table(schema: InputSchema) -> None:
    """Same draw, same gradient, same steps."""
    torch.manual_seed(3)
    plain = packed_table(schema.num_rows, D)
    torch.manual_seed(3)
    whole = GroupedTable(
        packed_table(schema.num_rows, D), schema, {"scene": FieldWidths(bounds=(), kept=(tuple(range(D)),))}
    )
    whole.divide(reads(schema))
    assert np.array_equal(train(whole), train(plain))
    assert torch.equal(whole.weight, plain.weight)


def test_vectors_that_a_fit_begins_with_are_cut_to_what_is_kept(schema: InputSchema) -> None:
    table = grouped(schema)
    put_rows(table, torch.arange(schema.num_rows), torch.ones(schema.num_rows, D))
    assert np.array_equal(table.weight.detach().numpy(), kept_by_hand(schema).astype(np.float32))


def test_every_row_has_the_class_of_its_field_and_group(schema: InputSchema) -> None:
    class_N = classes(schema, WIDTHS, reads(schema))
    begin, end = schema.offsets[1], schema.offsets[2]
    assert set(class_N[:begin]) <= {1, 2} and set(class_N[begin:end]) <= {3, 4, 5} and set(class_N[end:]) == {0}


def test_rows_are_not_read_before_they_are_divided(schema: InputSchema) -> None:
    table = GroupedTable(packed_table(schema.num_rows, D), schema, WIDTHS)
    with pytest.raises(RuntimeError, match="before `divide` said which class each is of"):
        table(torch.tensor([0]))


def test_what_cannot_be_grouped_is_refused(schema: InputSchema) -> None:
    table = packed_table(schema.num_rows, D)
    with pytest.raises(ValueError, match="'author_id', which the table does not encode"):
        GroupedTable(table, schema, {"author_id": WIDTHS["user_id"]})
    many = FieldWidths(bounds=tuple(float(i) for i in range(1, 16)), kept=((0,),) * 16)
    wide = InputSchema(fields=tuple((f"f{i}", 2) for i in range(16)))
    with pytest.raises(ValueError, match="makes 256 groups, and 255 are allowed"):
        GroupedTable(packed_table(32, D), wide, {name: many for name, _ in wide.fields})
    with placed(Placement(0, 2)), pytest.raises(ValueError, match=r"training\.processes: 1"):
        GroupedTable(packed_table(schema.num_rows, D), schema, WIDTHS)


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"bounds": [2.0], "kept": [[0]]}, "1 bounds make 2 groups, and kept names 1"),
        ({"bounds": [2.0, 2.0], "kept": [[], [], []]}, r"bounds \[2.0, 2.0\] must ascend"),
        ({"bounds": [0.0], "kept": [[], []]}, "greater than 0"),
        ({"bounds": [], "kept": [[2, 1]]}, r"kept \[2, 1\] must ascend"),
        ({"bounds": [], "kept": [[1, 16]]}, "widths of user_id keep number 16 of an embedding, and embedding_dim 16"),
    ],
)
def test_widths_that_mean_nothing_are_refused(widths: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PackedConfig.model_validate({"widths": {"user_id": widths}})


def test_several_formats_and_several_widths_exclude_each_other() -> None:
    encoder = {"kind": "packed", "widths": {"user_id": {"bounds": [], "kept": [[0]]}}}
    with pytest.raises(ValidationError, match="leave one of them out"):
        Recipe.model_validate({"encoder": encoder, "compression": {"kind": "mixed"}})
    assert Recipe.model_validate({"encoder": encoder, "compression": {"kind": "int8_row"}}).stores_tables


def test_a_second_encoder_has_no_groups() -> None:
    encoder = {"kind": "packed", "widths": {"user_id": {"bounds": [], "kept": [[0]]}}}
    with pytest.raises(
        ValidationError, match=r"second_encoder\.widths: rows are grouped in the encoder of the tasks alone"
    ):
        Recipe.model_validate({"second_encoder": encoder})


def test_recipes_without_groups_are_spelled_as_before() -> None:
    assert "widths" not in Recipe().model_dump(mode="json")["encoder"]
    assert not Recipe().groups_rows and not Recipe().stores_tables
