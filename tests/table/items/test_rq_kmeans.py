import numpy as np
import pytest

from tasks.table.items.rq_kmeans import RqKMeans

PLANTED = [-9.0, 0.0, 9.0]


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray]:
    """Content that is the sum of a coarse and a fine part, and which of each."""
    rng = np.random.default_rng(5)
    coarse, fine = rng.integers(0, 3, 600), rng.integers(0, 2, 600)
    content = np.stack([np.array(PLANTED)[coarse], np.array([-1.0, 1.0])[fine] + 0.1 * rng.normal(size=600)], axis=1)
    return content * [1.0, 5.0] + [100.0, -3.0], np.stack([coarse, fine], axis=1)


def agrees(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two labellings part rows alike."""
    pairs = {(int(a), int(b)) for a, b in zip(one, other, strict=True)}
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))


def test_levels_find_planted_parts(planted: tuple[np.ndarray, np.ndarray]) -> None:
    content, parts = planted
    found = RqKMeans.fit(content, levels=1, codewords=6, seed=0)
    assert agrees(found.encode(content)[:, 0], parts[:, 0] * 2 + parts[:, 1])


def test_each_level_codes_what_is_left_and_the_sum_reconstructs(planted: tuple[np.ndarray, np.ndarray]) -> None:
    content, _ = planted
    found = RqKMeans.fit(content, levels=3, codewords=4, seed=0)
    codes = found.encode(content)
    left = (content - content.mean(axis=0)) / content.std(axis=0)
    for level, codebook in enumerate(found.codebooks):
        distances = [[float(((row - centre) ** 2).sum()) for centre in codebook] for row in left]
        assert codes[:, level].tolist() == [of.index(min(of)) for of in distances]
        left = left - codebook[codes[:, level]]
    np.testing.assert_allclose(found.reconstruct(codes), content - left * content.std(axis=0), rtol=1e-12, atol=1e-12)
    errors = found.errors(content, codes)
    assert errors == sorted(errors, reverse=True) and errors[0] < 0.5
    assert errors[-1] == pytest.approx((left**2).mean(), rel=1e-9)


def test_codes_of_a_video_do_not_depend_on_the_others_asked_for(planted: tuple[np.ndarray, np.ndarray]) -> None:
    content, _ = planted
    found = RqKMeans.fit(content, levels=3, codewords=8, seed=0)
    new = content[:40] + 0.3
    one_by_one = np.concatenate([found.encode(row[None]) for row in new])
    np.testing.assert_array_equal(found.encode(np.concatenate([content, new]))[-40:], one_by_one)


def test_the_same_rows_give_the_same_bits(planted: tuple[np.ndarray, np.ndarray]) -> None:
    content, _ = planted
    one, again = (RqKMeans.fit(content, levels=2, codewords=8, seed=3) for _ in range(2))
    for codebook, other in zip(one.codebooks, again.codebooks, strict=True):
        np.testing.assert_array_equal(codebook, other)


def test_constant_columns_and_few_distinct_videos() -> None:
    content = np.array([[1.0, 7.0], [2.0, 7.0]] * 30)
    found = RqKMeans.fit(content, levels=2, codewords=8, seed=0)
    assert found.sizes == (2, 1)
    assert found.errors(content, found.encode(content)) == pytest.approx([0.0, 0.0], abs=1e-20)
