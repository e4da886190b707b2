"""The exported program says what the module says, for any number of rows."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.batch import Batch
from models.ranker import Ranker
from models.serving import export_ranker, history_tensors

RECIPES: list[dict[str, Any]] = [
    {"head": {"kind": "wlr"}, "tasks": {"watch_time": {}, "skip": {}}},
    {"head": {"kind": "vr_l1"}, "trunk": {"kind": "mmoe"}, "encoder": {"history": {"kind": "pooled"}}},
    {"head": {"kind": "d2q"}, "encoder": {"history": {"kind": "attention"}}, "tasks": {"watch_time": {}, "like": {}}},
    {"head": {"kind": "wlr"}, "pretraining": {"kind": "distilled"}},
]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=["wlr", "vr_l1-mmoe-pooled", "d2q-attention", "wlr-read-after-the-fit"])
def test_export_equals_the_module(
    recipe: dict[str, Any], ranker: Callable[..., Ranker], batch: Callable[..., Batch]
) -> None:
    model = ranker(recipe)
    program = export_ranker(model, batch(4)).module()
    for rows in (1, 4, 33):
        asked = batch(rows, seed=rows)
        answer = program(asked.ids_BF, asked.dense_BN, asked.duration_B, history_tensors(model, asked))
        expected = model.predict(asked)
        torch.testing.assert_close(answer["score"], expected.score_B)
        for task, probability_B in expected.probability.items():
            torch.testing.assert_close(answer[f"probability/{task}"], probability_B)
        for name, seconds_B in (("mean", expected.mean_B), ("median", expected.median_B)):
            assert (name in answer) == (seconds_B is not None)
            if seconds_B is not None:
                torch.testing.assert_close(answer[name], seconds_B)
