"""Forecasts in the ledger: what a night may know of them, and that events without one are what they were."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import RegistryError
from tasks.core.files import hash_value, read_json
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Decision
from tasks.registry import PinnedLedger, checkout_champion, read_checkout
from tasks.registry.forecast import Bounds, NightForecast
from tasks.registry.forecasts import NIGHTS, forecasts_at
from tasks.registry.ledger import Event
from tasks.registry.reign import pinned_events


def record(night: dt.date, came: float) -> NightForecast:
    """Return what a night says, told from others by its skip rate."""
    return NightForecast(
        night=night, served=None, realised={"skip_rate": came}, forecast={}, nowcast={},
        day=night + dt.timedelta(days=1), serves=None, reached=None, rows=None,
        tomorrow={"skip_rate": Bounds(raw=came, value=came, half_width=0.1)}, coverage={}, notes=("so it is",), alarms=(),
    )  # fmt: skip


@pytest.fixture
def add(nights: Any, decision: Callable[..., Decision]) -> Callable[..., Event]:
    """Return a function that registers a night with its forecast; another number is another decision."""

    def register(as_of: dt.date, came: float, rewrite: bool = False) -> Event:
        champion = nights.registry.champion_for(as_of)
        made = replace(nights.artifacts(as_of, champion is not None), forecast=record(as_of, came))
        return nights.registry.register(made, decision(as_of, None, champion, reason=f"came {came}"), rewrite)

    return register


def known(nights: Any, as_of: dt.date) -> list[float]:
    found = forecasts_at(pinned_events(nights.registry.path, nights.registry.ledger_for(as_of)), as_of)
    assert [one.night for one in found] == sorted(one.night for one in found)
    return [one.realised["skip_rate"] for one in found]


def test_a_night_knows_the_records_before_it_and_no_later_one(
    nights: Any, of_night: Any, add: Callable[..., Event]
) -> None:
    assert known(nights, of_night(1)) == []
    for number in (1, 2, 3):
        assert add(of_night(number), number / 10).forecast == record(of_night(number), number / 10)
    assert [known(nights, of_night(number)) for number in (1, 2, 3, 4)] == [[], [0.1], [0.1, 0.2], [0.1, 0.2, 0.3]]


def test_a_replay_adds_nothing_and_neither_does_a_night_decided_after_later_ones(
    nights: Any, of_night: Any, add: Callable[..., Event]
) -> None:
    for number in (1, 2, 4):
        add(of_night(number), number / 10)
    replay = add(of_night(2), 0.9)
    assert (replay.kind, replay.forecast) == ("replayed", None)
    add(of_night(3), 0.9)
    assert known(nights, of_night(5)) == [0.1, 0.2, 0.4]
    add(of_night(2), 0.8, rewrite=True)
    assert known(nights, of_night(5)) == [0.1, 0.2, 0.4]


def test_the_last_decision_of_a_night_stands(nights: Any, of_night: Any, add: Callable[..., Event]) -> None:
    add(of_night(1), 0.1)
    add(of_night(1), 0.7)
    assert known(nights, of_night(2)) == [0.7]


def test_sixty_nights_are_looked_back_on(nights: Any, of_night: Any, add: Callable[..., Event]) -> None:
    for number in range(1, NIGHTS + 3):
        add(of_night(number), number / 100)
    assert known(nights, of_night(NIGHTS + 3)) == pytest.approx([number / 100 for number in range(3, NIGHTS + 3)])


def test_the_stage_champion_checks_out_what_run_yaml_pins(
    nights: Any, of_night: Any, add: Callable[..., Event], tmp_path: Path
) -> None:
    add(of_night(1), 0.1)
    pinned = PinnedLedger(of_night(2), nights.registry.ledger_for(of_night(2)), GatePolicy())
    add(of_night(2), 0.2)
    checkout_champion(nights.registry.path, None, (), tmp_path / "champion", pinned)
    assert read_checkout(tmp_path / "champion").forecasts == (record(of_night(1), 0.1),)
    assert read_json(tmp_path / "champion/forecasts.json")[0]["notes"] == ["so it is"]
    with pytest.raises(RegistryError, match="does not begin with the events abc"):
        pinned_events(nights.registry.path, "abc")


def test_an_event_with_a_forecast_is_chained_and_one_without_hashes_as_before(
    nights: Any, of_night: Any, add: Callable[..., Event]
) -> None:
    without = nights.run(1, winner="a")
    former = without.model_dump(mode="json", exclude={"hash", "increments", "forecast", "field_ranks"})
    assert without.hash == hash_value(former)
    event = add(of_night(2), 0.2)
    assert nights.registry.history()[-1] == event
    path = nights.registry.path / "ledger.jsonl"
    path.write_text(path.read_text().replace('"skip_rate": 0.2', '"skip_rate": 0.3'))
    with pytest.raises(RegistryError, match="line 2 was edited"):
        nights.registry.history()
