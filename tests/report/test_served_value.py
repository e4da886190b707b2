"""The section on the value of serving by score stands on the page of nights that logged probabilities, with its doubts."""

from collections.abc import Callable
from typing import Any

from tasks.evaluate.document import SERVED_VALUE_FILE, ServedEstimate, ServedValue
from tasks.evaluate.policy_value.log import Diagnostics
from tasks.report.formatting import NOTHING
from tasks.report.inputs import Artifacts
from tasks.report.sections.served_value import served_value
from tests.report.reading import tables, texts, words


def estimates(value: float, *names: str, reason: str = "") -> dict[str, ServedEstimate]:
    weights = Diagnostics(rows=4321, mean_weight=1.0, max_weight=9.5, effective_rows=812.4, positives=4000)
    return {
        name: ServedEstimate(
            value=value,
            low=value - 1,
            high=value + 1,
            standard_error=0.5,
            estimator=name,
            parameter=None,
            diagnostics=weights,
            reason=reason,
        )
        for name in names
    }


def values(score: float, reason: str = "") -> ServedValue:
    by_score = estimates(score, "snips") | estimates(score, "ips", "dr", "dr_os", reason=reason)
    return ServedValue(
        rows=4321,
        top_share=0.2,
        mean_weight=1.0,
        policies={"logged": estimates(9, "ips"), "uniform": estimates(8, "snips", "ips"), "score": by_score},
    )


def test_nights_without_logged_probabilities_have_no_section(read: dict[str, Artifacts]) -> None:
    assert served_value(read["first"]) == ()


def test_every_model_stands_beside_a_uniform_draw(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    values(11.5).write(night.workspace.predictions("d2q") / SERVED_VALUE_FILE)
    (section,) = served_value(Artifacts.read(night.workspace))
    said = words(section)
    assert "4,321 logged rows" in said
    assert "watched for 9.00" in said
    assert "not given" not in said
    (table,) = tables(section)
    assert [head.text for head in table.heads] == ["Served by", "Effective rows", "SNIPS", "IPS", "DR", "DR, shrunk"]
    assert texts(table) == [
        ["any video, drawn uniformly", "812", "8.00\N{NO-BREAK SPACE}s", "8.00\N{NO-BREAK SPACE}s", NOTHING, NOTHING],
        ["d2q", "812", *["11.50\N{NO-BREAK SPACE}s"] * 4],
    ]
    assert table.rows[1].cells[2].detail == "[10.50, 12.50]"


def test_what_cannot_be_trusted_is_not_shown_but_said(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    values(11.5, "the mean weight is 9, not 1").write(night.workspace.predictions("d2q") / SERVED_VALUE_FILE)
    (section,) = served_value(Artifacts.read(night.workspace))
    assert "IPS is not given: the mean weight is 9, not 1." in words(section)
    d2q = tables(section)[0].rows[1].cells
    assert d2q[2].detail == "[10.50, 12.50]"
    assert [(cell.text, cell.detail) for cell in d2q[3:]] == [(NOTHING, "not trusted")] * 3
