"""Small models of every kind, and batches for them."""

import pytest
import torch
from torch import Tensor

from benchmarks.sequence.models import SEQUENCE_MODELS
from benchmarks.sequence.models.base import SequenceBatch, SequenceModel

NUM_ITEMS, MAX_LENGTH = 30, 12


def model(kind: str, **options: object) -> SequenceModel:
    """Return a model in evaluation mode, its parameters drawn from seed 0 and larger than at the start of a fit."""
    torch.manual_seed(0)
    component = SEQUENCE_MODELS[kind]
    built = component(component.Config.model_validate({"embedding_dim": 8, **options}), NUM_ITEMS, MAX_LENGTH)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        built.items.weight[0] = 0
    return built.eval()


def padded(lines: list[list[int]], width: int | None = None) -> Tensor:
    """Return left-padded lines of codes."""
    width = max(len(line) for line in lines) if width is None else width
    return torch.tensor([[0] * (width - len(line)) + line for line in lines])


def batch(lines: list[list[int]], negatives: list[list[int]], skips: list[list[int]]) -> SequenceBatch:
    """Return the batch of users with these positives; negatives and skips are those of all positives but the first."""
    return SequenceBatch(
        item_BL=padded([line[:-1] for line in lines]),
        positive_BL=padded([line[1:] for line in lines]),
        negative_BL=padded(negatives),
        skip_BL=padded(skips),
    )


@pytest.fixture
def three_users() -> SequenceBatch:
    return batch(
        [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]],
        [[11, 12, 13, 14], [15], [16, 17]],
        [[0, 18, 0, 19], [20], [0, 0]],
    )
