import numpy as np
import pytest

from tasks.table.items.controls import CONTROLS

SIZES = (4, 4)
VIDEOS = np.arange(4000) * 7 - 9


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    """Codes of which the second is never below the first."""
    return np.sort(np.random.default_rng(1).integers(0, 4, (4000, 2)), axis=1).astype(np.int32)


def test_shuffled_keeps_what_codes_there_are_and_nothing_of_whose_they_are(codes: np.ndarray) -> None:
    drawn = CONTROLS["shuffled"](VIDEOS, SIZES, codes)
    assert {*map(tuple, drawn.tolist())} == {*map(tuple, codes.tolist())}
    assert (drawn == codes).all(axis=1).mean() < 0.2
    shares = [np.bincount(of[:, 0] * 4 + of[:, 1], minlength=16) / len(of) for of in (codes, drawn)]
    np.testing.assert_allclose(shares[1], shares[0], atol=0.03)


def test_random_keeps_nothing_but_the_number_of_codes(codes: np.ndarray) -> None:
    drawn = CONTROLS["random"](VIDEOS, SIZES, codes)
    assert drawn.dtype == np.int32
    share = np.bincount(drawn[:, 0] * 4 + drawn[:, 1], minlength=16) / len(drawn)
    np.testing.assert_allclose(share, 1 / 16, atol=0.015)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_video_draws_the_same_codes_whatever_is_asked_for_beside(control: str, codes: np.ndarray) -> None:
    drawn = CONTROLS[control](VIDEOS, SIZES, codes)
    np.testing.assert_array_equal(CONTROLS[control](VIDEOS[::-1][:50], SIZES, codes)[::-1], drawn[-50:])
