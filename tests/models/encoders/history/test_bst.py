"""BST against a brute-force twin: one token, one head and one sum at a time."""

import math

import pytest
import torch
from torch import Tensor

from models.encoders.history.bst import BstHistory, BstHistoryConfig
from tests.models.encoders.history.histories import COUNTS, DIM, LENGTH, SCHEMA, candidates, make_history, make_table


def build(**settings: object) -> BstHistory:
    torch.manual_seed(0)
    config = BstHistoryConfig.model_validate({"width": 6, "num_heads": 3, **settings})
    model = BstHistory(config, SCHEMA, DIM).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def attended(block: torch.nn.Module, tokens: list[Tensor], asks: int) -> Tensor:
    """Return what one token takes from those that stand, head by head."""
    attention, taken = block.attention, []
    for head in range(3):
        part = slice(2 * head, 2 * head + 2)
        query = (attention.query.weight @ tokens[asks])[part]
        logit = [float(query @ (attention.key.weight @ token)[part]) / math.sqrt(2) for token in tokens]
        total = sum(math.exp(value) for value in logit)
        values = [(attention.value.weight @ token)[part] for token in tokens]
        taken.append(sum(math.exp(w) / total * v for w, v in zip(logit, values, strict=True)))
    return attention.output.weight @ torch.cat(taken)


@pytest.mark.parametrize("pool", ["candidate", "mean"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_by_hand(blocks: int, pool: str) -> None:
    model, table, history = build(num_blocks=blocks, pool=pool), make_table(), make_history()
    candidate_BD, event_BLD = candidates(), model.events(history, table)
    found = model(history, table, candidate_BD)
    with torch.no_grad():
        for row, count in enumerate(COUNTS[1:], start=1):
            vectors = [model.enter(event_BLD[row, slot]) for slot in range(LENGTH - count, LENGTH)]
            vectors.append(model.enter(candidate_BD[row]) + model.candidate_H)
            back = range(len(vectors), 0, -1)  # the candidate stands in the last place
            tokens = [v + model.places.weight[LENGTH + 1 - place] for v, place in zip(vectors, back, strict=True)]
            for block in model.blocks:
                a = [block.attention_norm(x + attended(block, tokens, i)) for i, x in enumerate(tokens)]
                tokens = [block.network_norm(x + block.network(x)) for x in a]
            pooled = tokens[-1] if pool == "candidate" else torch.stack(tokens).mean(dim=0)
            torch.testing.assert_close(found[row], model.leave(pooled), rtol=1e-4, atol=1e-5)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width is 32, which 3 heads do not divide"):
        BstHistoryConfig(num_heads=3)
