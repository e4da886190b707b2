"""Whatever is done to the ledger by hand is noticed, and the line is named."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.core.errors import RegistryError
from tasks.registry.ledger import Event

Lines = list[str]


def edited(lines: Lines) -> Lines:
    event = json.loads(lines[1]) | {"reason": "a better reason"}
    return [lines[0], json.dumps(event, sort_keys=True), *lines[2:]]


def resigned(lines: Lines) -> Lines:
    event = Event.model_validate(json.loads(lines[1]) | {"reason": "a better reason"})
    event = event.model_copy(update={"hash": event.expected_hash()})
    return [lines[0], json.dumps(event.model_dump(mode="json"), sort_keys=True), *lines[2:]]


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (edited, "line 2 was edited"),
        (resigned, "line 3 does not follow the one before"),
        (lambda lines: [lines[0], *lines[2:]], "line 2 does not follow the one before"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1 does not follow the one before"),
        (lambda lines: lines[:-1], "the last lines were removed"),
        (lambda lines: [*lines, lines[-1]], "line 5 does not follow the one before"),
        (lambda lines: [lines[0], "{", *lines[2:]], "line 2 cannot be read"),
        (lambda lines: [lines[0], "", *lines[1:]], "line 2 cannot be read"),
        (lambda lines: [*lines[:-1], resigned([lines[0], lines[-1]])[1]], "is not the one that ledger.head names"),
    ],
)
def test_tampering_is_detected(nights: Any, of_night: Any, tamper: Callable[[Lines], Lines], said: str) -> None:
    for number in (1, 2, 3, 4):
        nights.run(number, winner="a")
    path = nights.registry.path / "ledger.jsonl"
    path.write_text("\n".join(tamper(path.read_text().splitlines())) + "\n")
    with pytest.raises(RegistryError, match=said):
        nights.registry.champion_for(of_night(5))
    before = path.read_bytes()
    with pytest.raises(RegistryError, match=said):
        nights.registry.rollback(None, "bad")
    assert path.read_bytes() == before


def test_head_lost_or_damaged(nights: Any) -> None:
    for number in (1, 2, 3):
        nights.run(number, winner="a")
    head = nights.registry.path / "ledger.head"
    head.write_text("{")
    with pytest.raises(RegistryError, match=r"ledger\.head cannot be read"):
        nights.registry.history()
    head.unlink()
    with pytest.raises(RegistryError, match=r"ledger\.head says 0"):
        nights.registry.history()


def test_the_clock_is_recorded_and_read_by_nobody(nights: Any, tmp_path: Any) -> None:
    event = nights.run(1, winner="a")
    assert event.recorded_at.endswith("+00:00")
    entry = (nights.registry.path / "entries" / event.entry / "entry.json").read_text()
    assert "recorded_at" not in entry
