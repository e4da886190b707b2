"""The section on means by learned propensities stands on the page of nights that ask for it, and refused ones show no number."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.core.document import read_document
from tasks.core.layout import JUDGE_TABLE
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.document import (
    DEBIASED_FILE,
    Debiased,
    DebiasedMean,
    LearnedPropensity,
    LearnerPair,
    MeasuredNumber,
    PositionEffect,
)
from tasks.evaluate.nuisance.config import NuisanceConfig
from tasks.evaluate.stage import evaluate
from tasks.report.formatting import NOTHING
from tasks.report.inputs import Artifacts
from tasks.report.sections.debiased import debiased
from tests.report.reading import tables, texts, words


def number(value: float, reach: float = 0.5) -> MeasuredNumber:
    return MeasuredNumber(value=value, low=value - reach, high=value + reach)


def mean(value: float, reason: str = "", at_random: float | None = 8.1) -> DebiasedMean:
    return DebiasedMean(
        **number(value).model_dump(),
        standard_error=0.25,
        logged=number(12),
        at_random=None if at_random is None else number(at_random),
        chosen=(("mlp", "ridge"), ("mlp", "ridge")),
        swing=0.3,
        moved_by="outcomes of boosting",
        bound=0.5,
        effective_rows=812.4,
        reason=reason,
        pairs=(LearnerPair(propensity="mlp", outcome="ridge", value=value, standard_error=0.25, risk=0.3),),
    )


def document(**changes: Any) -> Debiased:
    learner = LearnedPropensity(learner="mlp", clipped_share=0.02, mean_weight=1.01, effective_rows=812.4)
    place = PositionEffect(
        rows=4321, random_rows=210, p=0.2, value=None, standard_error=None, reason="the variance does not depend on it",
        wald=0.4, regression=-0.1, at_random=number(0.01, 0.02),
    )  # fmt: skip
    means = {"seconds": mean(8), "absolute_error": mean(5, at_random=5)}
    full = Debiased(
        rows=4321, random_rows=210, videos=99, reason="", propensities=(learner,), means=means, position=place
    )
    return full.model_copy(update=changes)


def test_nights_that_do_not_ask_have_no_section(read: dict[str, Artifacts]) -> None:
    assert debiased(read["first"]) == ()


def test_seconds_stand_once_and_errors_by_model(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    for model in ("d2q", "wlr_mmoe"):
        document().write(night.workspace.predictions(model) / DEBIASED_FILE)
    (section,) = debiased(Artifacts.read(night.workspace))
    said = words(section)
    assert (
        "4,321 logged rows" in said and "99 videos" in said and "A small swing does not show that it is right" in said
    )
    assert "does not count" not in said
    assert "among the 210 rows exposed at random" in said and "is not given: the variance does not depend on it" in said
    means, learned, pairs = tables(section)
    assert [row[0] for row in texts(means)] == [
        "Seconds watched",
        "Absolute error of d2q",
        "Absolute error of wlr_mmoe",
    ]
    assert texts(means)[0][2] == "8.00\N{NO-BREAK SPACE}s" and means.rows[0].cells[2].detail == "[7.50, 8.50]"
    assert texts(means)[0][4:] == ["0.30\N{NO-BREAK SPACE}s", "812", "mlp and ridge"]
    assert texts(learned) == [["mlp", "2.0\N{NO-BREAK SPACE}%", "1.010", "812"]]
    assert len(pairs.rows) == 3 and all(row.marked for row in pairs.rows)


def test_what_hinges_on_a_learner_has_no_number(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    means = {"seconds": mean(8, "with outcomes of mlp it moves by 2"), "absolute_error": mean(5, at_random=None)}
    document(means=means).write(night.workspace.predictions("d2q") / DEBIASED_FILE)
    (section,) = debiased(Artifacts.read(night.workspace))
    assert "Seconds watched does not count: with outcomes of mlp it moves by 2" in words(section)
    cell = tables(section)[0].rows[0].cells[2]
    assert (cell.text, cell.detail) == (NOTHING, "does not count")
    assert texts(tables(section)[0])[1][3] == NOTHING


@pytest.mark.slow
def test_what_the_stage_writes_is_what_the_page_says(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("later")
    folder = night.workspace.predictions("d2q")
    asked = EvaluationConfig(
        replicates=100, nuisance=NuisanceConfig(propensities=("logistic", "constant"), outcomes=("ridge", "constant"))
    )
    evaluate(folder / JUDGE_TABLE, asked, folder, name="d2q")
    written = read_document(folder / DEBIASED_FILE, Debiased, "evaluate")
    (section,) = debiased(Artifacts.read(night.workspace))
    assert f"{written.rows:,} logged rows" in words(section)
    means, learned, pairs = tables(section)
    assert [row[0] for row in texts(means)] == ["Seconds watched", "Absolute error of d2q"]
    assert means.rows[0].cells[1].text == f"{written.means['seconds'].logged.value:.2f}\N{NO-BREAK SPACE}s"
    assert written.random_rows > 0 and means.rows[0].cells[3].text != NOTHING
    assert (len(learned.rows), len(pairs.rows)) == (2, 8)


def test_too_few_rows_are_said(copy_of: Callable[[str], Any]) -> None:
    night = copy_of("first")
    document(reason="9 logged rows are fewer than 1000", propensities=(), means={}, position=None).write(
        night.workspace.predictions("d2q") / DEBIASED_FILE
    )
    (section,) = debiased(Artifacts.read(night.workspace))
    assert "Nothing is estimated: 9 logged rows are fewer than 1000." in words(section) and not tables(section)
