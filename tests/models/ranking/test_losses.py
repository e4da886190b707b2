"""Every term against its own definition, written as loops, by hand on two rows, and by finite differences."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.ranking.base import ListedRows, Ranking
from models.ranking.pairs import BUCKET, LEAST_RESIDUAL
from tests.models.ranking.conftest import CLIP, TRAIN, drawn, listed

Term = Callable[..., Ranking]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "pairs": ("pairs", {}),
    "gap": ("pairs", {"weights": "gap"}),
    "bucket": ("pairs", {"match": "bucket"}),
    "residual": ("pairs", {"match": "residual"}),
    "ndcg": ("pairs", {"weights": "ndcg", "depth": 3}),
    "min_gap": ("pairs", {"min_gap": 5.0}),
    "candidates": ("pairs", {"estimand": "candidates"}),
    "listnet": ("listnet", {}),
    "jrc": ("jrc", {}),
    "graded": ("jrc", {"form": "graded"}),
}
OF_SECONDS = {"gap", "residual", "min_gap"}
BOTH = [(name, binary) for name in CASES for binary in (False, True) if not (binary and name in OF_SECONDS)]


def made(term: Term, name: str, binary: bool = False) -> Ranking:
    kind, options = CASES[name]
    return term(kind, **options, **({"tasks": ("skip",)} if binary else {}))


def members(rows: ListedRows) -> Iterator[list[int]]:
    for group in range(int(rows.group_B.max()) + 1):
        if found := torch.nonzero(rows.group_B == group)[:, 0].tolist():
            yield found


@cache
def percentile(label: float, duration: float, groups: int) -> float:
    """Return the mid-rank of a label among train rows of the duration's group."""
    below, upto = (
        (watched_ms(duration, groups) < round(label * 1000)),
        (watched_ms(duration, groups) <= round(label * 1000)),
    )
    return float(below.mean() + upto.mean()) / 2


