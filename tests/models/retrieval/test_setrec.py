"""Slots, queries and their loss against loops, and what a video is of which nothing is known."""

import pytest
import torch
from torch.nn import functional

from models.retrieval.setrec import SetRec
from models.retrieval.watched import NONE

VIDEOS, WATCHED, SEMANTIC, WIDTH = 12, 9, 3, 4
PAST = torch.tensor([[NONE, 3, 7], [1, 2, 8]])
WITHOUT_CONTENT = [3, 11]


@pytest.fixture(scope="module")
def model() -> SetRec:
    torch.manual_seed(0)
    content = torch.randn(VIDEOS, 5)
    content[WITHOUT_CONTENT] = torch.nan
    vectors = torch.randn(VIDEOS, 6)
    return SetRec(vectors, content, WATCHED, SEMANTIC, WIDTH, 7, 3, 0.0).eval()


@torch.no_grad()
def test_the_loss_is_one_cross_entropy_a_slot_and_the_content_given_back(model: SetRec) -> None:
    video, slot = torch.tensor([5, 0]), model.slots()
    found = model.ask(PAST, slot)
    asked = sum(
        -(found[:, place] @ slot[:WATCHED, place].T).log_softmax(dim=1)[[0, 1], video].mean()
        for place in range(1 + SEMANTIC)
    )
    taught = [code for code in range(WATCHED) if code not in WITHOUT_CONTENT]
    errors = [(model.decode(slot[code, 1:].flatten()) - model.content_VC[code]).square().mean() for code in taught]
    expected = asked + 0.7 * torch.stack(errors).mean()
    torch.testing.assert_close(model.loss(PAST, video, 0.7), expected)


def test_nothing_known_is_0_in_both_logits_and_so_is_the_mean_of_what_was_watched(model: SetRec) -> None:
    collaborative, semantic = model.logits(PAST)
    described = torch.tensor([code for code in range(WATCHED) if code not in WITHOUT_CONTENT])
    assert (collaborative[:, WATCHED:] == 0).all() and (semantic[:, WITHOUT_CONTENT] == 0).all()
    assert (semantic[:, WATCHED : VIDEOS - 1] != 0).all(), "new videos have content"
    zero = torch.zeros(2)
    torch.testing.assert_close(collaborative[:, :WATCHED].mean(dim=1), zero, atol=1e-5, rtol=0)
    torch.testing.assert_close(semantic[:, described].mean(dim=1), zero, atol=1e-5, rtol=0)


@torch.no_grad()
def test_centred_logits_differ_from_plain_ones_by_a_number_of_each_user_alone(model: SetRec) -> None:
    slot = model.slots()
    found = model.ask(PAST, slot)
    collaborative, semantic = model.logits(PAST)
    gap = collaborative[:, :WATCHED] - found[:, 0] @ slot[:WATCHED, 0].T
    torch.testing.assert_close(gap, gap[:, :1].expand_as(gap))
    described = [code for code in range(VIDEOS) if code not in WITHOUT_CONTENT]
    plain = sum(found[:, place] @ slot[:, place].T for place in range(1, 1 + SEMANTIC))
    gap = (semantic - plain)[:, described]
    torch.testing.assert_close(gap, gap[:, :1].expand_as(gap))


@torch.no_grad()
def test_empty_places_before_a_past_change_nothing(model: SetRec) -> None:
    slot = model.slots()
    torch.testing.assert_close(model.ask(PAST[:1], slot), model.ask(PAST[:1, 1:], slot))


def test_who_would_watch_a_new_video_is_not_read(model: SetRec) -> None:
    """Vectors of videos that nobody watched are noise: the model holds none."""
    assert (model.collaborative_VK[WATCHED:] == 0).all()
    known = model.collaborative_VK[:WATCHED]
    torch.testing.assert_close(known.mean(dim=0), torch.zeros(6), atol=1e-6, rtol=0)
    torch.testing.assert_close(known.square().mean(dim=0), torch.ones(6))
    content = model.content_VC[[code for code in range(WATCHED) if code not in WITHOUT_CONTENT]]
    torch.testing.assert_close(content.square().mean(dim=0), torch.ones(5))


def test_autoencoder_slots_alone_can_give_content_back() -> None:
    torch.manual_seed(1)
    content = torch.randn(VIDEOS, 5)
    model = SetRec(torch.randn(VIDEOS, 6), content, WATCHED, SEMANTIC, 8, 32, 3, 0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    before, after = (_fitted_error(model, optimizer, steps) for steps in (0, 150))
    assert after < 0.1 < 0.5 < before


def _fitted_error(model: SetRec, optimizer: torch.optim.Optimizer, steps: int) -> float:
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(PAST, torch.tensor([5, 0]), 100.0).backward()
        optimizer.step()
    with torch.no_grad():
        given_back = model.decode(model.slots()[:WATCHED, 1:].flatten(1))
        return float(functional.mse_loss(given_back, model.content_VC[:WATCHED]))
