"""The section on forecasts: what is said of tomorrow, what was said of today, and warnings that stand at the top too."""

from tasks.forecast.words import summary
from tasks.report.formatting import NOTHING
from tasks.report.inputs import Artifacts
from tasks.report.sections.forecast import forecast
from tasks.report.sections.summary import top
from tests.report.reading import tables, texts, words

ALARM = (
    "skip rate of 2026-01-15: 26.0 %, against what was forecast the night before, 21.0 % [20.0, 22.0]: "
    "8.2 standard deviations off, a day unlike the last"
)


def test_a_night_shows_its_forecast_and_how_the_last_one_came_out(read: dict[str, Artifacts]) -> None:
    record = read["later"].forecast
    section = forecast(record)
    tomorrow, today = tables(section)
    assert tomorrow.caption == "Forecast of 2026-01-16, for 1,500 impressions"
    assert texts(tomorrow) == [["XAUC", "0.6600"], ["seconds watched", "12,345 s"], ["skip rate", "21.0 %"]]
    assert [row.cells[1].detail for row in tomorrow.rows][1] == "[11,445, 13,245]"
    assert texts(today) == [
        ["XAUC", "0.6550", "0.6600", NOTHING, "0.6600", NOTHING],
        ["seconds watched", "12,900 s", "12,345 s", NOTHING, NOTHING, NOTHING],
        ["skip rate", "26.0 %", "21.0 %", "85\N{NO-BREAK SPACE}%", NOTHING, NOTHING],
    ]
    missed = today.rows[2].cells
    assert (missed[2].tone, missed[3].detail) == ("warn", "17 of 20")
    assert today.rows[0].cells[2].tone == "plain"


def test_an_alarm_warns_in_section_summary_and_attention(read: dict[str, Artifacts]) -> None:
    night = read["later"]
    assert "S" + ALARM[1:] in words(forecast(night.forecast))
    assert any(remark.startswith("S" + ALARM[1:]) for remark in top(night, None).attention)
    assert list(summary(night.forecast)) == [
        f"warning: {ALARM}",
        "forecast of 2026-01-16: XAUC 0.6600 [0.6500, 0.6700], seconds watched 12,345 s [11,445, 13,245], "
        "skip rate 21.0 % [20.0, 22.0]",
    ]


def test_a_first_night_says_what_it_lacks_and_a_refused_one_that_nothing_is_forecast(
    read: dict[str, Artifacts],
) -> None:
    first = forecast(read["first"].forecast)
    assert "No model served 2026-01-15: there is no nowcast of it." in words(first)
    assert [table.caption[:8] for table in tables(first)] == ["Forecast"]
    assert tables(forecast(read["refused"].forecast)) == []
    assert list(summary(read["refused"].forecast)) == ["forecast of 2026-01-16: none"]
