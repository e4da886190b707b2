"""Every number that tasks read belongs to one field, and putting them back gives the same predictions."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.attribution.fields import FieldRows
from models.batch import Batch
from models.heads.base import Head
from models.ranker import Ranker

RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "projected dense features": {"encoder": {"kind": "packed", "dense_width": 3}},
    "history and matches": {"encoder": {"kind": "packed", "history": {"kind": "attention"}, "matches": {}}},
    "vectors learned before": {"pretraining": {"kind": "directau", "use": "join"}},
    "vectors of few rows": {"pretraining": {"kind": "distilled"}},
    "set apart": {"set_apart": ["scene"]},
    "encoders of tasks' own": {"trunk": {"kind": "stem", "hidden": [4]}, "tasks": {"watch_time": {}, "skip": {}}},
    "crosses": {"backbone": {"kind": "dcnv2"}},
    "events one by one": {"backbone": {"kind": "onetrans"}},
    "what an auxiliary tower serves": {"objective": {"kind": "pd"}},
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_the_fields_of_a_row_give_its_predictions_and_losses(
    recipe: dict[str, Any], ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model, rows = ranker(recipe | {"head": {"kind": "wlr"}}).eval(), batch(9)
    varied = FieldRows.of(model, rows, {})
    expected = model.predict(rows)
    name, seconds_B = varied.seconds(varied.x_BW)
    assert name == "mean" and torch.equal(seconds_B, expected.mean_B)
    assert len(varied.layout.field_W) == varied.x_BW.shape[1]
    row_R = torch.tensor([7, 2])
    torch.testing.assert_close(varied.take(row_R).seconds(varied.x_BW[row_R])[1], expected.mean_B[row_R])
    losses = model.task_rows(rows) if model.recipe.objective.kind == "naive" else {}
    for task, found in losses.items():
        torch.testing.assert_close(varied.losses(varied.x_BW)[task], found.loss_B)


def test_names_are_those_of_the_encoder_and_groups_count_as_one(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model = ranker({"encoder": {"kind": "packed", "embedding_dim": 3, "history": {"kind": "pooled"}}}).eval()
    alone, grouped = (FieldRows.of(model, batch(4), groups).layout for groups in ({}, {"x": ("dense_0", "dense_1")}))
    assert alone.names == ("user_id", "video_id", "scene", "history", "dense_0", "dense_1")
    assert grouped.names == ("user_id", "video_id", "scene", "history", "aggregates/x")
    assert torch.bincount(grouped.field_W).tolist() == [3, 3, 3, 3, 2]


def test_fields_of_tasks_own_encoders_are_one_field(ranker: Callable[..., Ranker], batch: Callable[..., Batch]) -> None:
    model = ranker(RECIPES["encoders of tasks' own"] | {"encoder": {"kind": "packed", "embedding_dim": 3}}).eval()
    layout = FieldRows.of(model, batch(4), {}).layout
    assert layout.names == ("user_id", "video_id", "scene", "dense_0", "dense_1")
    assert torch.bincount(layout.field_W).tolist() == [9, 9, 9, 3, 3]


def test_the_median_stands_in_where_no_head_has_a_mean(
    ranker: Callable[..., Ranker], batch: Callable[..., Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ranker({"head": {"kind": "d2q"}}).eval()
    rows = FieldRows.of(model, batch(4), {})
    name, seconds_B = rows.seconds(rows.x_BW)
    assert name == "median" and torch.equal(seconds_B, model.predict(batch(4)).median_B)
    monkeypatch.setattr(type(model.head), "decode_median", Head.decode_median)
    with pytest.raises(ValueError, match="no seconds to attribute"):
        rows.seconds(rows.x_BW)
