"""The packed encoder: one table, the views it gives, and row-sparse gradients."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from models.batch import Batch
from models.encoders.base import EncoderInput
from models.encoders.history.none import NoHistoryConfig
from models.encoders.history.pooled import PooledConfig
from models.encoders.packed import PackedConfig, PackedEncoder
from models.schema import InputSchema


def test_views_hold_the_same_vectors(schema: InputSchema, batch: Callable[..., Batch]) -> None:
    rows = batch(5)
    encoder = PackedEncoder(PackedConfig(embedding_dim=4, history=NoHistoryConfig()), schema)
    encoded = encoder(rows)
    assert encoded.fields_BFD.shape == (5, 3, 4)
    torch.testing.assert_close(encoded.fields_BFD[2, 1], encoder.table.weight[rows.ids_BF[2, 1]])
    torch.testing.assert_close(encoded.flat_BE, torch.cat([encoded.fields_BFD.flatten(1), rows.dense_BN], dim=1))
    assert (encoder.shape.num_fields, encoder.shape.embedding_dim, encoder.shape.width) == (3, 4, 14)


def test_history_is_one_more_field(schema: InputSchema, batch: Callable[..., Batch]) -> None:
    encoder = PackedEncoder(PackedConfig(embedding_dim=4, dense_width=3, history=PooledConfig()), schema)
    encoded = encoder(batch(5))
    assert encoded.fields_BFD.shape == (5, 4, 4)
    assert encoded.flat_BE.shape == (5, encoder.shape.width) == (5, 4 * 4 + 3)


@pytest.mark.parametrize("kind", ["none", "pooled", "attention"])
def test_gradient_touches_only_the_rows_of_the_batch(
    kind: str, schema: InputSchema, batch: Callable[..., Batch]
) -> None:
    config = PackedConfig.model_validate({"history": {"kind": kind}})
    encoder, rows = PackedEncoder(config, schema), batch(3)
    encoder(rows).flat_BE.square().sum().backward()
    gradient = encoder.table.weight.grad
    assert gradient.is_sparse
    read = set(rows.ids_BF.flatten().tolist())
    if kind != "none":
        read |= {row for ids in rows.history.fields.values() for row in ids.flatten().tolist()}
    assert set(gradient.coalesce().indices()[0].tolist()) <= read


def test_initial_embeddings_are_small() -> None:
    torch.manual_seed(0)
    wide = InputSchema(fields=(("user_id", 20_000),), num_dense=0)
    table = PackedEncoder(PackedConfig(), wide).table.weight
    assert table.std().item() == pytest.approx(0.02, rel=0.02)
    assert table.mean().item() == pytest.approx(0, abs=2e-4)


def test_what_is_set_apart_is_not_read(schema: InputSchema, batch: Callable[..., Batch]) -> None:
    named = schema.model_copy(update={"dense_names": ("duration_log", "age")})
    apart, rows = (schema.fields[1][0], "duration_log"), batch(5)
    encoder = PackedEncoder(PackedConfig(embedding_dim=4), named, EncoderInput.without(named, apart))
    encoded = encoder(rows)
    assert encoder.shape.width == encoded.flat_BE.shape[1] == 2 * 4 + 1
    torch.testing.assert_close(encoded.flat_BE[:, -1], rows.dense_BN[:, 1])
    torch.testing.assert_close(encoded.fields_BFD, encoder.table(rows.ids_BF)[:, [0, 2]])
    second = PackedEncoder(PackedConfig(embedding_dim=4), named, EncoderInput.only(named, apart))(rows)
    torch.testing.assert_close(second.flat_BE[:, -1], rows.dense_BN[:, 0])
    assert second.flat_BE.shape == (5, 4 + 1)


def test_names_of_dense_features_are_one_each() -> None:
    with pytest.raises(ValueError, match="1 dense_names for num_dense 2"):
        InputSchema(fields=(("user_id", 5),), num_dense=2, dense_names=("age",))


def test_every_field_has_a_name(schema: InputSchema) -> None:
    config = PackedConfig.model_validate({"history": {"kind": "pooled"}, "matches": {}})
    encoder = PackedEncoder(config, schema, EncoderInput.without(schema, ("video_id",)))
    assert encoder.shape.field_names == ("user_id", "scene", "history", "matches")
    assert encoder.shape.column("scene", "a backbone") == 1
    with pytest.raises(ValueError, match="a backbone names the field 'video_id', which the encoder does not read"):
        encoder.shape.column("video_id", "a backbone")


def test_events_are_passed_on_where_asked_for(schema: InputSchema, batch: Callable[..., Batch]) -> None:
    rows = batch(5)
    reads = replace(EncoderInput.without(schema, ()), events=True)
    encoder = PackedEncoder(PackedConfig(embedding_dim=4), schema, reads)
    encoded = encoder(rows)
    assert encoder.shape.num_events == schema.history_length == 4
    vector_BLD = encoder.events(rows.history, encoder.table)
    for row in range(5):
        read = vector_BLD[row][rows.history.mask_BL[row]]
        number = len(read)
        assert encoded.mask_BL[row].tolist() == [False] * (4 - number) + [True] * number
        assert torch.equal(encoded.events_BLD[row, 4 - number :], read)
        assert (encoded.events_BLD[row, : 4 - number] == 0).all()
    plain = PackedEncoder(PackedConfig(embedding_dim=4), schema)
    assert plain(rows).events_BLD is None and plain.shape.num_events == 0
