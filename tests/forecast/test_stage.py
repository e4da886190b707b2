"""Nights of a world whose truth is known: what is said before labels exist, what comes, and what is missing when."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.files import hash_tree
from tasks.core.layout import partition
from tests.forecast.conftest import Nights, served

More = Callable[..., Nights]
METRICS = {"xauc", "seconds", "skip_rate"}


@pytest.mark.slow
def test_steady_nights_are_held_and_raise_no_alarm(steady: Nights) -> None:
    last = steady.past[-1]
    assert [record.alarms for record in steady.past] == [()] * 16
    assert last.tomorrow.keys() == last.nowcast.keys() == last.realised.keys() == METRICS
    for series in ("forecast", "nowcast"):
        for metric in METRICS:
            found = last.coverage[series][metric]
            assert found.judged == 15
            assert found.held >= 12
    assert last.realised["seconds"] == pytest.approx(7600 * 9.7, rel=0.1)
    assert last.rows == 7600, "randomly exposed rows are not counted"
    assert last.tomorrow["xauc"].half_width < 0.02


@pytest.mark.slow
def test_doubled_share_of_a_scene_is_foreseen_by_the_nowcast_alone(tomorrow: More) -> None:
    found = tomorrow(share=0.4).judge()
    for metric in METRICS:
        came = found.realised[metric]
        assert abs(found.forecast[metric].value - came) > 3 * abs(found.nowcast[metric].value - came), metric
        assert not found.forecast[metric].holds(came), metric
    assert {(alarm.series, alarm.metric) for alarm in found.alarms} == {("forecast", metric) for metric in METRICS}


@pytest.mark.slow
def test_a_higher_level_of_watching_is_missed_by_the_nowcast_and_raises_the_alarm(tomorrow: More) -> None:
    found = tomorrow(level=1.1).judge()
    said, came = found.nowcast["seconds"], found.realised["seconds"]
    assert came > said.upper, "the same impressions promise what they promised before"
    assert ("nowcast", "seconds") in {(alarm.series, alarm.metric) for alarm in found.alarms}
    assert found.nowcast["xauc"].holds(found.realised["xauc"]), "people watch longer in the same order"


@pytest.mark.slow
def test_a_night_run_again_has_the_same_bytes(tomorrow: More) -> None:
    nights = tomorrow()
    nights.judge()
    before = hash_tree(nights.root / "out")
    nights.judge()
    assert hash_tree(nights.root / "out") == before


def without_skips(nights: Nights, *tables: Path) -> dict[str, Any]:
    """Take the predicted skips out of tables."""
    for path in tables:
        frame = pl.read_parquet(path).drop("p_skip_s0")
        path.unlink()
        frame.write_parquet(path)
    return {}


def another(nights: Nights) -> dict[str, Any]:
    """Serve another recipe than the winner of the night before: a person promoted it."""
    champion = nights.inputs().champion
    return {"champion": replace(champion, served=served(nights.days[-2], "forced"))}


def one_user(nights: Nights) -> dict[str, Any]:
    """Let the night's day hold one impression of one user."""
    day = nights.days[-1]
    for path in (nights.table(day), partition(nights.root / "features/rows", day)):
        frame = pl.read_parquet(path, hive_partitioning=False).filter(policy="standard").head(1)
        frame.write_parquet(path)
    return {}


def standing(nights: Nights) -> dict[str, Any]:
    return {"serves": nights.inputs().champion}


CASES: dict[str, tuple[Callable[[Nights], dict[str, Any]], str, str, str, str]] = {
    # what the night is like -> realised, forecast and nowcast of its day, forecast of the next: x(auc), s(econds), k (skips)
    "as ever": (lambda _: {}, "xsk", "xsk", "xsk", "xsk"),
    "the champion stays": (standing, "xsk", "xsk", "xsk", "xsk"),
    "first night": (lambda _: {"champion": None, "past": ()}, "sk", "", "", "xsk"),
    "the champion was retired": (lambda _: {"champion": None}, "sk", "sk", "", "xsk"),
    "every model was refused": (lambda _: {"champion": None, "serves": None}, "sk", "sk", "", ""),
    "a person promoted another recipe": (another, "xsk", "sk", "xsk", "xsk"),
    "the night before was missed": (lambda nights: {"past": tuple(nights.past[:-1])}, "xsk", "", "xsk", "xsk"),
    "no evidence": (
        lambda nights: {"champion": replace(nights.inputs().champion, earlier=())},
        "xsk",
        "xsk",
        "",
        "xsk",
    ),
    "skips are not predicted": (
        lambda nights: without_skips(nights, nights.inputs().champion.judged),
        "xsk",
        "xsk",
        "xs",
        "xsk",
    ),
    "the law's last fit had too few skips": (
        lambda nights: without_skips(nights, nights.inputs().champion.earlier[-1]),
        "xsk",
        "xsk",
        "xs",
        "xsk",
    ),
    "one impression": (one_user, "sk", "xsk", "sk", ""),
    "replays are counted": (lambda _: {"truncate_watch": False}, "xsk", "xsk", "xk", "xsk"),
}
NOTES = {
    "first night": "no model served 2026-01-24: there is no nowcast of it",
    "every model was refused": "every model was refused, nothing serves 2026-01-25: nothing is forecast",
    "a person promoted another recipe": "XAUC of 2026-01-24 was forecast for d2q of night 2026-01-23, and forced of night 2026-01-23 served",
    "no evidence": "no evidence of an earlier night holds the champion's predictions",
    "skips are not predicted": "d2q does not predict skips",
    "the law's last fit had too few skips": "d2q does not predict skips",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_what_is_said_and_judged(tomorrow: More, case: str) -> None:
    change, realised, forecast, nowcast, next_day = CASES[case]
    nights = tomorrow()
    found = nights.judge(**change(nights))
    letters = {"x": "xauc", "s": "seconds", "k": "skip_rate"}
    for said, expected in zip(
        (found.realised, found.forecast, found.nowcast, found.tomorrow),
        (realised, forecast, nowcast, next_day),
        strict=True,
    ):
        assert said.keys() == {letters[letter] for letter in expected}
    assert (found.rows is None) == (not next_day)
    assert any(NOTES[case] in note for note in found.notes) if case in NOTES else case != "as ever" or not found.notes


@pytest.mark.slow
def test_a_champion_that_stands_is_forecast_from_the_days_it_served(tomorrow: More) -> None:
    """The carried line: each model replaced by its own refit of the same quality moves nothing but noise."""
    nights = tomorrow()
    found, past = nights.judge(), [record.reached for record in nights.past[-6:]]
    assert found.tomorrow["xauc"].raw == pytest.approx(sum([*past, found.reached]) / 7), "all models are one model here"
