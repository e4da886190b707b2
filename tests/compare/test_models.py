"""What a person may name, on which nights its tables are found, and what is said of those that are gone."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from tasks.compare.judged import CHAMPION, JudgedNights
from tasks.compare.leaderboard import leaderboard
from tasks.compare.models import change_named, compare_named, named
from tasks.compare.page import board_html, comparison_html
from tasks.compare.words import board_lines, change_lines, lines
from tasks.core.errors import ConfigError, NightError
from tasks.core.layout import Workspace
from tasks.evaluate.compare import compare
from tasks.evaluate.evaluation import measure
from tasks.gate.compared import Compared
from tasks.report.formatting import MINUS
from tasks.report.sections.changed import NightChange
from tasks.report.vega import licences
from tests.compare.conftest import WORSE, predicted
from tests.flows.small_night import dwell
from tests.registry.conftest import day

SPAN = day(1), day(3)


@pytest.fixture
def nights(workspace: Workspace) -> JudgedNights:
    return JudgedNights.of(workspace)


def with_trial(workspace: Workspace, root: Path, name: str) -> Workspace:
    """Return a copy in which night 3 was tried with one more model."""
    copy = Workspace(Path(shutil.copytree(workspace.root, root)))
    trial = copy.trial("simulator", day(3))
    predicted(trial / "predictions" / name / "judge.parquet", day(3), 2 * WORSE, draw=9)
    (trial / "run.yaml").write_text(f"as_of: '{day(3)}'\nsource: simulator\ndata: simulated\n")
    return copy


def test_a_name_stands_for_the_model_of_every_night_and_the_last_is_the_default(nights: JudgedNights) -> None:
    found, left_out = compare_named(("b", "a"), nights)
    assert (found.nights, left_out) == ((day(3),), ())
    assert found.metrics["xauc"].value < 0
    found, left_out = compare_named(("b", "a"), nights, SPAN)
    assert (found.nights, left_out) == ((day(1), day(2), day(3)), ())
    assert found.metrics["xauc"].nights == 3


@pytest.mark.slow
def test_two_nights_are_taken_apart(nights: JudgedNights) -> None:
    """`a` serves after every night: what changed are the rows, and the model by nothing."""
    found = change_named((str(day(2)), str(day(1))), nights)
    assert isinstance(found, NightChange)
    change, tables = found.metrics["xauc"], [nights.at(day(1)).tables["a"], nights.at(day(2)).tables[CHAMPION]]
    expected = [measure(table, nights.params.evaluation, name="a").metric("xauc").value for table in tables]
    assert [change.before.value, change.after.value] == expected
    parts = dict(change.parts)
    assert parts["data and features"].value == expected[1] - expected[0]
    assert (parts["model"].value, parts["model"].low, parts["model"].high) == (0, 0, 0)
    page = comparison_html(compare_named((str(day(2)), str(day(1))), nights)[0], (), found)
    assert f"What changed since night {day(1)}" in page
    assert any(line.startswith("  XAUC  ") for line in change_lines(found))


def test_models_that_are_no_nights_have_no_change_and_a_night_without_tables_says_why(nights: JudgedNights) -> None:
    assert change_named(("b", "a"), nights) is None
    assert list(change_lines(None)) == []
    gone = change_named((str(day(1)), str(day(9))), nights)
    assert isinstance(gone, str) and gone.startswith(f"no change from night {day(1)} to {day(9)}: ")
    assert list(change_lines(gone)) == [gone]


def test_the_champion_has_the_numbers_that_the_gate_would_have(nights: JudgedNights) -> None:
    found, _ = compare_named(("b", CHAMPION), nights)
    tables = nights.at(day(3)).tables
    gate = compare([tables["b"]], [tables[CHAMPION]], nights.params.evaluation)
    decided = Compared.of(gate, "champion", "judge", 1.645).delta("xauc")
    assert decided is not None
    one = found.metrics["xauc"]
    assert (one.value, one.standard_error, one.low, one.high) == (
        decided.value, decided.standard_error, decided.low, decided.high,
    )  # fmt: skip


def test_an_entry_is_the_challenger_that_it_was_and_the_champion_that_it_became(nights: JudgedNights) -> None:
    entry = nights.entry_named(str(nights.champion_after(day(1))))
    assert entry is not None
    for text in (entry, entry[:8], str(day(1))):
        one = named(text, nights)
        assert one.entry == entry
        assert one.table(nights.at(day(1))) == nights.at(day(1)).tables["a"]
        assert one.table(nights.at(day(2))) == nights.at(day(2)).tables[CHAMPION]


def test_names_that_are_none_are_refused_with_the_nearest(nights: JudgedNights) -> None:
    with pytest.raises(ConfigError, match=r"'idel' is no recipe.*did you mean 'idle'"):
        named("idel", nights)
    with pytest.raises(ConfigError, match="no champion served after night 2022-04-30"):
        named("2022-04-30", nights)


def test_a_missing_table_is_explained_with_the_command_that_brings_it(nights: JudgedNights) -> None:
    with pytest.raises(NightError) as refused:
        compare_named(("idle", "a"), nights, SPAN)
    said = str(refused.value).splitlines()
    assert len(said) == 3
    assert "no table of idle, only of a, b, champion" in said[0]
    assert f"`dwell nightly --as-of {day(3)} --source simulator --recipes idle --no-publish` makes one" in said[0]
    with pytest.raises(NightError, match="there was no champion yet"):
        compare_named(("a", CHAMPION), nights, (day(1), day(1)))
    with pytest.raises(NightError, match="it was never run: `dwell backfill --from 2022-05-09 --to 2022-05-09"):
        compare_named(("b", "a"), nights, (day(9), day(9)))


@pytest.mark.slow
def test_nights_that_cleaning_took_are_named_and_the_others_compared(workspace: Workspace, tmp_path: Path) -> None:
    copy = Workspace(Path(shutil.copytree(workspace.root, tmp_path / "w")))
    (gone,) = (copy.registry("simulator") / "evidence").glob(f"{day(2)}-*")
    shutil.rmtree(gone)
    found, left_out = compare_named(("b", "a"), JudgedNights.of(copy), SPAN)
    assert found.nights == (day(1), day(3))
    assert len(left_out) == 1
    again = f"`dwell backfill --from {day(2)} --to {day(2)} --source simulator` makes them again"
    assert f"night {day(2)}: its tables are gone (`dwell clean`" in left_out[0] and again in left_out[0]
    assert f"left out: {left_out[0]}" in list(lines(found, left_out))


def test_a_trial_is_compared_like_a_night(workspace: Workspace, tmp_path: Path) -> None:
    nights = JudgedNights.of(with_trial(workspace, tmp_path / "w", "idle"))
    found, _ = compare_named(("idle", "b"), nights)
    assert found.nights == (day(3),)
    assert found.metrics["xauc"].high < 0
    again = JudgedNights.of(with_trial(workspace, tmp_path / "again", "b"))
    found, _ = compare_named(("trial:b", "b"), again)
    assert found.metrics["xauc"].high < 0, "what a night judged under the name comes first"


@pytest.mark.slow
def test_the_board_ranks_by_the_paired_difference(workspace: Workspace, tmp_path: Path) -> None:
    nights = JudgedNights.of(with_trial(workspace, tmp_path / "w", "idle"))
    board = leaderboard(nights, None, last=7)
    assert board.nights == (day(1), day(2), day(3))
    assert [one.model for one in board.standings][-2:] == ["b", "idle"]
    by_name = {one.model: one for one in board.standings}
    assert by_name["champion"].against is None
    behind = by_name["b"].against
    assert behind is not None and behind.nights == 2, "the first night had no champion"
    two = compare_named(("b", CHAMPION), nights, (day(2), day(3)))[0].metrics["xauc"]
    assert (behind.value, behind.standard_error) == pytest.approx((two.value, two.standard_error))
    assert set(by_name["idle"].by_night) == {day(3)}
    against_b = leaderboard(nights, SPAN, last=1, reference="b")
    assert len(against_b.nights) == 3
    assert {one.model: one.against.nights for one in against_b.standings if one.against} == {
        "a": 3,
        "champion": 2,
        "idle": 1,
    }
    with pytest.raises(ConfigError, match="no table of 'nobody' on these nights: there are a, b"):
        leaderboard(nights, None, last=1, reference="nobody")
    rows = [line.split()[0] for line in board_lines(board)]
    assert rows.index("b") < rows.index("idle")
    assert str(day(1)) not in "".join(list(board_lines(board, shown=1))[1:])


@pytest.mark.slow
def test_pages_ask_for_nothing_and_show_every_number_of_the_terminal(nights: JudgedNights) -> None:
    found, _ = compare_named(("b", "a"), nights, SPAN)
    pages = comparison_html(found), board_html(leaderboard(nights, None, last=7))
    for page in (page.replace(licences(), "") for page in pages):
        assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
        assert page.count("<script>") == 1 + ("<figure>" in page), "for tables, and for charts where there are some"
    assert "b is worse than a over 3 nights" in pages[0]
    shown = "\n".join(lines(found))
    for night in map(str, found.nights):
        assert night in shown and night in pages[0] and night in pages[1]
    assert comparison_html(compare_named(("b", "a"), nights, SPAN)[0]) == pages[0]


def test_without_a_night_the_command_that_runs_one_is_named(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(workspace.params.read_text())
    empty = JudgedNights.of(Workspace(tmp_path))
    for ask in (lambda: compare_named(("a", "b"), empty), lambda: leaderboard(empty, None, last=3)):
        with pytest.raises(NightError, match="is at hand: `dwell nightly"):
            ask()


@pytest.mark.slow
def test_the_commands_print_it_and_write_the_page(judged: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(judged, tmp_path / "w"))
    said = dwell(root, "compare", "b", "a", "--nights", f"{day(1)}..{day(3)}", "--html", "page.html")
    assert said.startswith(f"b is worse than a over 3 nights: XAUC {MINUS}0.")
    assert (root / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert "error: --nights 'may': write 2026-01-15..2026-01-20" in dwell(
        root, "compare", "b", "a", "--nights", "may", status=2
    )
    assert "XAUC of simulator, 3 nights" in dwell(root, "leaderboard", "--html", "board.html")
    assert (root / "board.html").stat().st_size > 1000


def test_a_span_is_one_night_or_two() -> None:
    from flows.options import nights_between

    assert nights_between("2026-01-15") == (dt.date(2026, 1, 15), dt.date(2026, 1, 15))
    assert nights_between("2026-01-15..2026-01-16") == (dt.date(2026, 1, 15), dt.date(2026, 1, 16))
    with pytest.raises(ConfigError, match="first night is later"):
        nights_between("2026-01-16..2026-01-15")