@cache
def watched_ms(duration: float, groups: int) -> NDArray[np.float64]:
    """Return the train watch times in the duration's group, which has one row in so many, in milliseconds."""
    ordered = np.sort(TRAIN.duration_s)
    lasts = [ordered[-(-len(ordered) * k // groups) - 1] for k in range(1, groups)]
    cuts = [(last + ordered[ordered > last][0]) / 2 for last in sorted(set(lasts)) if last < ordered[-1]]
    group = sum(duration > cut for cut in cuts)
    of = np.array([sum(d > cut for cut in cuts) == group for d in TRAIN.duration_s])
    return np.round(TRAIN.watch_s[of] * 1000)


def loop_pairs(rows: ListedRows, name: str) -> float:
    label, score = rows.label_B.tolist(), rows.score_B.tolist()
    duration, weight = rows.duration_B.tolist(), rows.weight_B.tolist()
    total = counted = 0.0
    for group in members(rows):
        weights = losses = 0.0
        for at, i in enumerate(group):
            for j in group[at + 1 :]:
                gap = float(round(label[i]) - round(label[j]))
                w = float(gap != 0)
                if name == "bucket" and abs(math.log(duration[i] / duration[j])) > BUCKET:
                    w = 0.0
                if name == "residual":
                    gap = percentile(label[i], duration[i], 10) - percentile(label[j], duration[j], 10)
                    w = float(abs(gap) >= LEAST_RESIDUAL)
                if name == "gap":
                    w *= abs(percentile(label[i], duration[i], 1) - percentile(label[j], duration[j], 1))
                if name == "ndcg":
                    gain, discount = (
                        [label[k] if rows.binary else percentile(label[k], duration[k], 1) for k in (i, j)],
                        [],
                    )
                    for k in (i, j):
                        place = 1 + sum(score[other] > score[k] for other in group)
                        discount.append(1 / math.log2(1 + place) if place <= 3 else 0.0)
                    w *= abs(gain[0] - gain[1]) * abs(discount[0] - discount[1])
                if name == "min_gap" and abs(label[i] - label[j]) < 5:
                    w = 0.0
                if name == "candidates":
                    w *= min(weight[i] * weight[j], CLIP**-2)
                weights += w
                losses += w * math.log1p(math.exp(-math.copysign(1, gap) * (score[i] - score[j])))
        if weights:
            total, counted = total + len(group) * losses / weights, counted + len(group)
    return total / counted if counted else 0.0


def loop_listnet(rows: ListedRows) -> float:
    total = counted = 0.0
    for group in members(rows):
        label, score = [rows.label_B[i].item() for i in group], [rows.score_B[i].item() for i in group]
        if sum(label) == 0 or len(set(label)) == 1:
            continue
        log_sum = math.log(sum(math.exp(s) for s in score))
        loss = -sum(y / sum(label) * (s - log_sum) for y, s in zip(label, score, strict=True))
        total, counted = total + len(group) * loss, counted + len(group)
    return total / counted if counted else 0.0


def loop_jrc(rows: ListedRows, cuts: list[float]) -> float:
    total = counted = 0.0
    for group in members(rows):
        by_cut, score = [], rows.score_B.tolist()
        for cut in cuts:
            loss, parted = 0.0, False
            above = {i: bool(rows.label_B[i] > cut) for i in group}
            for i in group:
                sign = 1 if above[i] else -1
                others = [j for j in group if above[j] != above[i]]
                parted |= bool(others)
                loss += math.log1p(sum(math.exp(sign * (score[j] - score[i]) / 2) for j in others))
            if parted:
                by_cut.append(loss)
        total, counted = total + (sum(by_cut) / len(by_cut) if by_cut else 0.0), counted + len(group)
    return total / max(counted, 1)


def loop_graded(rows: ListedRows, cuts: list[float]) -> float:
    grade = [sum(label > cut for cut in cuts) for label in rows.label_B.tolist()]
    score, total, counted = rows.score_B.tolist(), 0.0, 0
    for group in members(rows):
        counted += len(group)
        for i in group:
            slope = grade[i] - len(cuts) / 2
            others = [
                abs(grade[j] - grade[i]) * math.exp(slope * (score[j] - score[i]))
                for j in group
                if grade[j] != grade[i]
            ]
            total += math.log1p(sum(others))
    return total / max(counted, 1)


def looped(rows: ListedRows, name: str, ranking: Ranking) -> float:
    if name == "listnet":
        return loop_listnet(rows)
    if name == "graded":
        return loop_graded(rows, [0.5] if rows.binary else ranking.threshold_s.tolist())
    if name == "jrc":
        return loop_jrc(rows, [0.5] if rows.binary else ranking.threshold_s.tolist())
    return loop_pairs(rows, name)


@pytest.mark.parametrize(("name", "binary"), BOTH)
def test_the_loss_is_that_of_a_double_loop(name: str, binary: bool, term: Term) -> None:
    """On 200 batches in all: ties, single rows, one class, lists of 200 rows, rows of no list."""
    ranking = made(term, name, binary).double()
    for seed in range(200 // len(BOTH) + 1):
        rows = drawn(40 * BOTH.index((name, binary)) + seed, binary)
        loss = ranking(rows)
        assert loss.item() == pytest.approx(looped(rows, name, ranking), abs=1e-6, rel=1e-6)
        (gradient_B,) = torch.autograd.grad(loss, rows.score_B)
        assert torch.isfinite(gradient_B).all()


@pytest.mark.parametrize("scores", [(0.0, 0.0), (2.0, -1.0), (-400.0, 900.0)])
def test_two_rows_by_hand(scores: tuple[float, float], term: Term) -> None:
    def loss(kind: str) -> float:
        return float(
            term(kind, tasks=("skip",))(listed([[1.0, 0.0]], torch.tensor(scores, dtype=torch.float64), binary=True))
        )

    ahead = scores[0] - scores[1]
    assert loss("pairs") == pytest.approx(np.logaddexp(0, -ahead))
    assert loss("listnet") == pytest.approx(np.logaddexp(0, -ahead))
    assert loss("jrc") == pytest.approx(np.logaddexp(0, -ahead / 2))


@pytest.mark.parametrize(("name", "binary"), BOTH)
def test_gradients_are_those_of_finite_differences(name: str, binary: bool, term: Term) -> None:
    rows, ranking = drawn(1, binary), made(term, name, binary).double()
    assert torch.autograd.gradcheck(lambda score_B: ranking(replace(rows, score_B=score_B)), rows.score_B)


UNORDERED = [[[1.0, 1.0, 1.0]], [[0.0, 0.0]], [[1.0], [0.0]], [[0.2, 0.4]]]


@pytest.mark.parametrize(
    ("name", "labels"),
    # Shares of seconds need no whole ones: ListNet orders the last batch.
    [(name, labels) for name in CASES for labels in (UNORDERED[:-1] if name == "listnet" else UNORDERED)],
)
def test_lists_that_cannot_be_ordered_give_zero(name: str, labels: list[list[float]], term: Term) -> None:
    """One class, one row, equal whole seconds: value 0 and gradient 0, also in half precision, whatever the scores."""
    for dtype in (torch.float32, torch.bfloat16):
        rows = sum(map(len, labels))
        scores = torch.linspace(-300, 300, rows, dtype=dtype).requires_grad_()
        loss = made(term, name)(listed(labels, scores))
        loss.backward()
        assert loss == 0
        assert (scores.grad == 0).all()


@pytest.mark.parametrize(("name", "binary"), BOTH)
def test_what_a_list_is_compared_with_does_not_matter(name: str, binary: bool, term: Term) -> None:
    """A constant for each list, the order of rows, and how lists fall into batches change nothing."""
    ranking, rows = made(term, name, binary).double(), drawn(80, binary)
    loss = ranking(rows).item()
    shift_B = torch.randn(len(rows.label_B) + 1, dtype=torch.float64)[rows.group_B]
    assert ranking(replace(rows, score_B=rows.score_B + shift_B)).item() == pytest.approx(loss, abs=1e-9)
    order_B = torch.randperm(len(rows.label_B), generator=torch.Generator().manual_seed(0))
    assert ranking(taken(rows, order_B)).item() == pytest.approx(loss, abs=1e-9)
    halves = [taken(rows, torch.nonzero(part)[:, 0]) for part in (rows.group_B < 4, rows.group_B >= 4)]
    weights = [counted(ranking, half) for half in halves]
    together = sum(w * ranking(half).item() for w, half in zip(weights, halves, strict=True)) / sum(weights)
    assert together == pytest.approx(loss, abs=1e-9)


def taken(rows: ListedRows, order_B: Tensor) -> ListedRows:
    """Return some rows in another order, with the pairs among them."""
    place_B = torch.full((len(rows.label_B),), -1)
    place_B[order_B] = torch.arange(len(order_B))
    pair_P2 = place_B[rows.pair_P2]
    _, group_B = torch.unique(rows.group_B[order_B], return_inverse=True)
    none = int((rows.group_B[order_B] < 0).any())
    columns = {name: getattr(rows, name)[order_B] for name in ("score_B", "label_B", "duration_B", "weight_B")}
    return ListedRows(**columns, group_B=group_B - none, pair_P2=pair_P2[(pair_P2 >= 0).all(dim=1)], binary=rows.binary)


def counted(ranking: Ranking, rows: ListedRows) -> float:
    """Return the rows that the mean over lists is of: those of lists that count, or all (JRC)."""
    total = 0.0
    for group in members(rows):
        inside = torch.tensor(group)
        part = taken(rows, inside)
        total += len(group) * (type(ranking).__name__ == "Jrc" or ranking(part).item() != 0)
    return total
