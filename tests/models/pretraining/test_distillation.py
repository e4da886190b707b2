"""Students of truncated histories: parts against loops and closed forms, and on users of planted taste against what must not work."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from models.pretraining.base import KnownVectors
from models.pretraining.distillation import Distillation, DistillationOptions
from models.pretraining.distilled import Distilled, DistilledConfig
from models.pretraining.first_rows import FirstRows
from models.pretraining.richness import MOST, sparse_odds
from models.pretraining.student import discriminator_loss, distance, generator_loss
from models.retrieval.watched import NONE, Ids, Shown, Watched

SPARSE, RICH, WIDTH = 5, 10, 8
TEACHER = {"kind": "metric", "epochs": 10}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --------------------------------------------------------------------------------------------------------------- parts


def test_first_rows_are_summed_as_a_loop_sums_them() -> None:
    rows = [[(0, True), (2, False), (0, True), (1, False)], [], [(1, True)]]
    user = [number for number, of in enumerate(rows) for _ in of]
    video, watched = zip(*(row for of in rows for row in of), strict=True)
    first = FirstRows.of(Shown(np.array(user), np.array(video), np.array(watched)), num_users=3, most=3)
    assert first.rows_U.tolist() == [4, 0, 1]
    assert first.video_UK.tolist() == [[0, 2, 0], [NONE] * 3, [1, NONE, NONE]]
    video_VD = drawn(3, 2)
    found_UKF = first.numbers(torch.arange(3), video_VD)
    for number, of in enumerate(rows):
        for most in (1, 2, 3):
            liked, other, counts = torch.zeros(2).double(), torch.zeros(2).double(), [0, 0]
            for place, was_watched in of[:most]:
                liked, other = liked + video_VD[place] * was_watched, other + video_VD[place] * (not was_watched)
                counts[not was_watched] += 1
            expected = [*liked.tolist(), counts[0], *other.tolist(), counts[1]]
            assert (found_UKF[number, most - 1] * math.sqrt(3)).tolist() == pytest.approx(expected)
    assert torch.equal(first.whole(torch.tensor([2]), video_VD)[0], found_UKF[2, 0])


def test_beginnings_count_by_their_odds_among_sparse_and_rich() -> None:
    """Where a beginning is one of two kinds, the odds are the ratio of its shares."""
    sparse_NF = torch.tensor([[1.0]] * 3000 + [[0.0]] * 1000)
    rich_MF = torch.tensor([[1.0]] * 1000 + [[0.0]] * 4000)
    odds_M = sparse_odds(sparse_NF, rich_MF)
    shares = torch.tensor([0.75 / 0.2, 0.25 / 0.8])
    expected = shares / (0.2 * shares[0] + 0.8 * shares[1])
    assert odds_M[[0, -1]].tolist() == pytest.approx(expected.tolist(), rel=5e-3)
    assert float((odds_M * rich_MF[:, 0]).mean() / odds_M.mean()) == pytest.approx(0.75, rel=5e-3), (
        "as among the sparse"
    )


def test_beginnings_that_both_make_alike_count_alike_and_none_endlessly() -> None:
    same_NF = torch.arange(6.0).repeat(50)[:, None]
    assert torch.allclose(sparse_odds(same_NF, same_NF.flip(0)), torch.ones(300), atol=1e-5)
    rare_MF = torch.cat([torch.zeros(999, 1), torch.ones(1, 1)])
    odds_M = sparse_odds(torch.ones(500, 1), rare_MF)
    assert float(odds_M.max()) == MOST and float(odds_M.min()) < 1


def test_distances_and_the_losses_of_two_adversaries_are_what_loops_give() -> None:
    student_BKD, teacher_BD = drawn(4, 3, 2).requires_grad_(), drawn(4, 2, seed=1).requires_grad_()
    squared_BK, cosine_BK = (distance(student_BKD, teacher_BD, kind) for kind in ("squared", "cosine"))
    for b in range(4):
        for k in range(3):
            g, h = student_BKD[b, k], teacher_BD[b]
            assert float(squared_BK[b, k]) == pytest.approx(sum(float(x) ** 2 for x in g - h))
            assert float(cosine_BK[b, k]) == pytest.approx(1 - float(g @ h / (g.norm() * h.norm())))
    (squared_BK.sum() + cosine_BK.sum()).backward()
    assert teacher_BD.grad is None and student_BKD.grad is not None
    rich_B, refined_B = drawn(5), drawn(6, seed=1)
    chances = [1 / (1 + math.exp(-float(x))) for x in rich_B], [1 / (1 + math.exp(-float(x))) for x in refined_B]
    expected = -np.mean(np.log(chances[0])) - np.mean(np.log1p(-np.array(chances[1])))
    assert float(discriminator_loss(rich_B, refined_B)) == pytest.approx(expected)
    assert float(generator_loss(refined_B)) == pytest.approx(-np.mean(np.log(chances[1])))


# ------------------------------------------------------------------------------------------- users of two known kinds


@pytest.mark.slow
def test_the_student_is_the_posterior_mean_of_the_teacher() -> None:
    """Users of two kinds watch one video of two each with chance .8 or .2: the mean kind given the first rows is in closed form."""
    random, rich, few, rows = np.random.default_rng(5), 4000, 300, 3
    rows_U = np.array([RICH + 1] * rich + [rows] * few)
    user_N = np.repeat(np.arange(rich + few), rows_U)
    kind_U = random.choice([-1.0, 1.0], rich + few)
    video_N = random.integers(0, 2, user_N.size)
    agrees_N = random.random(user_N.size) < 0.8
    watched_N = agrees_N == ((video_N == 1) == (kind_U[user_N] > 0))
    user = KnownVectors(torch.arange(rich), torch.from_numpy(kind_U[:rich]).float()[:, None])
    video = KnownVectors(torch.arange(2), torch.tensor([[-1.0], [1.0]]))
    learner = Distillation(
        Shown(user_N, video_N, watched_N),
        np.cumsum(rows_U)[:rich] - 1,
        rows_U,
        (user, video),
        DistillationOptions(weight=100.0, learning_rate=0.01, decay=0.0),
        torch.Generator().manual_seed(0),
    )
    for _ in range(30):
        learner.one_pass()
    found_U = learner.vectors(torch.arange(rich, rich + few))[:, 0].numpy()
    speaks_U = np.where((video_N == 1) == watched_N, 1, -1)[-few * rows :].reshape(few, rows).sum(axis=1)
    expected_U = np.tanh(speaks_U * math.log(0.8 / 0.2) / 2)
    assert np.abs(found_U - expected_U).mean() < 0.06
    assert found_U.var() < 0.75, "a mean says less than what it is the mean of, of variance 1"


# ------------------------------------------------------------------------------------------------- users of planted taste


class World:
    """Users of whom a third has up to 5 rows and a third 20, and whose taste is a vector; further rows of each, for the truth."""

    def __init__(self, users: int = 1200, videos: int = 150, seed: int = 3) -> None:
        random = np.random.default_rng(seed)
        self.taste_UC, self.factor_VC = random.normal(size=(users, 3)), random.normal(size=(videos, 3))
        self.rows_U = random.permutation(np.resize([*range(1, 6), *[7] * 5, *[20] * 5], users))
        user_N = np.repeat(np.arange(users), self.rows_U)
        self.shown = self._shown(user_N, random)
        self.later = self._shown(np.repeat(np.flatnonzero(self.rows_U <= SPARSE), 30), random)
        self.watched = watches(self.shown, users, self.factor_VC)

    def _shown(self, user_N: Ids, random: np.random.Generator) -> Shown:
        video_N = random.integers(0, len(self.factor_VC), user_N.size)
        match_N = (self.taste_UC[user_N] * self.factor_VC[video_N]).sum(axis=1)
        return Shown(user_N, video_N, match_N + random.normal(size=user_N.size) > 0)

    def worth(self, learned: tuple[KnownVectors, KnownVectors]) -> float:
        """Return how often a later watch of a sparse user scores above a later row that was not watched, by inner products."""
        user_UD, video_VD = (
            torch.zeros(size, WIDTH).index_copy(0, of.code_K, of.vector_KD)
            for of, size in zip(learned, (len(self.taste_UC), len(self.factor_VC)), strict=True)
        )
        score_N = (user_UD[self.later.user_N] * video_VD[self.later.video_N]).sum(dim=1).numpy()
        above, all_pairs = 0.0, 0
        for user in np.unique(self.later.user_N):
            of, seen = score_N[self.later.user_N == user], self.later.watched_N[self.later.user_N == user]
            gap = of[seen][:, None] - of[~seen]
            above, all_pairs = above + float((gap > 0).sum() + 0.5 * (gap == 0).sum()), all_pairs + gap.size
        return above / all_pairs


def watches(shown: Shown, users: int, factor_VC: np.ndarray) -> Watched:
    pairs, first = np.unique(
        np.stack([shown.user_N, shown.video_N], axis=1)[shown.watched_N], axis=0, return_index=True
    )
    content_VC = (factor_VC + np.random.default_rng(4).normal(size=factor_VC.shape)).astype(np.float32)
    ids = np.arange(users), np.arange(len(factor_VC))
    return Watched(pairs[:, 0], pairs[:, 1], first, *ids, content_VC=content_VC, shown=shown)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def learn(world: World, seed: int = 0, **options: Any) -> tuple[KnownVectors, KnownVectors]:
    config = DistilledConfig.model_validate({"teacher": TEACHER, **options})
    return Distilled(config).learn(world.watched, WIDTH, seed)


@pytest.mark.slow
def test_a_student_knows_sparse_users_better_than_the_teacher_and_one_of_permuted_teachers_does_not(
    world: World,
) -> None:
    arms: dict[str, dict[str, Any]] = {
        "distilled": {},
        "permuted": {"permuted": True},
        "adversary": {"by": "adversary"},
        "mean": {"by": "mean"},
        "teacher": {"by": "none"},
    }
    found = {name: world.worth(learn(world, **options)) for name, options in arms.items()}
    assert found["distilled"] > found["teacher"] + 0.01, found
    assert found["distilled"] > found["permuted"] + 0.04, found
    assert found["mean"] < found["distilled"] - 0.05, found


def test_the_teacher_has_not_seen_what_the_student_is_scored_on(world: World) -> None:
    """What was made of a rich user's last row changes no vector of the teacher; what was made of the row before does."""
    last = np.flatnonzero(np.append(np.diff(world.shown.user_N) > 0, True))
    rich = last[world.rows_U[world.shown.user_N[last]] >= RICH]

    def taught(changed: Ids) -> tuple[KnownVectors, KnownVectors]:
        watched_N = world.shown.watched_N.copy()
        watched_N[changed] = ~watched_N[changed]
        other = replace(world.shown, watched_N=watched_N)
        watched = watches(other, len(world.taste_UC), world.factor_VC)
        config = DistilledConfig.model_validate({"by": "mean", "teacher": {"kind": "directau", "epochs": 2}})
        return Distilled(config).learn(watched, WIDTH, 0)

    before, after, wrong = taught(rich[:0]), taught(rich), taught(rich - 1)
    for first, second, other in zip(before, after, wrong, strict=True):
        assert torch.equal(first.vector_KD, second.vector_KD)
        assert first.vector_KD.shape != other.vector_KD.shape or not torch.equal(first.vector_KD, other.vector_KD)


