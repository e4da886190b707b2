"""The section about what networks read: there where a network was judged, saying what the files say."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tasks.attribution.document import DECODE, FILE, LAST_FILE, FieldRanks, Importance, LastRanks
from tasks.report.formatting import NOTHING
from tasks.report.inputs import Artifacts
from tasks.report.sections.fields import fields
from tests.report.reading import flat, tables, texts, words

NBSP = "\N{NO-BREAK SPACE}"
NAMES = tuple(f"f{i:02d}" for i in range(14))


def importance(**changes: Any) -> Importance:
    """Return what the stage evaluate writes of a network that reads fourteen fields, in their order."""
    rank = tuple(range(1, 15))
    document = {
        "name": "d2q",
        "seed": 2,
        "day": "2026-01-14",
        "rows": 5000,
        "fields": NAMES,
        "tasks": {
            "watch_time": {"score": [1 / r for r in rank], "rank": rank},
            "skip": {"score": [float(r) for r in rank], "rank": rank[::-1]},
        },
        "seconds": {
            "of": "mean",
            "rows": 500,
            "complete_share": 0.998,
            "accepted": True,
            "predicted_s": 15.5,
            "baseline_s": 11.25,
            "mean_absolute_s": {name: 2.0 / r for name, r in zip(NAMES, rank, strict=True)} | {DECODE: 0.5},
            "duration_share": 0.332,
            "agreement": 0.958,
        },
    }
    return Importance.model_validate(document | changes)


@pytest.fixture
def section(copy_of: Callable[[str], Any]) -> Callable[..., Any]:
    """Return a function that gives the section of a night with these files."""
    night = copy_of("first")

    def make(found: Importance, last: LastRanks | None = None) -> Any:
        found.write(night.workspace.predictions("d2q") / FILE)
        (night.workspace.champion / LAST_FILE).unlink(missing_ok=True)
        if last is not None:
            last.write(night.workspace.champion / LAST_FILE)
        (made,) = fields(Artifacts.read(night.workspace))
        return made

    return make


def last_night(names: tuple[str, ...], recipe: str = "d2q") -> LastRanks:
    ranks = FieldRanks(fields=names, rank={"watch_time": tuple(range(1, len(names) + 1))})
    return LastRanks(night=dt.date(2026, 1, 13), recipes={recipe: ranks})


def test_nights_of_before_have_no_section(read: dict[str, Artifacts]) -> None:
    assert all(fields(artifacts) == () for artifacts in read.values())


def test_ranks_and_seconds_stand_side_by_side(section: Callable[..., Any]) -> None:
    made = section(importance())
    head, full = tables(made)
    assert [len(table.rows) for table in (head, full)] == [12, 14]
    assert texts(full)[0] == ["f00", "1", "14", f"2.00{NBSP}s"] and texts(full)[-1][0] == "f13"
    said = words(made)
    assert f"Predicted 15.50{NBSP}s in the mean (mean, before calibration), 11.25{NBSP}s with every field" in said
    assert "add up on 99.8 % of 500 rows" in said and f"33.2{NBSP}%" in said and "drawn at random: 0.96" in said
    assert "No earlier night says what this network read." in said


def test_changes_since_the_last_night_are_named(section: Callable[..., Any]) -> None:
    """f00 was ninth, f13 is new, `gone` went; f12 moved as far among the last, and the others by less than five."""
    before = (*NAMES[1:6], "f12", *NAMES[6:8], "f00", "gone", *NAMES[8:12])
    made = section(importance(), last_night(before))
    (said,) = [block for block in flat(made) if block.kind == "text" and "Since night 2026-01-13" in block.text]
    assert said.tone == "warn"
    assert "f00 (9 to 1)" in said.text
    assert not any(name in said.text for name in NAMES[1:13])
    assert "new: f13" in said.text and "gone: gone" in said.text
    cells = {row.cells[0].text: row.cells for row in tables(made)[1].rows}
    assert [cells[name][1].detail for name in ("f00", "f01", "f12", "f13")] == ["up 8", "down 1", "down 7", ""]
    assert all(row.cells[2].detail == "" for row in tables(made)[1].rows)  # skip was not learned then


def test_a_quiet_night_says_that_nothing_moved(section: Callable[..., Any]) -> None:
    said = words(section(importance(), last_night(NAMES)))
    assert "no field of the first third moved by five ranks or more" in said
    assert "No earlier night" in words(section(importance(), last_night(NAMES, recipe="other")))


def test_seconds_that_do_not_add_up_are_not_shown(section: Callable[..., Any]) -> None:
    given = importance().seconds
    assert given is not None
    short = given.model_dump() | {"complete_share": 0.4, "accepted": False}
    made = section(importance(seconds=short))
    assert "add up to the prediction on 40.0 % of 500 rows only" in words(made)
    assert {row[-1] for row in texts(tables(made)[1])} == {NOTHING}
    assert "No head of this network predicts seconds" in words(section(importance(seconds=None)))


@pytest.mark.slow
def test_the_page_holds_it(copy_of: Callable[[str], Any]) -> None:
    from tasks.report import render_report
    from tasks.report.config import ReportConfig

    night = copy_of("first")
    importance().write(night.workspace.predictions("d2q") / FILE)
    page = render_report(night.workspace, ReportConfig(), night.key, night.workspace.root / "report.html").read_text()
    assert 'id="fields"' in page and "What the model reads" in page
