"""The tree against its promises, the walk and its beam against an enumeration of all leaves, the losses against loops."""

import numpy as np
import pytest
import torch

from models.retrieval.balanced_tree import NO_TOKEN, BalancedTree, balanced_parts
from models.retrieval.seater import Seater

VIDEOS, BRANCHING = 27, 4
PAST = torch.tensor([[NO_TOKEN, 3, 7], [1, 2, 9]])


def drawn(videos: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(videos, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def tree() -> BalancedTree:
    return BalancedTree.grow(drawn(VIDEOS), BRANCHING, 0)


@pytest.fixture(scope="module")
def model(tree: BalancedTree) -> Seater:
    torch.manual_seed(0)
    return Seater(tree, 8, 0.0, 3).eval()


@pytest.mark.parametrize(("videos", "branching"), [(3, 4), (27, 4), (64, 4), (130, 8), (97, 2)])
def test_every_leaf_is_reached_once_and_branches_weigh_the_same(videos: int, branching: int) -> None:
    tree = BalancedTree.grow(drawn(videos), branching, 0)
    below: list[list[int]] = [[] for _ in range(tree.num_tokens)]
    for video in range(videos):
        path = [token for token in tree.path_VL[video] if token != NO_TOKEN]
        assert tree.video_T[path[-1]] == video == tree.video_T[tree.leaf_V[video]]
        for token, node in zip(path, [0, *path[:-1]], strict=True):
            assert tree.parent_T[token] == node and token in tree.child_TK[node]
            below[node].append(video)
            if token == path[-1]:
                below[token].append(video)
    assert sorted(below[0]) == list(range(videos))
    for node in range(tree.num_tokens):
        children = [child for child in tree.child_TK[node] if child != NO_TOKEN]
        assert len(children) in (0, *range(2, branching + 1)), "a single child would ask nothing"
        sizes = [len(set(below[child])) for child in children]
        assert not sizes or max(sizes) - min(sizes) <= 1


def test_clusters_that_lie_apart_are_kept_together() -> None:
    centres = 20 * np.eye(4, 5)
    vectors = (np.repeat(centres, 6, axis=0) + 0.1 * drawn(24)).astype(np.float32)
    part = balanced_parts(vectors, 4, 0).reshape(4, 6)
    assert (part == part[:, :1]).all() and len(set(part[:, 0])) == 4


def log_p_of_all(model: Seater) -> torch.Tensor:
    """Log probability of every video for every user, path by path."""
    found = torch.zeros(len(PAST), VIDEOS)
    past = model.encode(PAST)
    for video in range(VIDEOS):
        path = model.path_VL[video].expand(len(PAST), -1)
        state, node = model.walk(past, PAST, path), torch.zeros(len(PAST), dtype=torch.int64)
        for step in range(path.shape[1]):
            token = path[:, step]
            if token[0] == NO_TOKEN:
                break
            children = model.child_TK[node[0]].tolist()
            found[:, video] += model.branch_logits(state[:, step], node)[:, children.index(int(token[0]))]
            node = token
    return found


@torch.no_grad()
def test_leaves_share_one_and_a_wide_beam_sorts_them_all(model: Seater) -> None:
    log_p = log_p_of_all(model)
    torch.testing.assert_close(log_p.exp().sum(dim=1), torch.ones(2))
    video, score = model.beam(PAST, VIDEOS)
    expected = log_p.sort(dim=1, descending=True)
    torch.testing.assert_close(score, expected.values)
    torch.testing.assert_close(log_p.gather(1, video), expected.values)
    barred = torch.zeros(2, VIDEOS, dtype=torch.bool)
    barred[:, video[0, :5]] = True
    kept, _ = model.beam(PAST, VIDEOS, barred)
    assert not set(video[0, :5].tolist()) & set(kept.flatten().tolist())
    assert (kept[:, -5:] == -1).all() and (kept[:, :-5] >= 0).all()


@torch.no_grad()
def test_the_loss_of_walking_is_minus_the_log_probability_of_the_leaf(model: Seater) -> None:
    video = torch.tensor([5, 20])
    loss = model.loss(PAST, video, torch.Generator(), 0, 0, 1)
    torch.testing.assert_close(loss, -log_p_of_all(model)[[0, 1], video].mean())


@torch.no_grad()
def test_alignment_is_info_nce_with_the_parent_once_and_no_child(model: Seater, tree: BalancedTree) -> None:
    path = model.path_VL[torch.tensor([5, 20, 6])]
    tokens, unit = (
        sorted(set(path.flatten().tolist()) - {NO_TOKEN}),
        model.tokens.weight / model.tokens.weight.norm(dim=1, keepdim=True),
    )
    found = []
    for i in tokens:
        parent = int(tree.parent_T[i])
        if parent:
            others = [j for j in tokens if j not in (i, parent) and tree.parent_T[j] != i]
            scores = torch.stack([unit[i] @ unit[j] / 0.3 for j in (parent, *others)])
            found.append(scores.logsumexp(dim=0) - scores[0])
    torch.testing.assert_close(model._alignment(path, 0.3), torch.stack(found).mean())


@torch.no_grad()
def test_rivals_share_ever_less_of_the_path(model: Seater) -> None:
    video = torch.arange(VIDEOS)
    rivals, shared = model._rivals(video, torch.Generator().manual_seed(0))
    assert rivals.shape == (VIDEOS, 5) and rivals[:, 0].equal(video)
    for place in range(1, 5):
        lengths = (model.path_VL != NO_TOKEN).sum(dim=1)
        assert (shared[:, place] >= (lengths - place).clamp(min=0)).all(), "below the ancestor so far up"
    by_hand = [
        [sum(1 for _ in _common(model.path_VL[v].tolist(), model.path_VL[r].tolist())) for r in row]
        for v, row in zip(video.tolist(), rivals.tolist(), strict=True)
    ]
    assert shared.tolist() == by_hand


@torch.no_grad()
def test_the_ranking_loss_is_a_hinge_over_pairs_that_share_unlike_much(model: Seater) -> None:
    video = torch.tensor([5, 20])
    rivals, shared = model._rivals(video, torch.Generator().manual_seed(1))
    past = model.encode(PAST)
    found = []
    for user in range(2):
        known = PAST[user] != NO_TOKEN
        read = model.past_map(past[user][known]).mean(dim=0)
        scores = []
        for rival in rivals[user].tolist():
            path = model.path_VL[rival][None]
            state = model.walk(past[user : user + 1], PAST[user : user + 1], path)[0]
            walked = model.walk_map(state[path[0] != NO_TOKEN]).mean(dim=0)
            scores.append(float(torch.sigmoid(read @ model.bilinear @ walked)))
        for i in range(5):
            for j in range(5):
                if shared[user, i] > shared[user, j]:
                    found.append(max(0.0, scores[j] - scores[i] + 0.001 * (j - i)))
    ranked = model._ranking(past, PAST, video, torch.Generator().manual_seed(1))
    assert float(ranked) == pytest.approx(sum(found) / len(found), rel=1e-4) and sum(found) > 0


def _common(one: list[int], other: list[int]) -> list[int]:
    found = []
    for a, b in zip(one, other, strict=True):
        if a != b or a == NO_TOKEN:
            break
        found.append(a)
    return found