@pytest.mark.slow
def test_rich_users_keep_the_teachers_vectors_and_all_sparse_ones_have_one(world: World) -> None:
    (user, video), (filled, same) = learn(world), learn(world, by="mean")
    assert torch.equal(video.vector_KD, same.vector_KD) and torch.equal(user.code_K, filled.code_K)
    is_sparse_K = torch.from_numpy(world.rows_U)[user.code_K] <= SPARSE
    assert int(is_sparse_K.sum()) == int((world.rows_U <= SPARSE).sum()), "whether or not they watched anything"
    assert torch.equal(user.vector_KD[~is_sparse_K], filled.vector_KD[~is_sparse_K])
    assert len(filled.vector_KD[is_sparse_K].unique(dim=0)) == 1 < len(user.vector_KD[is_sparse_K].unique(dim=0))


@pytest.mark.slow
def test_equal_seeds_give_equal_vectors_and_torchs_own_generator_stays(world: World) -> None:
    torch.manual_seed(9)
    (first, _), drawn_after = learn(world, epochs=2), torch.rand(1)
    torch.manual_seed(9)
    assert torch.equal(drawn_after, torch.rand(1))
    assert torch.equal(first.vector_KD, learn(world, epochs=2)[0].vector_KD)
    assert not torch.equal(first.vector_KD, learn(world, seed=1, epochs=2)[0].vector_KD)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rich": 5}, "rich 5 must be above sparse 5: a rich user's last row is kept"),
        ({"teacher": {"kind": "metric", "watched": "like"}}, "watched: set it beside teacher, not in it"),
        ({"teacher": {"kind": "distilled"}}, "directau"),
    ],
)
def test_what_says_nothing_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DistilledConfig.model_validate(options)


def test_a_world_without_rich_users_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="no user with 50 rows of the fit days watched anything: lower rich"):
        learn(world, rich=50)
