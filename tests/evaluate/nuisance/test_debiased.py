"""Seconds under uniform exposure of a judge day without logged probabilities, against the truth of a made-up world."""

import json
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from tasks.core.document import read_document
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import Debiased
from tasks.evaluate.nuisance.config import NuisanceConfig
from tasks.evaluate.nuisance.debiased import debiased
from tasks.evaluate.stage import evaluate

USERS, VIDEOS, ROWS = 400, 200, 8000
ASKED = NuisanceConfig(propensities=("logistic", "boosting"), outcomes=("ridge", "boosting"), draws=2)
BLIND = NuisanceConfig(propensities=("constant", "logistic"), outcomes=("constant", "ridge"))
CONFIG = EvaluationConfig(replicates=100, segments=())


class World:
    """Videos of which longer and more popular ones are shown more often and watched longer.

    Args:
        table: makes a prediction table.
        taste: how much the hidden taste of a user for a video moves exposure; it is worth up to 3 s either way.
        random_rows: exposed at random.
    """

    def __init__(self, table: Callable[..., pl.DataFrame], taste: float = 0.0, random_rows: int = 1500) -> None:
        draw = np.random.default_rng(11)
        length_V, popular_V = np.exp(draw.normal(3, 0.5, VIDEOS)), draw.integers(0, 400, VIDEOS)
        pull_V = 0.8 * (np.log(length_V) - 3) / 0.5 + 0.4 * (np.log1p(popular_V) - 5)
        expected_V = 4 + 2 * np.log(length_V) + 0.6 * np.log1p(popular_V)
        liked_UV = draw.normal(0, 1.5, (USERS, VIDEOS))
        chance_UV = np.exp(0.5 * pull_V + taste * liked_UV)
        reach_UV = (chance_UV / chance_UV.sum(axis=1, keepdims=True)).cumsum(axis=1)
        user = draw.integers(0, USERS, ROWS + random_rows)
        chosen = np.minimum((draw.random(len(user))[:, None] > reach_UV[user]).sum(axis=1), VIDEOS - 1)
        video = np.where(np.arange(len(user)) < ROWS, chosen, draw.integers(0, VIDEOS, len(user)))
        place = np.where(np.arange(len(user)) < ROWS, draw.integers(0, 4, len(user)), draw.integers(0, 12, len(user)))
        seconds = np.maximum(expected_V[video] + liked_UV[user, video] + draw.normal(0, 2, len(user)), 0.1)
        self.truth = float(np.mean(expected_V))
        predicted = {f"{name}_s0": expected_V[video] for name in ("score", "watch_mean", "watch_median")}
        made = table(
            rows=len(user), users=USERS, user_id=user, video_id=video, y_s=seconds, popularity=popular_V[video],
            is_new_video=np.zeros(len(user), np.int8), duration_ms=(1000 * length_V[video]).astype(np.int64), **predicted,
        )  # fmt: skip
        policy = pl.Series(np.where(np.arange(len(user)) < ROWS, "standard", "random"))
        self.frame = made.with_columns(policy=policy, position=pl.Series(place))


@pytest.fixture(scope="module")
def world(table: Callable[..., pl.DataFrame]) -> World:
    return World(table)


def apart(value: float | None, error: float, truth: float) -> float:
    """Return the error in standard errors."""
    assert value is not None
    return abs(value - truth) / error


@pytest.mark.slow
def test_the_truth_is_found_where_exposure_follows_what_is_read(world: World, write_table) -> None:
    found = debiased(write_table("model", world.frame, truncated=False), CONFIG, ASKED)
    assert (found.rows, found.random_rows, found.videos, found.reason) == (ROWS, 1500, VIDEOS, "")
    seconds, error = found.means["seconds"], found.means["absolute_error"]
    assert apart(seconds.value, seconds.standard_error, world.truth) < 3
    assert seconds.logged.low is not None and seconds.logged.low > world.truth + 0.3
    assert seconds.at_random is not None and seconds.at_random.low < world.truth < seconds.at_random.high
    assert seconds.reason == error.reason == ""
    assert len(seconds.pairs) == 4 and set(seconds.chosen) <= {(p.propensity, p.outcome) for p in seconds.pairs}
    for learner in found.propensities:
        assert learner.mean_weight == pytest.approx(1, abs=0.05) and 500 < learner.effective_rows < ROWS
    assert error.at_random is not None
    assert apart(error.value, error.standard_error, error.at_random.value or 0) < 4


