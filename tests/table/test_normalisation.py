import numpy as np

from tasks.table.normalisation import MomentAccumulator


def fitted(values: np.ndarray, *, parts: int = 1, clip: float = 10.0):
    moments = MomentAccumulator([f"x{i}" for i in range(values.shape[1])])
    for part in np.array_split(values, parts):
        moments.add(part)
    return moments.normalisation(clip)


def test_mean_and_scale_are_those_of_the_present_values() -> None:
    values = np.random.default_rng(0).normal(1e6, 3, (1000, 2))
    values[::7, 1] = np.nan
    found = fitted(values, parts=13)
    np.testing.assert_allclose(found.mean, np.nanmean(values, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.scale, np.nanstd(values, axis=0), rtol=1e-9)


def test_missing_is_the_mean_constants_are_zero_and_outliers_are_clipped() -> None:
    values = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan]])
    found = fitted(values, clip=4.0)
    out = found.apply(np.array([[2, 5, 1], [np.nan, 5, np.nan], [1e9, 5, np.nan]], dtype=np.float32))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, [[0, 0, 1], [0, 0, 0], [4, 0, 0]])


def test_unscaled_features_pass_as_they_are() -> None:
    moments = MomentAccumulator(["a", "b"])
    moments.add(np.array([[1.0, 1.0], [3.0, 3.0]]))
    out = moments.normalisation(10.0, unscaled=("b", "absent")).apply(
        np.array([[4, 4], [np.nan, np.nan]], dtype=np.float32)
    )
    np.testing.assert_array_equal(out, [[2, 4], [0, 0]])


def test_a_constant_that_floats_cannot_hold_exactly_is_still_constant() -> None:
    found = fitted(np.full((1000, 1), 0.1), parts=7)
    assert found.scale[0] == 1.0
