"""What networks read, in the ledger: a night knows the ranks of the last one before it."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.attribution.document import LAST_FILE, FieldRanks, LastRanks
from tasks.core.document import read_document
from tasks.core.errors import RegistryError
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Decision
from tasks.registry import PinnedLedger, checkout_champion
from tasks.registry.field_ranks import field_ranks_at
from tasks.registry.ledger import Event
from tasks.registry.reign import pinned_events


def ranks(first: int) -> FieldRanks:
    return FieldRanks(fields=("user_id", "history"), rank={"watch_time": (first, 3 - first)})


@pytest.fixture
def add(nights: Any, decision: Callable[..., Decision]) -> Callable[..., Event]:
    """Return a function that registers a night whose network reads user_id as its first or second field."""

    def register(as_of: dt.date, first: int | None, reason: str = "so") -> Event:
        champion = nights.registry.champion_for(as_of)
        read = {} if first is None else {"d2q": ranks(first)}
        made = replace(nights.artifacts(as_of, champion is not None), field_ranks=read)
        return nights.registry.register(made, decision(as_of, None, champion, reason=reason))

    return register


def known(nights: Any, as_of: dt.date) -> LastRanks | None:
    return field_ranks_at(pinned_events(nights.registry.path, nights.registry.ledger_for(as_of)), as_of)


def test_the_last_night_that_has_any_is_known_and_no_later_one(
    nights: Any, of_night: Any, add: Callable[..., Event]
) -> None:
    add(of_night(1), 1)
    add(of_night(2), 2)
    add(of_night(3), None)
    assert known(nights, of_night(1)) is None
    assert known(nights, of_night(2)) == LastRanks(night=of_night(1), recipes={"d2q": ranks(1)})
    for number in (3, 4):
        assert known(nights, of_night(number)) == LastRanks(night=of_night(2), recipes={"d2q": ranks(2)})


def test_a_replay_adds_nothing(nights: Any, of_night: Any, add: Callable[..., Event]) -> None:
    add(of_night(1), 1)
    add(of_night(2), 1)
    assert add(of_night(1), 2, reason="anew").kind == "replayed"
    assert known(nights, of_night(2)) == LastRanks(night=of_night(1), recipes={"d2q": ranks(1)})


def test_they_are_checked_out_beside_the_champion(
    nights: Any, of_night: Any, add: Callable[..., Event], tmp_path: Path
) -> None:
    add(of_night(1), 1)
    for number in (1, 2):
        pinned = PinnedLedger(of_night(number), nights.registry.ledger_for(of_night(number)), GatePolicy())
        checkout_champion(nights.registry.path, None, (), tmp_path / str(number), pinned)
    assert not (tmp_path / "1" / LAST_FILE).exists()
    assert read_document(tmp_path / "2" / LAST_FILE, LastRanks, "champion").recipes["d2q"].of("watch_time") == {
        "user_id": 1,
        "history": 2,
    }


def test_they_are_chained(nights: Any, of_night: Any, add: Callable[..., Event]) -> None:
    add(of_night(1), 1)
    path = nights.registry.path / "ledger.jsonl"
    path.write_text(path.read_text().replace('"watch_time": [1, 2]', '"watch_time": [2, 1]'))
    with pytest.raises(RegistryError, match="line 1 was edited"):
        nights.registry.history()
