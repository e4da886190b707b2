"""The value of serving by score against the truth of a log whose policy, users and videos are known."""

import json
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from tasks.core.document import read_document
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import ServedEstimate, ServedValue
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.served_value import TOP_SHARE, served_value, share_in_top, uniform_places
from tasks.evaluate.stage import evaluate

CONFIG = EvaluationConfig(replicates=400, segments=())
USERS, VIDEOS, ROWS = 250, 60, 25_000


@dataclass
class World:
    """Expected seconds of every pair, a score that knows part of it, and what a popularity-minded policy logged."""

    expected_UV: np.ndarray
    score_UV: np.ndarray
    frame: pl.DataFrame

    @property
    def uniform(self) -> float:
        return float(self.expected_UV.mean())

    @property
    def by_score(self) -> float:
        order_UV = np.argsort(-self.score_UV, axis=1)[:, : round(TOP_SHARE * VIDEOS)]
        return float(np.take_along_axis(self.expected_UV, order_UV, axis=1).mean())


@pytest.fixture(scope="module")
def world(table) -> World:
    draw = np.random.default_rng(7)
    expected_UV = 8 + 4 * draw.random((USERS, 1)) + 6 * draw.random((USERS, VIDEOS)) + 2 * draw.random(VIDEOS)
    score_UV = expected_UV + draw.normal(0, 1, (USERS, VIDEOS))
    chance_V = np.linspace(0.5, 1.5, VIDEOS) / VIDEOS
    user, video = np.repeat(np.arange(USERS), ROWS // USERS), draw.choice(VIDEOS, ROWS, p=chance_V)
    seconds = np.maximum(expected_UV[user, video] + draw.normal(0, 3, ROWS), 0.1)
    guess = score_UV[user, video]
    changes = {f"{name}_s0": guess for name in ("score", "watch_mean", "watch_median")}
    frame = table(rows=ROWS, users=USERS, user_id=user, video_id=video, y_s=seconds, **changes).with_columns(
        exposure_probability=pl.Series(chance_V[video])
    )
    return World(expected_UV, score_UV, frame)


def apart(estimate: ServedEstimate, truth: float) -> float:
    """Return the error in standard errors."""
    return abs(estimate.value - truth) / estimate.standard_error


def test_every_estimator_finds_the_value_of_each_policy(world: World, write_table) -> None:
    found = served_value(write_table("model", world.frame), CONFIG)
    policies = found.policies
    assert world.by_score > world.uniform + 2
    assert found.rows == ROWS
    assert apart(policies["uniform"]["snips"], world.uniform) < 3
    assert set(policies["score"]) == {"snips", "ips", "dr", "dr_os"}
    for name, estimate in policies["score"].items():
        assert estimate.value == pytest.approx(world.by_score, abs=0.2), name
        assert estimate.low < estimate.value < estimate.high, name
        assert estimate.reason == "", name
    assert policies["logged"]["ips"].value == pytest.approx(world.frame["y_s"].mean())
    dr, ips = policies["score"]["dr"], policies["score"]["ips"]
    assert dr.standard_error < ips.standard_error
    effective = policies["score"]["snips"].diagnostics.effective_rows
    assert 0.1 * ROWS < effective < TOP_SHARE * ROWS


def test_a_score_that_knows_nothing_is_worth_a_uniform_draw(world: World, write_table) -> None:
    blind = world.frame.with_columns(score_s0=pl.Series(np.random.default_rng(1).random(ROWS)))
    policies = served_value(write_table("blind", blind), CONFIG).policies
    for name, estimate in policies["score"].items():
        assert apart(estimate, world.uniform) < 3.5, name


def test_of_two_seeds_one_is_drawn(world: World, write_table) -> None:
    other = pl.Series(np.random.default_rng(1).random(ROWS))
    both = world.frame.with_columns(score_s1=other, watch_mean_s1=other, watch_median_s1=other)
    both = both.with_columns(pl.col("p_skip_s0").alias("p_skip_s1"), pl.col("p_like_s0").alias("p_like_s1"))
    both = both.with_columns(pl.col("p_long_view_s0").alias("p_long_view_s1"))
    alone = [world.frame, world.frame.with_columns(score_s0=other)]
    values = [served_value(write_table(f"m{i}", f), CONFIG).policies["score"] for i, f in enumerate([both, *alone])]
    for name in ("snips", "ips", "dr"):
        mixed, *single = (of[name].value for of in values)
        assert mixed == pytest.approx(np.mean(single), abs=1e-9), name


def test_logged_probabilities_up_to_a_factor_stop_ips_alone(world: World, write_table) -> None:
    factor = world.frame.with_columns(pl.col("exposure_probability") * 10)
    plain = served_value(write_table("plain", world.frame), CONFIG).policies["score"]
    scaled = served_value(write_table("scaled", factor), CONFIG).policies["score"]
    for name in ("snips", "dr", "dr_os"):
        assert scaled[name].value == pytest.approx(plain[name].value)
        assert scaled[name].reason == ""
    assert "up to a factor only" in scaled["ips"].reason


def test_too_few_effective_rows_are_said(world: World, write_table) -> None:
    strict = CONFIG.model_copy(update={"minimum_effective_rows": 10 * ROWS})
    found = served_value(write_table("model", world.frame), strict).policies["score"]
    assert all("effective rows are fewer than 250000" in estimate.reason for estimate in found.values())


def test_too_few_users_have_no_reward_model(world: World, write_table) -> None:
    few = world.frame.filter(pl.col("user_id") < 3)
    assert set(served_value(write_table("few", few), CONFIG).policies["score"]) == {"snips", "ips"}


@pytest.mark.slow
def test_the_stage_writes_it_only_where_probabilities_are_logged(world: World, write_table) -> None:
    with_log = write_table("with", world.frame, truncated=False)
    evaluate(with_log, CONFIG, with_log.parent)
    document = json.loads((with_log.parent / "served_value.json").read_text())
    assert document["top_share"] == TOP_SHARE
    assert read_document(with_log.parent / "served_value.json", ServedValue, "evaluate").as_json() == document
    none = pl.Series([None] * ROWS, dtype=pl.Float64)
    at_random = world.frame.with_columns(policy=pl.lit("random"))
    for name, frame in {"without": world.frame.with_columns(exposure_probability=none), "random": at_random}.items():
        path = write_table(name, frame, truncated=False)
        evaluate(path, CONFIG, path.parent)
        assert not (path.parent / "served_value.json").exists()


def test_places_by_hand() -> None:
    users = encode_groups(np.array([0, 0, 0, 0, 1]))
    score, weight = np.array([3.0, 1.0, 2.0, 2.0, 5.0]), np.array([1.0, 4.0, 2.0, 3.0, 7.0])
    low, high = uniform_places(score, weight, users)
    np.testing.assert_allclose(low, [0.9, 0, 0.4, 0.4, 0])
    np.testing.assert_allclose(high, [1, 0.4, 0.9, 0.9, 1])
    np.testing.assert_allclose(share_in_top(low, high), [1, 0, 0.2, 0.2, 0.2])


@pytest.mark.parametrize("seed", range(5))
def test_every_user_has_the_same_weight_in_the_top(seed: int) -> None:
    draw = np.random.default_rng(seed)
    users, weight = Groups(draw.integers(0, 40, 500), 40), draw.random(500) + 0.1
    low, high = uniform_places(draw.integers(0, 6, 500).astype(float), weight, users)
    top_U = users.sum(weight * share_in_top(low, high))
    np.testing.assert_allclose(top_U, TOP_SHARE * users.sum(weight))
