"""The law against counting, and what it expects against every pair of rows."""

import numpy as np
import pytest

from tasks.evaluate.metrics.pairwise import xauc
from tasks.forecast.law import SCORE_BINS, Law, seeded_pairs

RNG = np.random.default_rng(0)
ROWS = 1000
SCORE = np.round(RNG.normal(0, 1, ROWS), 1)
DURATION = np.round(RNG.uniform(5, 60, ROWS), 3)
WATCH = np.round(np.minimum(np.exp(1 + SCORE + RNG.normal(0, 1, ROWS)), DURATION), 3)


@pytest.fixture(scope="module")
def law() -> Law:
    return Law.fit(WATCH, SCORE, DURATION)


def test_cells_hold_all_rows_by_duration_and_score(law: Law) -> None:
    cell = law.cells(SCORE, DURATION)
    assert len(law.score_cuts) == 10
    assert np.bincount(cell).min() > 0
    for number in range(cell.max() + 1):
        inside = DURATION[cell == number]
        between = [np.sum(cut <= inside.min()) == np.sum(cut <= inside.max()) for cut in law.duration_cuts]
        assert all(between), "one duration group a cell"
    far = law.cells(np.array([-99.0, 99.0]), np.array([0.1, 999.0]))
    assert far.tolist() == [0, cell.max()]


def test_chances_are_those_of_counting(law: Law) -> None:
    cell, label = law.cells(SCORE, DURATION), np.rint(WATCH)
    for a, b in ((0, 0), (0, 5), (5, 0), (3, 8)):
        counted = np.mean(label[cell == a][:, None] > label[cell == b][None, :])
        assert law.more_CC[a, b] == pytest.approx(counted, abs=1e-15)


def test_expected_xauc_is_that_of_all_pairs(law: Law) -> None:
    """Seeded pairs against every pair of another day's rows, labels drawn from the law itself many times."""
    score, duration = SCORE[:150] + 0.5, DURATION[:150]
    first, second = (index.ravel() for index in np.indices((150, 150)))
    apart = first != second
    every = law.xauc(score, duration, first[apart], second[apart])
    seeded = law.xauc(score, duration, *seeded_pairs(150))
    assert seeded == pytest.approx(every, abs=0.001)
    cell, of_law = law.cells(score, duration), law.cells(SCORE, DURATION)
    drawn = np.array([RNG.choice(WATCH[of_law == one], 100) for one in cell])
    assert np.mean([xauc(drawn[:, number], score).value for number in range(100)]) == pytest.approx(every, abs=0.005)


def test_of_its_own_rows_the_law_expects_what_was_measured(law: Law) -> None:
    assert law.xauc(SCORE, DURATION, *seeded_pairs(ROWS)) == pytest.approx(xauc(WATCH, SCORE).value, abs=0.01)


def test_more_rows_make_finer_cells_and_equal_labels_no_xauc() -> None:
    score, duration = RNG.random(20_000), RNG.random(20_000)
    fine = Law.fit(score, score, duration)
    assert {cuts.size + 1 for cuts in fine.score_cuts} == {SCORE_BINS}
    flat = Law.fit(np.ones(100), score[:100], np.ones(100))
    assert not flat.more_CC.any()
    assert np.isnan(flat.xauc(score[:100], np.ones(100), *seeded_pairs(100)))


def test_pairs_are_of_different_rows_and_the_same_every_time() -> None:
    first, second = seeded_pairs(10, 1000)
    assert (first != second).all() and {first.max(), second.max(), first.min()} == {9, 0}
    assert np.array_equal(seeded_pairs(10, 1000)[0], first)
