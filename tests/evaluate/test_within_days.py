"""The headline does not reward a state that contains an earlier row's label, as pairs across days do."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import ConfigError
from tasks.evaluate.bins import BinEdges
from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.evaluation import UnknownMetric, measure
from tasks.evaluate.headline import statistic
from tasks.evaluate.metrics.grouped import grouped_xauc
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import observed, predicted
from tasks.evaluate.table import PredictionTable

CONFIG = EvaluationConfig(replicates=200, list_lengths=(2,), segments=())
USERS, ROWS_A_DAY, DAYS = 400, 2, 3
FIRST = dt.date(2022, 5, 1)


def log(day: int) -> np.ndarray:
    """Watched seconds of a day, [users, rows]: users differ, and nothing orders one user's rows."""
    taste = np.random.default_rng(0).normal(2.5, 0.5, (USERS, 1))
    return np.exp(taste + np.random.default_rng([1, day + 1]).normal(0, 0.8, (USERS, ROWS_A_DAY)))


def state(day: int) -> np.ndarray:
    """A user's mean over all rows before a morning, [users]; one day of history stands before the first."""
    return np.mean([log(before) for before in range(-1, day)], axis=(0, 2))


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, table) -> dict[str, list[Path]]:
    """Model -> prediction tables of days in order; `past mean` and its negation follow the state of every morning."""
    folder = tmp_path_factory.mktemp("nights")
    scores = {"past mean": 1.0, "minus past mean": -1.0}
    found: dict[str, list[Path]] = {name: [] for name in scores}
    for day in range(DAYS):
        watch = log(day).ravel()
        blank = table(rows=watch.size, users=USERS, seed=day)
        known = np.repeat(state(day), ROWS_A_DAY)
        for name, sign in scores.items():
            score = sign * known + np.random.default_rng([2, day, int(sign > 0)]).normal(0, 1e-9, watch.size)
            frame = blank.with_columns(
                user_id=np.repeat(np.arange(USERS), ROWS_A_DAY),
                day=pl.lit(FIRST + dt.timedelta(days=day)),
                y_s=watch,
                watch_ms=(1000 * watch).astype(np.int64),
                duration_ms=pl.lit(10**7),
                long_view=(watch > 18).astype(np.int8),
                score_s0=score,
                p_long_view_s0=1 / (1 + np.exp(-score / 20)),
            )
            path = folder / f"{name}-{day}.parquet"
            frame.write_parquet(path)
            found[name].append(path)
    return found


@pytest.fixture(scope="module")
def pooled(nights: dict[str, list[Path]]) -> dict[str, Path]:
    """Model -> one table of all days, as a protocol of several judge days writes it."""
    found = {}
    for name, paths in nights.items():
        found[name] = paths[0].with_name(f"{name}.parquet")
        pl.concat([pl.read_parquet(path) for path in paths]).write_parquet(found[name])
    return found


@pytest.mark.parametrize(("name", "low", "high"), [("past mean", 0.39, 0.43), ("minus past mean", 0.57, 0.61)])
def test_the_artefact_is_planted_and_the_headline_gives_it_one_half(
    name: str, low: float, high: float, pooled: dict[str, Path]
) -> None:
    table = PredictionTable.read(name, [pooled[name]])
    across = grouped_xauc(table.y, table.score(0), encode_groups(table.frame["user_id"].to_numpy())).value
    assert low < across < high
    headline = measure(pooled[name], CONFIG, name=name).metrics
    assert headline["xgauc"].low < 0.5 < headline["xgauc"].high
    assert headline["gauc_long_view"].low < 0.5 < headline["gauc_long_view"].high
    assert "xgauc_across_days" not in headline


def test_the_gates_pool_of_nights_sees_no_difference_between_the_sign_and_its_opposite(
    nights: dict[str, list[Path]],
) -> None:
    found = compare(nights["minus past mean"], nights["past mean"], CONFIG)
    assert len(found.days) == DAYS
    assert abs(found.metrics["xgauc"].value) < 3 * found.metrics["xgauc"].standard_error


def test_across_days_is_measured_where_features_are_frozen_and_refused_where_they_are_fresh(
    pooled: dict[str, Path], nights: dict[str, list[Path]]
) -> None:
    path = pooled["past mean"]
    frozen = measure(path, CONFIG, name="frozen", frozen=True).metrics
    table = PredictionTable.read("frozen", [path])
    expected = grouped_xauc(table.y, table.score(0), encode_groups(table.frame["user_id"].to_numpy())).value
    assert frozen["xgauc_across_days"].value == pytest.approx(expected, abs=1e-12)
    with pytest.raises(UnknownMetric, match=r"over 3 days: their features are of every morning.*days\.frozen: true"):
        measure(path, CONFIG, name="fresh").metric("xgauc_across_days")
    resampler = Resampler(table.num_users, 100, 0)
    rows = observed(table, BinEdges.of(table, CONFIG).duration_groups(table), resampler, (), 0)
    with pytest.raises(ConfigError, match="xgauc_across_days of rows of 3 days: their features are of every morning"):
        statistic("xgauc_across_days", rows, predicted(table, 0, ()), CONFIG)
    night = PredictionTable.read("night", nights["past mean"][:1])
    of_day = observed(night, BinEdges.of(night, CONFIG).duration_groups(night), resampler, (), 0)
    both = [statistic(name, of_day, predicted(night, 0, ()), CONFIG).value for name in ("xgauc", "xgauc_across_days")]
    assert both[0] == both[1]
