"""What every fusion promises, over the registry and over random parameters.

Source: docs/methods/multi_task.md#score-fusion.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.stats import spearmanr

from models.fusion import SEARCHED, AnyFusion
from models.fusion.additive import AdditiveFusion
from models.fusion.base import MAX_PARAMETERS, Fusion
from models.fusion.monotone import MonotoneFusion
from models.fusion.multiplicative import MultiplicativeFusion
from models.fusion.rank_additive import DEPTH, RankAdditiveFusion, reference_curves

Array = NDArray[np.float64]
SIGNS: dict[str, Literal[-1, 1]] = {"watch_time": 1, "long_view": 1, "like": 1, "skip": -1, "hate": -1}
RATES = {"watch_time": 0.5, "long_view": 0.3, "like": 0.01, "skip": 0.4, "hate": 0.001}
KINDS = ("multiplicative", "additive linear", "additive log", "rank_additive", "monotone")


def day(rows: int = 400) -> dict[str, Array]:
    """Return scores of a made-up day with the rates of real tasks."""
    random = np.random.default_rng(5)
    scores = {task: random.beta(2, 2 / rate - 2 if rate < 0.5 else 2, rows) for task, rate in RATES.items()}
    return scores | {"watch_time": (np.argsort(np.argsort(scores["watch_time"])) + 0.5) / rows}


DAY = day()


def built(kind: str, point: Array) -> Fusion:
    if kind == "monotone":
        random = np.random.default_rng(int(1000 * point[0]))
        worth = random.normal(size=400) + DAY["watch_time"] * point[1] - DAY["skip"] * point[2]
        return MonotoneFusion.fit(SIGNS, DAY, worth, random.integers(0, 60, 400))
    name, _, space = kind.partition(" ")
    return SEARCHED[name].at(point, SIGNS, DAY, **({"space": space} if space else {}))


points = st.lists(st.floats(0, 1), min_size=len(SIGNS), max_size=len(SIGNS)).map(np.array)
row = st.fixed_dictionaries({task: st.floats(0, 1) for task in SIGNS})


def rows_of(*found: Mapping[str, float]) -> dict[str, Array]:
    return {task: np.array([one[task] for one in found]) for task in SIGNS}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(point=points, base=row, task=st.sampled_from(list(SIGNS)), step=st.floats(1e-3, 1))
def test_more_of_what_is_wanted_ranks_higher_and_of_what_is_unwanted_strictly_lower(
    kind: str, point: Array, base: dict[str, float], task: str, step: float
) -> None:
    low = base[task] * (1 - step)
    high = low + step
    below, above = built(kind, point)(rows_of({**base, task: low}, {**base, task: min(high, 1.0)}))
    if task == "watch_time" and kind in ("rank_additive", "monotone"):
        assert above >= below, "beyond the reference day, watch-time scores tie"
    elif SIGNS[task] > 0:
        assert above > below
    else:
        assert above < below


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(point=points, ends=st.lists(st.sampled_from([0.0, 1.0]), min_size=len(SIGNS), max_size=len(SIGNS)))
def test_scores_are_finite_at_certainty(kind: str, point: Array, ends: list[float]) -> None:
    assert np.isfinite(built(kind, point)(rows_of(dict(zip(SIGNS, ends, strict=True))))).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(point=points, order=st.permutations(range(12)), count=st.integers(1, 12))
def test_a_rows_score_does_not_depend_on_its_batch(kind: str, point: Array, order: list[int], count: int) -> None:
    """Some of the rows, in any order, get the very bits they get among all."""
    fusion, chosen = built(kind, point), np.array(order[:count])
    whole = fusion({task: values[:12] for task, values in DAY.items()})
    part = fusion({task: values[:12][chosen] for task, values in DAY.items()})
    np.testing.assert_array_equal(part, whole[chosen])


@pytest.mark.parametrize("kind", KINDS)
def test_a_fusion_comes_back_from_json_bit_for_bit(kind: str) -> None:
    fusion = built(kind, np.linspace(0.1, 0.9, len(SIGNS)))
    again: Any = TypeAdapter(AnyFusion).validate_json(json.dumps(fusion.model_dump(mode="json"), sort_keys=True))
    assert again == fusion
    np.testing.assert_array_equal(again(DAY), fusion(DAY))


def test_the_product_is_the_product() -> None:
    fusion = MultiplicativeFusion(
        signs={"watch_time": 1, "skip": -1},
        offset=0.25,
        slopes={"watch_time": 1.0, "skip": 2.0},
        powers={"watch_time": 1.0, "skip": 3.0},
    )
    found = fusion({"watch_time": np.array([0.5, 0.9]), "skip": np.array([0.2, 1.0])})
    np.testing.assert_allclose(np.exp(found), [0.75 * (0.25 + 2 * 0.8) ** 3, 1.15 * 0.25**3])


def test_the_sum_is_the_sum() -> None:
    shared: dict[str, Any] = {
        "signs": {"watch_time": 1, "skip": -1},
        "offset": 0.1,
        "weights": {"watch_time": 1.0, "skip": 2.0},
        "scales": {"watch_time": 0.5, "skip": 4.0},
    }
    scores = {"watch_time": np.array([0.5]), "skip": np.array([0.3])}
    np.testing.assert_allclose(AdditiveFusion(space="linear", **shared)(scores), [1.0 - 0.15])
    np.testing.assert_allclose(AdditiveFusion(space="log", **shared)(scores), [2 * np.log(0.6) - 0.5 * np.log(0.4)])


def test_inverse_ranks_are_those_of_the_reference_day() -> None:
    """The best watch score of the day ranks first, a sure skip last."""
    references = reference_curves({"watch_time": 1, "skip": -1}, DAY)
    fusion = RankAdditiveFusion(
        signs={"watch_time": 1, "skip": -1},
        smoothing=10.0,
        weights={"watch_time": 1.0, "skip": 2.0},
        references=references,
    )
    best = {"watch_time": np.array([DAY["watch_time"].max()]), "skip": np.array([1.0])}
    first = 1 + (DEPTH - 1) * 0.5 / 400
    np.testing.assert_allclose(fusion(best), [1 / (first + 10) + 2 / (DEPTH + 10)])


@pytest.mark.parametrize("kind", ["multiplicative", "additive linear", "additive log", "rank_additive"])
def test_at_the_origin_the_plain_score_all_but_decides(kind: str) -> None:
    fused = built(kind, np.zeros(len(SIGNS)))(DAY)
    assert spearmanr(fused, DAY["watch_time"]).statistic > 0.99


@pytest.mark.parametrize("kind", list(SEARCHED))
def test_parameters_stay_few(kind: str) -> None:
    assert SEARCHED[kind].num_parameters(8) <= MAX_PARAMETERS
    assert SEARCHED[kind].num_parameters(len(SIGNS)) == len(SIGNS)


def test_the_monotone_fusion_finds_a_monotone_worth() -> None:
    """Worth that bends: the curves follow it, and an offset of a user's own does not disturb them."""
    random = np.random.default_rng(3)
    scores = {"watch_time": random.random(4000), "skip": random.random(4000)}
    user = random.integers(0, 300, 4000)
    worth: Callable[[Array, Array], Array] = lambda watch, skip: 3 * np.sqrt(watch) - 2 * skip**2  # noqa: E731
    noisy = worth(scores["watch_time"], scores["skip"]) + 5 * random.normal(size=300)[user] + random.normal(size=4000)
    fusion = MonotoneFusion.fit({"watch_time": 1, "skip": -1}, scores, noisy, user)
    grid = np.linspace(0.02, 0.98, 25)
    fixed = np.full(25, 0.5)
    for task, other in (("watch_time", "skip"), ("skip", "watch_time")):
        found = fusion({task: grid, other: fixed})
        truth = worth(grid, fixed) if task == "watch_time" else worth(fixed, grid)
        np.testing.assert_allclose(found - found.mean(), truth - truth.mean(), atol=0.25)


def test_a_task_that_says_nothing_gets_a_flat_curve() -> None:
    random = np.random.default_rng(4)
    scores = {"watch_time": random.random(3000), "skip": random.random(3000)}
    worth = scores["watch_time"] + 0.3 * scores["skip"]  # skips are good here, which no fusion may learn
    fusion = MonotoneFusion.fit({"watch_time": 1, "skip": -1}, scores, worth, random.integers(0, 200, 3000))
    assert fusion.curves["skip"].y[-1] < 1e-3
    assert fusion.curves["watch_time"].y[-1] == pytest.approx(1.0, abs=0.05)
