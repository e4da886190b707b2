"""Law 2 for every column at once: change everything known only later, and nothing before it changes.

The check is then run on twins that leak on purpose, to show that it can fail.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.days import Days, midnight_ms
from tasks.core.files import read_json
from tasks.core.labels import LABELS
from tasks.core.layout import partition
from tasks.features import build, history, state
from tasks.features.build import build_features
from tasks.features.candidates import candidates
from tasks.features.config import FeatureConfig, FeatureGroup, Recency, Statistic, default_groups

TIMEZONE = "Asia/Shanghai"
OUTCOMES = {*LABELS, "watch_ms", "known_at_ms"}
KEY = ["user_id", "video_id", "event_time_ms"]
Write = Callable[..., Path]


def _config() -> FeatureConfig:
    """Every default group, in windows that fit the test's lookback; every statistic for users."""
    every = {"user": get_args(Statistic)}
    groups = {
        name: FeatureGroup(keys=group.keys, windows=(1, "decayed"), statistics=every.get(name, ("percentile", "skip")))
        for name, group in default_groups().items()
    }
    for name, key in (("user_author", "author_id"), ("user_video", "video_id"), ("user_music", "music_id")):
        groups[name] = FeatureGroup(keys=("user_id", key), statistics=("skip",), recency=get_args(Recency))
    return FeatureConfig(groups=groups, history_length=6)


def _small_config() -> FeatureConfig:
    """What the leaking twins need."""
    groups = {name: _config().groups[name] for name in ("user", "video", "user_music")}
    return FeatureConfig(groups=groups, history_length=6)


def _unknown_yet(cut: dt.date) -> pl.Expr:
    return pl.col("known_at_ms") > midnight_ms(cut, TIMEZONE)


def _change_outcomes(impressions: pl.DataFrame, cut: dt.date) -> pl.DataFrame:
    """Other outcomes and probabilities for everything that becomes known after the start of `cut`."""
    random = np.random.default_rng(1)
    late, n = _unknown_yet(cut), impressions.height
    flips = [
        pl.when(late).then(1 - pl.col(name)).otherwise(name).alias(name)
        for name in ("click", "like", "follow", "comment", "forward", "hate", "profile_enter")
    ]
    watch = pl.Series(random.integers(0, 10**5, n))
    return impressions.with_columns(
        pl.when(late).then(watch).otherwise("watch_ms").alias("watch_ms"),
        pl.when(late).then(pl.Series(random.integers(0, 2, n))).otherwise("long_view").alias("long_view"),
        *flips,
    )


def _delete(impressions: pl.DataFrame, cut: dt.date) -> pl.DataFrame:
    """Half of the rows of `cut`, and all but one of every later partition, are gone."""
    position = pl.int_range(pl.len()).over("arrival")
    later = (pl.col("arrival") > cut) & (position > 0)
    return impressions.filter(~later & ~((pl.col("arrival") == cut) & (position % 2 == 1)))


def _add(impressions: pl.DataFrame, cut: dt.date) -> pl.DataFrame:
    """Three more copies of everything unknown at `cut`, by other users on other videos, early on its day or late."""
    more = [
        impressions.filter(_unknown_yet(cut)).with_columns(
            user_id=(pl.col("user_id") + 1 + i) % 40,
            video_id=(pl.col("video_id") + 2 + i) % 36,
            event_time_ms=pl.col("event_time_ms") - 7 * i,
            watch_ms=pl.col("watch_ms") * 2,
        )
        for i in range(3)
    ]
    return pl.concat([impressions, *more])


def _features(validated: Path, days: Days, out: Path, config: FeatureConfig | None = None) -> Path:
    return build_features(validated, config or _config(), days, out, NoCluster()).folder


def _assert_nothing_known_changed(before: Path, after: Path, cut: dt.date, days: Days) -> None:
    """Compare every feature of rows shown on `cut` or earlier, and the states and histories of these days."""
    compared = 0
    for day in days.modelled:
        old, new = (pl.read_parquet(partition(root / "rows", day)) for root in (before, after))
        features = [name for name in old.columns if name not in OUTCOMES]
        visible = pl.col("event_day") <= cut
        old, new = (frame.filter(visible).select(features).unique(KEY, keep="none") for frame in (old, new))
        both = old.join(new, on=KEY, how="semi").sort(KEY)
        assert both.equals(new.join(old, on=KEY, how="semi").sort(KEY)), f"features of {day} changed"
        compared += both.height
    assert compared > 100
    for day in (day for day in (*days.modelled, days.serve) if day <= cut):
        states = sorted((before / "state" / f"day={day}").glob("*.parquet"))
        assert states or days.frozen_from
        for path in [*states, before / "history" / f"day={day}.parquet"]:
            other = after / path.relative_to(before)
            assert path.read_bytes() == other.read_bytes(), f"{path.name} of {day} changed"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, validated: Path, days: Days) -> Path:
    return _features(validated, days, tmp_path_factory.mktemp("original"))


