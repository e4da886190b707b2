"""Counts of past events that share a field with the candidate, against loops."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.batch import Batch, History
from models.encoders.history.matches import SKIP, MatchCounts, MatchesConfig
from models.encoders.packed import PackedConfig
from models.ranker import Ranker
from models.schema import InputSchema
from models.serving import export_ranker, history_tensors

RECIPE = {"encoder": {"kind": "packed", "embedding_dim": 4, "matches": {}}, "tasks": {"watch_time": {}}}


def by_loop(history: History, candidate_BK: Tensor, schema: InputSchema, skips: bool) -> Tensor:
    count_BKC = torch.zeros(len(candidate_BK), len(schema.history_fields), schema.num_feedback_codes)
    for row in range(len(candidate_BK)):
        for event in range(history.mask_BL.shape[1]):
            code = int(history.feedback_BL[row, event])
            if not history.mask_BL[row, event] or (code == SKIP and not skips):
                continue
            for k, name in enumerate(schema.history_fields):
                unknown = schema.offsets[schema.history_columns[k]]
                if (
                    int(candidate_BK[row, k]) not in (unknown,)
                    and candidate_BK[row, k] == history.fields[name][row, event]
                ):
                    count_BKC[row, k, code] += 1
    return count_BKC


def parts(rows: Batch, schema: InputSchema) -> tuple[History, Tensor]:
    assert rows.history is not None
    return rows.history, rows.ids_BF[:, list(schema.history_columns)]


@pytest.mark.parametrize("skips", [True, False])
def test_counts_are_those_of_a_loop(skips: bool, schema: InputSchema, batch: Callable[..., Batch]) -> None:
    history, candidate_BK = parts(batch(200), schema)
    found = MatchCounts(MatchesConfig(skips=skips), schema, 4).counts(history, candidate_BK)
    expected = by_loop(history, candidate_BK, schema, skips)
    assert expected.sum() > 50
    torch.testing.assert_close(found, expected)


def test_without_feedback_all_events_count_alike(schema: InputSchema, batch: Callable[..., Batch]) -> None:
    history, candidate_BK = parts(batch(200), schema)
    told = MatchCounts(MatchesConfig(), schema, 4).counts(history, candidate_BK)
    untold = MatchCounts(MatchesConfig(feedback=False), schema, 4).counts(history, candidate_BK)
    torch.testing.assert_close(untold, told.sum(dim=2, keepdim=True))


def test_without_skips_nothing_of_a_skip_is_read(schema: InputSchema, batch: Callable[..., Batch]) -> None:
    history, candidate_BK = parts(batch(50), schema)
    counts = MatchCounts(MatchesConfig(skips=False), schema, 4)
    skipped_BL = history.feedback_BL == SKIP
    moved = {
        name: torch.where(skipped_BL, candidate_BK[:, k : k + 1], value_BL)
        for k, (name, value_BL) in enumerate(history.fields.items())
    }
    assert torch.equal(counts(history, candidate_BK), counts(replace(history, fields=moved), candidate_BK))


def test_an_unknown_value_shares_nothing(schema: InputSchema, batch: Callable[..., Batch]) -> None:
    history, candidate_BK = parts(batch(20), schema)
    unknown_K = torch.tensor([schema.offsets[column] for column in schema.history_columns])
    counts = MatchCounts(MatchesConfig(), schema, 4)
    everywhere = {
        name: torch.full_like(value_BL, int(unknown_K[k])) for k, (name, value_BL) in enumerate(history.fields.items())
    }
    assert counts.counts(replace(history, fields=everywhere), unknown_K.expand_as(candidate_BK)).sum() == 0


@pytest.mark.slow
def test_a_recipe_with_matches_only_reads_histories_and_exports(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model, rows = ranker(RECIPE).eval(), batch(8)
    assert isinstance(model.recipe.encoder, PackedConfig) and model.recipe.encoder.reads_history
    assert model.encoder.shape.num_fields == model.schema.num_fields + 1
    assert rows.history is not None
    emptied = replace(rows, history=replace(rows.history, mask_BL=torch.zeros_like(rows.history.mask_BL)))
    assert not torch.equal(model.predict(rows).score_B, model.predict(emptied).score_B)
    carried = export_ranker(model, rows).module()
    found = carried(rows.ids_BF, rows.dense_BN, rows.duration_B, history_tensors(model, rows))
    torch.testing.assert_close(found["score"], model.predict(rows).score_B)


def test_a_schema_without_history_is_refused() -> None:
    with pytest.raises(ValueError, match="no history_fields"):
        MatchCounts(MatchesConfig(), InputSchema(fields=(("user_id", 3),)), 4)