def test_learners_that_know_nothing_are_avoided_or_refused(world: World, write_table) -> None:
    seconds = debiased(write_table("model", world.frame, truncated=False), CONFIG, BLIND).means["seconds"]
    (nothing,) = (p for p in seconds.pairs if (p.propensity, p.outcome) == ("constant", "constant"))
    assert apart(nothing.value, nothing.standard_error, world.truth) > 6
    assert ("constant", "constant") not in seconds.chosen or seconds.reason


@pytest.mark.slow
def test_taste_that_no_learner_reads_leaves_all_of_them_wrong_together(table, write_table) -> None:
    """The limit that the report states: a small swing. Only rows exposed at random refuse it; without them it counts."""
    hidden = World(table, taste=0.5)
    seconds = debiased(write_table("hidden", hidden.frame, truncated=False), CONFIG, ASKED).means["seconds"]
    assert seconds.swing < seconds.bound
    assert apart(seconds.value, seconds.standard_error, hidden.truth) > 5
    assert seconds.at_random is not None and seconds.at_random.low < hidden.truth < seconds.at_random.high
    assert seconds.reason.startswith(f"it is {seconds.value:.3g}, and the rows exposed at random say ")
    logged = hidden.frame.filter(pl.col("policy") != "random")
    alone = debiased(write_table("logged", logged, truncated=False), CONFIG, ASKED).means["seconds"]
    assert alone.reason == "" and alone.at_random is None


def test_places_are_audited_where_some_rows_are_random(world: World, write_table) -> None:
    found = debiased(write_table("model", world.frame, truncated=False), CONFIG, BLIND).position
    assert found is not None and found.random_rows == 1500
    assert found.value is not None and found.standard_error is not None and found.p < 1e-3
    assert abs(found.value) < 4 * found.standard_error, "places move nothing here"
    assert found.at_random.low < 0 < found.at_random.high
    logged = world.frame.filter(pl.col("policy") != "random")
    assert debiased(write_table("logged", logged, truncated=False), CONFIG, BLIND).position is None
    even = world.frame.with_columns(position=pl.Series(np.random.default_rng(0).integers(0, 10, world.frame.height)))
    refused = debiased(write_table("even", even, truncated=False), CONFIG, BLIND).position
    assert refused is not None and refused.value is None and "does not depend on the instrument" in refused.reason


def test_too_few_rows_say_so(world: World, write_table) -> None:
    few = debiased(write_table("few", world.frame.head(300), truncated=False), CONFIG, ASKED)
    assert few.reason == "300 logged rows are fewer than 1000 (evaluation.nuisance.minimum_rows)" and not few.means
    one = debiased(write_table("one", world.frame.filter(pl.col("user_id") < 3), truncated=False), CONFIG,
                   ASKED.model_copy(update={"minimum_rows": 10}))  # fmt: skip
    assert "3 users of logged rows cannot be dealt into 5 folds" in one.reason
    none = world.frame.with_columns(policy=pl.lit("random"))
    assert debiased(write_table("none", none, truncated=False), CONFIG, ASKED).reason.startswith("0 logged rows")


def test_the_stage_writes_it_only_where_it_is_asked_for(world: World, write_table) -> None:
    small = world.frame.sample(2500, seed=1)
    for name, nuisance in (("with", BLIND), ("without", None)):
        path = write_table(name, small, truncated=False)
        evaluate(path, CONFIG.model_copy(update={"nuisance": nuisance}), path.parent)
    written = (path.parents[1] / "with" / "debiased.json").read_text()
    assert read_document(path.parents[1] / "with" / "debiased.json", Debiased, "evaluate").as_json() == json.loads(
        written
    )
    assert not (path.parents[1] / "without" / "debiased.json").exists()
    assert "nuisance" not in json.loads((path.parents[1] / "without" / "metrics.json").read_text())["config"]
    again = write_table("again", small, truncated=False)
    evaluate(again, CONFIG.model_copy(update={"nuisance": BLIND}), again.parent)
    assert (again.parent / "debiased.json").read_text() == written
