"""The section about the dial stands on the page of nights that have one, and says what the file says."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.report.inputs import Artifacts
from tasks.report.sections.trade_off import trade_off
from tasks.trade_off.curves import FILE, CurveEstimate, ExposedCurves, TradeOffCurves, TradeOffPoint
from tests.report.reading import flat, tables, texts, words


def points(accuracy: float, bias: float) -> tuple[TradeOffPoint, ...]:
    def estimate(value: float) -> CurveEstimate:
        return CurveEstimate(value=value, low=value - 0.01, high=value + 0.01, seed_sd=0.001)

    return tuple(
        TradeOffPoint(trade_off=t, accuracy=estimate(accuracy + 0.05 * t), bias=estimate(bias * (1 + t)))
        for t in (0.0, 0.5, 1.0)
    )


def curves() -> TradeOffCurves:
    targets = {"watch_time": points(0.6, 1.0), "long_view": points(0.7, 0.02)}
    return TradeOffCurves(
        role="judge",
        served=0.5,
        mean="mean",
        seeds=(0, 1),
        exposures={
            "logged": ExposedCurves(rows=1200, targets=targets),
            "random": ExposedCurves(rows=300, targets=targets),
        },
    )


def test_nights_without_a_dial_have_no_section(read: dict[str, Artifacts]) -> None:
    assert trade_off(read["first"]) == ()


def test_it_says_what_the_file_says(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    curves().write(night.workspace.predictions("d2q") / FILE)
    (section,) = trade_off(Artifacts.read(night.workspace))
    assert "chooses nothing" in words(section)
    found = {table.caption: table for table in tables(section)}
    assert list(found) == [
        *("Watch time: 1,200 logged rows", "Watch time: 300 randomly exposed rows"),
        *("Long view: 1,200 logged rows", "Long view: 300 randomly exposed rows"),
    ]
    watch = found["Watch time: 1,200 logged rows"]
    assert texts(watch)[1] == ["0.5", "0.6250", "1.50\N{NO-BREAK SPACE}s"]
    assert watch.rows[1].cells[1].detail == "[0.6150, 0.6350]"
    assert [row.marked for row in watch.rows] == [False, True, False]
    assert texts(found["Long view: 300 randomly exposed rows"])[2][2] == "4.00\N{NO-BREAK SPACE}%"
    (chart,) = next(block for block in flat(section) if block.kind == "charts").charts
    assert "randomly exposed rows, t = 1: XAUC 0.6500, bias 2.00 s" in chart.plot.description


@pytest.mark.slow
def test_the_page_holds_it(copy_of: Callable[[str], Any]) -> None:
    from tasks.report import render_report
    from tasks.report.config import ReportConfig

    night = copy_of("first")
    curves().write(night.workspace.predictions("d2q") / FILE)
    page = render_report(night.workspace, ReportConfig(), night.key, night.workspace.root / "page.html").read_text()
    assert 'id="trade-off"' in page
    assert "Accuracy against bias" in page
