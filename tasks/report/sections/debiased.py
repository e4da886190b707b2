"""Seconds and errors under uniform exposure by learned propensities, and whether they hinge on one learner."""

from collections.abc import Iterator, Mapping

from tasks.evaluate.document import Debiased, DebiasedMean, MeasuredNumber, PositionEffect
from tasks.report.formatting import NOTHING, Measure, count, interval, measured_cell, number, p_text, sentence, share
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold

_SECONDS = Measure("", "", 2, "s")
_PLACES = Measure("", "", 3, "s")


def debiased(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where no evaluation was asked for it."""
    found = {model.name: model.debiased for model in artifacts.models if model.debiased is not None}
    if not found:
        return ()
    first = next(iter(found.values()))
    blocks: list[PageBlock] = [Text(_introduction(first))]
    if first.reason:
        blocks.append(Text(f"Nothing is estimated: {first.reason}.", "warn"))
    if first.means:
        blocks += [*_doubts(artifacts, found), _means(artifacts, found), _learners(first)]
        blocks.append(fold("Every pair of learners", _pairs(artifacts, found)))
    if first.position is not None:
        blocks += _position(first.position)
    return (Section("debiased", "Means under uniform exposure, by learned propensities", tuple(blocks)),)


def _introduction(first: Debiased) -> str:
    return (
        f"What the {count(first.rows)} logged rows would show if each had shown one of {count(first.videos)} videos drawn uniformly, "
        "without logged probabilities: what was exposed is told from uniform draws by length, popularity and novelty of the video, hour, "
        "scene and novelty of the user. Every learner of the propensity meets every learner of the outcome; a mean counts only if no "
        "other learner moves it by more than its own uncertainty, and if rows exposed at random do not speak against it. A small swing "
        "does not show that it is right: all learners read the same columns, and are wrong together where something else moves "
        "exposure and watching, as taste does; without random rows nothing tells. It decides nothing."
    )


def _doubts(artifacts: Artifacts, found: Mapping[str, Debiased]) -> Iterator[Text]:
    refused = [f"{name} does not count: {mean.reason}" for name, mean in _named(artifacts, found) if mean.reason]
    if refused:
        yield Text(sentence("; ".join(refused)), "warn")


def _named(artifacts: Artifacts, found: Mapping[str, Debiased]) -> Iterator[tuple[str, DebiasedMean]]:
    """Yield the seconds, which are the same whatever model is measured, and the error of every model."""
    first = next(iter(found.values()))
    yield "Seconds watched", first.means["seconds"]
    for model, of_model in found.items():
        yield f"Absolute error of {artifacts.label(model)}", of_model.means["absolute_error"]


def _means(artifacts: Artifacts, found: Mapping[str, Debiased]) -> PageTable:
    heads = (
        TableHead("Mean"),
        TableHead("Logged", "s", True),
        TableHead("Debiased", "s", True),
        TableHead("At random", "s", True),
        TableHead("Swing", "may be", True),
        TableHead("Effective rows", numeric=True),
        TableHead("Learners", "propensity and outcome"),
    )
    rows = []
    for name, mean in _named(artifacts, found):
        pairs = ", ".join(dict.fromkeys(" and ".join(pair) for pair in mean.chosen))
        rows.append(
            TableRow(
                (
                    Cell(name),
                    measured_cell(mean.logged, _SECONDS),
                    Cell(NOTHING, "does not count", numeric=True, tone="muted")
                    if mean.reason
                    else measured_cell(mean, _SECONDS),
                    Cell(NOTHING, numeric=True, tone="muted")
                    if mean.at_random is None
                    else measured_cell(mean.at_random, _SECONDS),
                    Cell(number(mean.swing, _SECONDS), number(mean.bound, _SECONDS), numeric=True),
                    Cell(count(round(mean.effective_rows)), numeric=True),
                    Cell(pairs),
                )
            )
        )
    return PageTable("Means under uniform exposure", heads, tuple(rows))


def _learners(first: Debiased) -> PageTable:
    heads = (
        TableHead("Propensity by"),
        TableHead("Clipped", "of the logged rows", True),
        TableHead("Mean weight", "should be 1", True),
        TableHead("Effective rows", numeric=True),
    )
    rows = [
        TableRow(
            (
                Cell(learner.learner),
                Cell(share(learner.clipped_share, 1), numeric=True),
                Cell(f"{learner.mean_weight:.3f}", numeric=True),
                Cell(count(round(learner.effective_rows)), numeric=True),
            )
        )
        for learner in first.propensities
    ]
    return PageTable("Learned propensities", heads, tuple(rows))


def _pairs(artifacts: Artifacts, found: Mapping[str, Debiased]) -> PageTable:
    heads = (
        TableHead("Mean"),
        TableHead("Propensity by"),
        TableHead("Outcome by"),
        TableHead("Estimate", "± standard error", True),
        TableHead("Moved by another learner", "at most", True),
    )
    rows = [
        TableRow(
            (
                Cell(name),
                Cell(pair.propensity),
                Cell(pair.outcome),
                Cell(number(pair.value, _SECONDS), f"± {number(pair.standard_error, _SECONDS)}", numeric=True),
                Cell(number(pair.risk, _SECONDS), numeric=True),
            ),
            marked=(pair.propensity, pair.outcome) in mean.chosen,
        )
        for name, mean in _named(artifacts, found)
        for pair in mean.pairs
    ]
    return PageTable("Every pair of learners; the chosen ones are marked", heads, tuple(rows))


def _position(found: PositionEffect) -> Iterator[Text]:
    alone = found.at_random
    yield Text(
        f"One place further down goes with {_said(alone)} among the {count(found.random_rows)} rows exposed at random, and with "
        f"{number(found.regression, _PLACES, signed=True)} among all {count(found.rows)} rows with a place. With the random slot as an "
        f"instrument it is {number(found.wald, _PLACES, signed=True)} if that slot changed nothing but the place."
    )
    if found.value is None:
        yield Text(f"An estimate that allows the slot an effect of its own is not given: {found.reason}.", "muted")
    elif found.standard_error is not None:
        yield Text(
            f"If the slot may have an effect of its own it is {number(found.value, _PLACES, signed=True)} ± "
            f"{number(found.standard_error, _PLACES)} (test that the slot moves the spread of the place: p {p_text(found.p)}). That holds only if "
            "place and taste go together alike in random and logged rows, which no log tells: read the random rows first."
        )


def _said(found: MeasuredNumber) -> str:
    return f"{number(found.value, _PLACES, signed=True)} {interval(found.low, found.high, _PLACES, signed=True)}"
