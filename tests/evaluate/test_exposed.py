"""A paired comparison under uniform exposure: which rows it uses, when it is left out, and that it shows harm."""

import numpy as np
import polars as pl
import pytest

from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.pairwise import xauc_influence

CONFIG = EvaluationConfig(replicates=100)
ROWS = 4000
EXPOSED = {"random_xauc", "random_auc_long_view", "snips_xauc", "snips_auc_long_view"}


def some_random(table, share: float = 0.3, logged: bool = True) -> pl.DataFrame:
    """A table with rows exposed at random, and probabilities of the others if asked for."""
    at_random = np.random.default_rng(1).random(ROWS) < share
    chance = np.random.default_rng(2).uniform(0.005, 0.03, ROWS) if logged else np.full(ROWS, np.nan)
    return table(rows=ROWS, users=600).with_columns(
        policy=pl.Series(np.where(at_random, "random", "standard")),
        exposure_probability=pl.Series(np.where(at_random, np.nan, chance)),
    )


def test_pair_metrics_on_random_rows_are_those_of_a_table_of_random_rows_alone(write_table, table):
    frame = some_random(table)
    worse = frame.with_columns(score_s0=-pl.col("duration_ms").cast(pl.Float64))
    found = compare([write_table("worse", worse)], [write_table("good", frame)], CONFIG).metrics
    assert set(found) >= EXPOSED
    part = frame.filter(pl.col("policy") == "random")
    users = encode_groups(part["user_id"].to_numpy())
    alone = xauc_influence(part["y_s"].to_numpy(), part["score_s0"].to_numpy(), users).value
    assert found["random_xauc"].reference == pytest.approx(alone)
    assert (found["random_xauc"].rows, found["random_xauc"].positives) == (part.height, None)
    assert found["random_auc_long_view"].positives == part["long_view"].sum()
    assert found["xauc"].rows == found["snips_xauc"].rows == ROWS - part.height
    for name in ("random_xauc", "snips_xauc"):
        assert found[name].high < 0
    assert found["random_auc_long_view"].value == 0


def test_equal_weights_compare_as_no_weights_do(write_table, table):
    frame = some_random(table).with_columns(
        exposure_probability=pl.when(pl.col("policy") == "standard").then(0.01).otherwise(None)
    )
    noisy = frame.with_columns(score_s0=pl.col("score_s0") + pl.Series(np.random.default_rng(3).normal(0, 1, ROWS)))
    found = compare([write_table("noisy", noisy)], [write_table("good", frame)], CONFIG).metrics
    assert found["snips_xauc"].value == pytest.approx(found["xauc"].value)
    assert found["snips_xauc"].standard_error == pytest.approx(found["xauc"].standard_error)


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"share": 0.0, "logged": False}, set()),
        ({"share": 1.0}, set()),
        ({"share": 0.01, "logged": False}, set()),
        ({"share": 0.3, "logged": False}, {"random_xauc", "random_auc_long_view"}),
        ({"share": 0.0}, {"snips_xauc", "snips_auc_long_view"}),
    ],
)
def test_only_what_can_be_trusted_is_compared(write_table, table, keywords, expected):
    path = write_table("model", some_random(table, **keywords))
    assert set(compare([path], [path], CONFIG).metrics) & EXPOSED == expected


def test_too_few_long_views_leave_the_auc_out(write_table, table):
    frame = some_random(table).with_columns(long_view=(pl.int_range(pl.len()) < 30).cast(pl.Int8))
    found = set(compare([write_table("m", frame)], [write_table("m", frame)], CONFIG).metrics)
    assert found & EXPOSED == {"random_xauc", "snips_xauc", "snips_auc_long_view"}
