"""The section about the fusion of objectives: there where lists are fused, saying what the file says."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.report.inputs import Artifacts
from tasks.report.sections.fusion import fusion
from tasks.score.fusion.document import FusionDocument
from tests.report.reading import flat, tables, texts, words

NBSP, MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"


def estimate(value: float, delta: float | None = None) -> dict[str, float]:
    found = {"value": value, "low": value - 0.01, "high": value + 0.01}
    return found if delta is None else found | {"delta": delta, "delta_low": delta - 0.02, "delta_high": delta + 0.02}


def fitted(kind: str = "multiplicative", **changes: Any) -> FusionDocument:
    """Return what the score stage writes of a fusion of watch time and fast skips."""

    def metrics(skip: float) -> dict[str, Any]:
        return {
            "wt@3": estimate(18 - 0.1 * skip, -0.1 * skip),
            "long_view@3": estimate(0.3, 0.01),
            "skip@3": estimate(0.4 - 0.01 * skip, -0.01 * skip),
        }

    plain = {"wt@3": estimate(18.0), "long_view@3": estimate(0.29), "skip@3": estimate(0.4)}
    sweep = [
        {"skip": s, "utility": 15.0, "plain_utility": 14.5, "trials": 50, "metrics": metrics(s)} for s in (0.0, 5.0)
    ]
    weights = {"watch_time": 1.0, "skip": 0.25}
    parameters: dict[str, Any] = {
        "multiplicative": {"powers": weights, "offset": 0.1, "slopes": {"watch_time": 1.0, "skip": 1.0}},
        "additive": {"space": "linear", "offset": 0.1, "weights": weights, "scales": {"watch_time": 1.0, "skip": 1.0}},
        "monotone": {"curves": {name: {"x": [0, 1], "y": [0, y]} for name, y in weights.items()}},
    }[kind]
    rule = {"kind": kind, "signs": {"watch_time": 1, "skip": -1}, **parameters}
    watch = {"kind": "percentile", "reference": {"score": [0.0, 1.0], "percentile": [0.0, 1.0]}}
    document = {
        "model": "d2q",
        "seed": 1,
        "config": {"kind": kind, "k": 3, "long_view": 2.0, "skip": 5.0, "watch": "percentile"},
        "tasks": [{"name": "watch_time", "sign": 1}, {"name": "skip", "sign": -1}],
        "days": {"fitted": ["2026-01-14"], "judged": ["2026-01-15"]},
        "fitted": {"utility": 15.5, "plain_utility": 14.25, "trials": 50},
        "fusion": {"watch": watch, "rule": rule},
        "exposures": {"logged": {"rows": 1200, "plain": plain, "sweep": sweep}},
    }
    return FusionDocument.model_validate(document | changes)


def test_nights_without_a_fusion_have_no_section(read: dict[str, Artifacts]) -> None:
    assert all(fusion(artifacts) == () for artifacts in read.values())


def test_it_says_what_serves_and_what_it_buys(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    fitted().write(night.workspace.scores / "fusion.json")
    (section,) = fusion(Artifacts.read(night.workspace))
    said = words(section)
    assert "a product of powers of watch time" in said
    assert "plus 2 per long view, less 5 per fast skip" in said
    assert f"worth +1.25{NBSP}s against those of the plain score: the best of 50 rankings tried" in said
    assert "The judge day chooses none of them" in said
    entering, trade = tables(section)
    assert texts(entering) == [["watch time", "raises", "1.000"], ["fast skip", "lowers", "0.250"]]
    assert texts(trade)[0][:2] == ["plain score", f"18.00{NBSP}s"]
    assert texts(trade)[2][:3] == ["5", f"17.50{NBSP}s", f"{MINUS}0.50{NBSP}s"]
    assert [row.marked for row in trade.rows] == [False, False, True]
    watched, skipped = trade.rows[2].cells[2], trade.rows[2].cells[6]
    assert (watched.tone, skipped.tone) == ("bad", "good")
    assert skipped.detail == f"[{MINUS}7.00, {MINUS}3.00]"
    (chart,) = next(block for block in flat(section) if block.kind == "charts").charts
    assert "5 s a skip: 35.00 % skipped, 17.50 s watched" in chart.plot.description


def test_a_fusion_that_gains_nothing_is_pointed_out(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    worse = {"utility": 1, "plain_utility": 2, "trials": 0}
    fitted(fitted=worse).write(night.workspace.scores / "fusion.json")
    (section,) = fusion(Artifacts.read(night.workspace))
    warned = [block.text for block in flat(section) if block.kind == "text" and block.tone == "warn"]
    assert len(warned) == 1
    assert "the plain score orders better" in warned[0]


def test_every_kind_shows_what_enters(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    for kind, label in (("additive", "Weight"), ("monotone", "Rise of the curve")):
        fitted(kind).write(night.workspace.scores / "fusion.json")
        (section,) = fusion(Artifacts.read(night.workspace))
        table = tables(section)[0]
        assert table.heads[2].text == label
        assert texts(table)[1][2] == "0.250"


@pytest.mark.slow
def test_the_page_holds_it_and_a_day_of_short_lists_says_so(copy_of: Callable[[str], Any]) -> None:
    from tasks.report import render_report
    from tasks.report.config import ReportConfig

    night = copy_of("first")
    fitted(exposures={}).write(night.workspace.scores / "fusion.json")
    page = render_report(night.workspace, ReportConfig(), night.key, night.workspace.root / "report.html").read_text()
    assert 'id="fusion"' in page
    assert "too few lists longer than that" in page