@pytest.mark.slow
@pytest.mark.parametrize(("change", "offset"), [(_change_outcomes, 4), (_delete, 5), (_add, 6), (_change_outcomes, 7)])
def test_the_future_changes_no_feature(
    tmp_path: Path,
    original: Path,
    write_validated: Write,
    impressions: pl.DataFrame,
    days: Days,
    change: Callable[..., pl.DataFrame],
    offset: int,
) -> None:
    cut = dt.date(2024, 3, 1) + dt.timedelta(days=offset)
    changed = write_validated(tmp_path / "changed", change(impressions, cut))
    _assert_nothing_known_changed(original, _features(changed, days, tmp_path / "after"), cut, days)


@pytest.mark.slow
def test_frozen_features_do_not_see_the_frozen_days(
    tmp_path: Path, validated: Path, write_validated: Write, impressions: pl.DataFrame, days: Days
) -> None:
    cut = days.validation
    frozen = Days(days.fit[:2], days.fit[2], (cut, *days.judge), days.lookback, frozen_from=cut)
    before = _features(validated, frozen, tmp_path / "before", _small_config())
    changed = write_validated(tmp_path / "changed", _change_outcomes(impressions, cut))
    after = _features(changed, frozen, tmp_path / "after", _small_config())
    _assert_nothing_known_changed(before, after, cut, frozen)
    last = [pl.read_parquet(partition(root / "rows", days.judge[0])).drop(OUTCOMES) for root in (before, after)]
    assert last[0].equals(last[1])


@pytest.mark.slow
def test_candidates_see_no_more_than_the_rows_of_their_day(original: Path, days: Days) -> None:
    day = days.judge[0]
    rows = pl.read_parquet(partition(original / "rows", day)).filter(pl.col("state_day") == day)
    asked = rows.select(*KEY, "scene", "context_country", "duration_ms").lazy()
    served = candidates(original, asked, day).collect()
    assert served["position"].null_count() == served.height
    shared = [name for name in rows.columns if name in served.columns and name != "position"]
    not_asked = {"event_day", "arrival_day", "policy", "position", "exposure_probability"}
    assert set(rows.columns) - set(shared) == OUTCOMES | not_asked
    assert served.select(shared).equals(rows.select(shared))


def _leak_own_day(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookback(daily, day, lookback):
        return tuple((built.day, built.key) for built in daily if 0 <= (day - built.day).days <= lookback)

    monkeypatch.setattr(build, "_lookback", lookback)


def _leak_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prior mean is that of all days, the state's sums are not."""
    honest = state.window_means
    daily: list[Path] = []

    def whole_period(totals, weights, group):
        everything = [read_json(path)["totals"] for path in sorted(daily[-1].glob("day=*/manifest.json"))]
        return honest(everything, [1] * len(everything), group)

    original = state._write_groups

    def write_groups(task, past, folder):
        daily.append(task.features / "daily")
        original(task, past, folder)

    monkeypatch.setattr(state, "_write_groups", write_groups)
    monkeypatch.setattr(state, "window_means", whole_period)


def _leak_event_day_of_late_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Late rows read the state of their arrival day."""
    monkeypatch.setattr(build, "_state_day", lambda arrival, event, days: days.state_day(arrival))


def _leak_history(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = history.build_history

    def tomorrow(files, day, timezone, length, users):
        own = files[-1].parents[1] / f"day={day}" / files[-1].name if files else None
        return honest(
            [*files, own] if own and own.exists() else files, day + dt.timedelta(days=1), timezone, length, users
        )

    monkeypatch.setattr(history, "build_history", tomorrow)


def _leak_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's last event is one of the day itself, the sums beside it are not."""
    honest = state._concat

    def with_the_day_after(files, types):
        last = dt.date.fromisoformat(files[-1].parent.name.removeprefix("day=")) if files else None
        own = files[-1].parents[1] / f"day={last + dt.timedelta(days=1)}" / files[-1].name if last else None
        return honest([*files, own] if own and own.exists() else files, types)

    monkeypatch.setattr(state, "_concat", with_the_day_after)


@pytest.mark.slow
@pytest.mark.parametrize(
    "leak", [_leak_own_day, _leak_prior, _leak_event_day_of_late_rows, _leak_history, _leak_last_event]
)
def test_the_check_fails_on_a_twin_that_leaks(
    tmp_path: Path,
    validated: Path,
    write_validated: Write,
    impressions: pl.DataFrame,
    days: Days,
    monkeypatch: pytest.MonkeyPatch,
    leak: Callable[[pytest.MonkeyPatch], None],
) -> None:
    leak(monkeypatch)
    cut = days.validation
    before = _features(validated, days, tmp_path / "before", _small_config())
    changed = write_validated(tmp_path / "changed", _change_outcomes(impressions, cut))
    after = _features(changed, days, tmp_path / "after", _small_config())
    with pytest.raises(AssertionError, match="changed"):
        _assert_nothing_known_changed(before, after, cut, days)
