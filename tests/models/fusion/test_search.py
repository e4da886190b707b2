import numpy as np
import pytest

from models.fusion.search import search


def bowl(centre: np.ndarray):
    return lambda point: -float(np.square(point - centre).sum())


def test_it_finds_the_top_of_a_bowl() -> None:
    centre = np.array([0.2, 0.9, 0.5, 0.65])
    found = search(bowl(centre), 4, 300, seed=1)
    assert found.trials == 300
    np.testing.assert_allclose(found.point, centre, atol=0.05)
    assert found.value == pytest.approx(bowl(centre)(found.point))


def test_it_beats_random_points_of_equal_number() -> None:
    centre = np.linspace(0.1, 0.9, 8)
    random = np.random.default_rng(0).random((300, 8))
    assert search(bowl(centre), 8, 300, seed=0).value > max(map(bowl(centre), random))


def test_the_origin_is_tried_first_and_wins_ties() -> None:
    tried: list[np.ndarray] = []

    def flat(point: np.ndarray) -> float:
        tried.append(point)
        return 1.0

    found = search(flat, 3, 30, seed=2)
    assert (tried[0] == 0).all()
    assert (found.point == 0).all()
    assert all(((point >= 0) & (point <= 1)).all() for point in tried)


def test_a_value_that_is_not_a_number_is_the_worst() -> None:
    found = search(lambda point: float("nan") if point[0] < 0.5 else point[0], 1, 60, seed=3)
    assert found.value > 0.9


def test_equal_seeds_give_equal_results_and_others_do_not() -> None:
    a, b, c = (search(bowl(np.array([0.3, 0.3])), 2, 50, seed=seed) for seed in (7, 7, 8))
    assert (a.point == b.point).all()
    assert (a.point != c.point).any()
