"""The calendar of nights: what came of each, what has changed since, and what fills a hole."""

import datetime as dt
from pathlib import Path

import pytest

from tasks.core.errors import SourceError
from tasks.core.files import write_json
from tasks.core.layout import Workspace
from tasks.core.manifest import product_hash
from tasks.core.run_key import RunKey
from tasks.night.calendar import Calendar, calendar, note_failure
from tasks.report.operations import Operations
from tests.registry.conftest import Nights, day

SOURCE = "registry"
"""Name of the source, because `Nights` calls the folder of its registry so."""


class Place:
    """A workspace with nights made by hand."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.nights = Nights(root / "registry")

    def archive(self, number: int, code: str | None = None, **days: str) -> None:
        operations = Operations(stages={}, timings={}, code=code or product_hash(), days=days)
        folder = self.workspace.night(SOURCE, day(number))
        folder.mkdir(parents=True, exist_ok=True)
        operations.write(folder / "operations.json")

    def begin(self, number: int) -> RunKey:
        key = RunKey(as_of=day(number), source=SOURCE, data="d", arithmetic="native")
        write_json(self.workspace.run_key, key.model_dump(mode="json"))  # JSON is YAML
        return key

    def look(self, latest: int | None = None, last: int = 30, at_work: bool = False) -> Calendar:
        return calendar(self.workspace, SOURCE, day(latest) if latest else None, last, at_work)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def outcomes(found: Calendar) -> list[str]:
    return [night.outcome for night in found.nights]


def test_a_source_without_nights_says_how_the_first_is_run(place: Place) -> None:
    assert list(place.look(latest=3).lines()) == [
        "no night of registry is decided yet: `dwell nightly --source registry` runs the first"
    ]


def test_every_hole_comes_with_one_command_that_fills_it(place: Place) -> None:
    place.nights.run(1, winner="a")
    place.nights.run(2)
    note_failure(place.workspace, place.begin(4), SourceError("the log ends on Tuesday\nand more"))
    place.nights.run(5)
    place.begin(7)
    found = place.look(latest=8)
    assert outcomes(found) == ["promoted", "kept", "missing", "failed", "kept", "missing", "interrupted", "missing"]
    assert str(found.nights[3]) == "2022-05-04 failed      the log ends on Tuesday"
    assert found.remedies == (
        "dwell backfill --from 2022-05-03 --to 2022-05-04 --source registry",
        "dwell backfill --from 2022-05-06 --to 2022-05-08 --source registry",
    )
    assert list(found.lines())[-1] == f"to fill: {found.remedies[-1]}"
    assert [night.as_of.day for night in found.holes] == [3, 4, 6, 7, 8]
    assert (found.last_attempt.as_of.day, found.last_attempt.outcome) == (7, "interrupted")


def test_a_night_at_work_is_no_hole(place: Place) -> None:
    place.nights.run(1, winner="a")
    place.begin(2)
    assert outcomes(place.look(at_work=True)) == ["promoted", "running"]
    assert place.look(at_work=True).remedies == ()


def test_a_missed_night_that_was_run_late_is_a_replay_and_no_hole(place: Place) -> None:
    place.nights.run(1, winner="a")
    place.nights.run(3)
    place.nights.run(2)
    assert outcomes(place.look()) == ["promoted", "replayed", "kept"]
    place.nights.run(1, winner="b", reason="another policy")
    assert outcomes(place.look()) == ["promoted", "replayed", "kept"], "what counted stays in its place"


def test_late_rows_and_other_code_are_remarked(place: Place) -> None:
    for number in (1, 2, 3):
        place.nights.run(number, winner="a" if number == 1 else None)
    place.archive(1, **{"2022-04-29": "x", "2022-04-30": "y"})
    place.archive(2, code="older", **{"2022-04-30": "y2", "2022-05-01": "z"})
    place.archive(3, **{"2022-05-01": "z"})
    first, second, third = place.look().nights
    assert first.remarks == ("rows of 2022-04-30 have changed since it ran",)
    assert second.remarks == ("other code than today's",)
    assert third.remarks == ()


def test_an_archive_of_another_version_is_passed_over(place: Place) -> None:
    place.nights.run(1, winner="a")
    place.archive(1)
    (place.workspace.night(SOURCE, day(1)) / "operations.json").write_text("{}")
    assert outcomes(place.look()) == ["promoted"]


def test_the_last_nights_only(place: Place) -> None:
    for number in range(1, 11):
        place.nights.run(number, winner="a" if number == 1 else None)
    shown = place.look(last=3).nights
    assert [night.as_of for night in shown] == [dt.date(2022, 5, 8), dt.date(2022, 5, 9), dt.date(2022, 5, 10)]
