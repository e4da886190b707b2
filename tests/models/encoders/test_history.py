"""History encoders against the formula; padding and empty histories."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from models.batch import Batch
from models.encoders.history.attention import AttentionConfig, AttentionHistory
from models.encoders.history.base import EventEmbedding
from models.encoders.history.pooled import PooledConfig, PooledHistory
from models.schema import InputSchema

DIM = 4


@pytest.fixture
def table(schema: InputSchema) -> torch.nn.Embedding:
    torch.manual_seed(0)
    return torch.nn.Embedding(schema.num_rows, DIM)


def event(events: EventEmbedding, table: torch.nn.Embedding, rows: Batch, row: int, position: int) -> Any:
    """Return one event's vector, part by part."""
    history = rows.history
    items = sum(table.weight[ids[row, position]] for ids in history.fields.values())
    context = [(events.feedback, history.feedback_BL), (events.ratio, history.ratio_BL), (events.gap, history.gap_BL)]
    return items + sum(codes.weight[index_BL[row, position]] for codes, index_BL in context)


def test_pooled_is_the_mean_of_the_real_events(
    schema: InputSchema, batch: Callable[..., Batch], table: torch.nn.Embedding
) -> None:
    rows, pooled = batch(6), PooledHistory(PooledConfig(), schema, DIM)
    found = pooled(rows.history, table, torch.zeros(6, DIM))
    for row in range(1, 6):
        real = rows.history.mask_BL[row].nonzero().flatten().tolist()
        expected = torch.stack([event(pooled.events, table, rows, row, position) for position in real]).mean(dim=0)
        torch.testing.assert_close(found[row], expected)


def test_attention_by_hand(schema: InputSchema, batch: Callable[..., Batch], table: torch.nn.Embedding) -> None:
    rows, attention = batch(6), AttentionHistory(AttentionConfig(), schema, DIM)
    candidate_BD = torch.randn(6, DIM)
    found = attention(rows.history, table, candidate_BD)
    for row in range(1, 6):
        real = rows.history.mask_BL[row].nonzero().flatten().tolist()
        vectors = [event(attention.events, table, rows, row, position) for position in real]
        c = candidate_BD[row]
        logits = torch.cat([attention.unit(torch.cat([v, c, v - c, v * c])) for v in vectors])
        expected = (torch.softmax(logits, dim=0).unsqueeze(1) * torch.stack(vectors)).sum(dim=0)
        torch.testing.assert_close(found[row], expected)


@pytest.mark.parametrize("kind", [PooledHistory, AttentionHistory])
def test_an_empty_history_gives_the_learned_vector(
    kind: type[PooledHistory], schema: InputSchema, batch: Callable[..., Batch], table: torch.nn.Embedding
) -> None:
    encoder = kind(kind.Config(), schema, DIM)
    found = encoder(batch(6).history, table, torch.zeros(6, DIM))
    assert torch.equal(found[0], encoder.empty_D)
    found.sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in encoder.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("kind", [PooledHistory, AttentionHistory])
def test_padding_does_not_matter(
    kind: type[PooledHistory], schema: InputSchema, batch: Callable[..., Batch], table: torch.nn.Embedding
) -> None:
    encoder, history = kind(kind.Config(), schema, DIM), batch(6).history
    noisy = replace(history, feedback_BL=torch.where(history.mask_BL, history.feedback_BL, 7))
    candidate_BD = torch.randn(6, DIM)
    torch.testing.assert_close(encoder(history, table, candidate_BD), encoder(noisy, table, candidate_BD))


def test_a_recipe_with_history_needs_history_fields() -> None:
    with pytest.raises(ValueError, match="reads a history, but the input schema has no history_fields"):
        PooledHistory(PooledConfig(), InputSchema(fields=(("user_id", 3),)), DIM)
