import numpy as np
import pytest

from benchmarks.sequence.protocol.floors import FLOORS, PSEUDO_COUNTS
from benchmarks.sequence.protocol.split import split
from tests.benchmarks.sequence_protocol.conftest import written

DATA = split(written("s5 p1 s6 s5 p2 n7 p1 s8 p3 s4 p4", "p1 s5", "p9 p9"))


def test_popularity_counts_positives_that_are_learned_from() -> None:
    score_I = FLOORS["item popularity"](DATA)
    assert score_I[[1, 2, 3, 4, 9]].tolist() == [3, 1, 0, 0, 2]


def test_skip_rates_are_shrunken_to_the_overall_one() -> None:
    """Learned from: positives 1, 2, 1, 1, 9, 9 and skips 5, 6, 5, 5; of those directly before a positive, 5 and 5."""
    overall = 4 / 10
    all_rows = FLOORS["item skip rate, all rows"](DATA)
    assert all_rows[5] == pytest.approx(-(3 + PSEUDO_COUNTS * overall) / (3 + PSEUDO_COUNTS))
    assert all_rows[1] == pytest.approx(-(0 + PSEUDO_COUNTS * overall) / (3 + PSEUDO_COUNTS))
    assert all_rows[4] == all_rows[8] == pytest.approx(-overall)
    overall = 2 / 8
    seen = FLOORS["item skip rate, rows the models see"](DATA)
    assert seen[5] == pytest.approx(-(2 + PSEUDO_COUNTS * overall) / (2 + PSEUDO_COUNTS))
    assert seen[6] == seen[7] == pytest.approx(-overall)
    assert seen[9] == pytest.approx(-(PSEUDO_COUNTS * overall) / (2 + PSEUDO_COUNTS))


def test_held_out_rows_move_no_floor() -> None:
    other = split(written("s5 p1 s6 s5 p2 n7 p1 s11 p12 s13 p14 s15", "p1 s5", "p9 p9"))
    for floor in FLOORS.values():
        assert np.array_equal(floor(DATA), floor(other))
