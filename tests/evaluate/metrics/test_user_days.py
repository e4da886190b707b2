"""XGAUC within a user's day against a loop over pairs: groups, ties, one day, and what a day is where midnight is not UTC's."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from tasks.evaluate.metrics.classification import gauc
from tasks.evaluate.metrics.grouped import grouped_xauc, xgauc
from tasks.evaluate.metrics.groups import Groups, encode_groups, user_days
from tasks.ingest.clock import arrival_day


def by_pairs(label, score, user, day) -> float:
    """XGAUC within a user's day, pair by pair."""
    total = weight = 0.0
    for group in sorted(set(zip(user, day, strict=True))):
        inside = [row for row in range(len(label)) if (user[row], day[row]) == group]
        won, pairs = 0.0, 0
        for i in inside:
            for j in inside:
                if round(label[i]) > round(label[j]):
                    pairs += 1
                    won += 1.0 if score[i] > score[j] else 0.5 * (score[i] == score[j])
        if pairs:
            total, weight = total + len(inside) * won / pairs, weight + len(inside)
    return total / weight


@pytest.mark.parametrize("levels", [2, 5, 1000], ids=["many ties", "some ties", "few ties"])
@pytest.mark.parametrize("days", [1, 2, 5])
def test_equals_a_loop_over_pairs(levels: int, days: int) -> None:
    draw = np.random.default_rng([levels, days])
    user, day = draw.integers(0, 40, 300), draw.integers(0, days, 300)
    label, score = draw.integers(0, 30, 300).astype(float), draw.integers(0, levels, 300).astype(float)
    users = encode_groups(user)
    found = xgauc(label, score, users, encode_groups(day))
    assert found.value == pytest.approx(by_pairs(label, score, user, day), abs=1e-12)
    assert found.num_users == users.num_groups


def test_of_one_day_is_the_value_over_users_to_the_last_bit() -> None:
    draw = np.random.default_rng(3)
    users, one_day = encode_groups(draw.integers(0, 90, 700)), encode_groups(np.zeros(700))
    label, score = draw.exponential(20, 700), draw.normal(size=700)
    before, found = grouped_xauc(label, score, users), xgauc(label, score, users, one_day)
    assert (found.numerator_U == before.numerator_U).all() and (found.denominator_U == before.denominator_U).all()
    assert found.result() == before.result()
    assert xgauc(label, score, users).value == before.value


def test_a_users_days_count_as_groups_and_resample_together() -> None:
    draw = np.random.default_rng(4)
    users, days = encode_groups(np.repeat(np.arange(30), 12)), encode_groups(np.tile(np.repeat(np.arange(3), 4), 30))
    label, score = draw.exponential(20, 360), draw.normal(size=360)
    weights = draw.multinomial(30, np.full(30, 1 / 30), size=1)
    drawn = np.concatenate([np.flatnonzero(users.code_B == u) for u in range(30) for _ in range(weights[0, u])])
    redrawn = user_days(encode_groups(np.repeat(np.arange(30), 12)), days.subset(drawn))
    order, chance = xgauc(label, score, users, days), gauc(label > 10, score, user_days(users, days)).of_users(users)
    for found, expected in (
        (order, grouped_xauc(label[drawn], score[drawn], redrawn)),
        (chance, gauc(label[drawn] > 10, score[drawn], redrawn)),
    ):
        assert found.replicates(weights)[0] == pytest.approx(expected.value, abs=1e-12)
        assert 30 < found.num_groups <= 90


def test_a_day_ends_at_local_midnight() -> None:
    """Two rows of one UTC day on either side of Shanghai's midnight are never compared."""
    evening = dt.datetime(2022, 5, 1, 15, 30, tzinfo=dt.UTC)
    times = [int((evening + dt.timedelta(minutes=step)).timestamp() * 1000) for step in (0, 10, 40, 50)]
    label, score, users = np.array([9.0, 1, 20, 30]), np.array([1.0, 2, 3, 4]), Groups(np.zeros(4, dtype=np.int64), 1)

    def days(timezone: str) -> Groups:
        return encode_groups(pl.select(arrival_day(pl.Series("known_at_ms", times), timezone)).to_series().to_numpy())

    assert xgauc(label, score, users, days("Asia/Shanghai")).value == 0.5
    assert xgauc(label, score, users, days("UTC")).value == pytest.approx(5 / 6)


def test_days_of_another_table_are_refused() -> None:
    with pytest.raises(ValueError, match="3 users and 2 days: not one table"):
        user_days(encode_groups(np.arange(3)), encode_groups(np.arange(2)))
