"""SASRec's loss and logits against loops over users and places."""

import torch

from models.encoders.history.causal import CausalSize
from models.retrieval.sasrec import SasRec
from models.retrieval.watched import NONE

VIDEOS = 12
LINE = torch.tensor([[NONE, NONE, 3, 7], [5, 1, 2, 9], [NONE, 4, 4, 0]])


def drawn() -> SasRec:
    torch.manual_seed(0)
    return SasRec(VIDEOS, 8, CausalSize(dropout=0.0, num_blocks=2, num_heads=1), 3).eval()


def test_the_loss_is_the_mean_over_places_of_what_came_next_given_what_came_before() -> None:
    model, losses = drawn(), []
    past, following = LINE[:, :-1], LINE[:, 1:]
    for line in LINE.tolist():
        for place in range(3):
            if line[place] != NONE:
                # whatever stands behind a place, its state does not know it
                read = torch.tensor([line[: place + 1] + [6] * (2 - place)])
                state = model.states(read)[0, place]
                logits = torch.stack([(state * model.videos.weight[video]).sum() for video in range(VIDEOS)])
                losses.append(-(logits[line[place + 1]] - logits.exp().sum().log()))
    assert len(losses) == 6
    found = model.loss(past, following.where(past != NONE, NONE))
    torch.testing.assert_close(found, torch.stack(losses).mean())
    torch.testing.assert_close(model.logits(past), model.states(past)[:, 2] @ model.videos.weight.T)


def test_what_is_watched_last_is_read_and_what_comes_later_is_not() -> None:
    model = drawn()
    one, other = torch.tensor([[2, 5, 1]]), torch.tensor([[2, 5, 8]])
    torch.testing.assert_close(model.states(one)[:, :2], model.states(other)[:, :2])
    assert not torch.allclose(model.logits(one), model.logits(other))
