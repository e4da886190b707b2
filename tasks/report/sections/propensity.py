"""What the weights of re-weighting recipes can carry, and whether a learned correlation rests on anything."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from models.recipe import Recipe
from tasks.report import charts
from tasks.report.fitted import FittedRecipe
from tasks.report.formatting import NOTHING, Measure, count, defined, listed, number, plural, span, task
from tasks.report.inputs import Artifacts
from tasks.report.view import (
    Cell,
    Chart,
    Charts,
    Heading,
    PageBlock,
    PageTable,
    Section,
    TableHead,
    TableRow,
    Text,
    Tone,
)
from tasks.train.learned_numbers import IdentificationSources, LearnedNumbers, ValidatedCorrelation
from tasks.train.overlap_summary import Overlap, OverlapSplits, SplitOverlap, WeightBin

LARGEST_DIFFERENCES = 8
_PLAIN = Measure("", "", 3)
_WEIGHT = Measure("", "", 1)
_ROWS = Measure("", "", 0)
_SHARE = Measure("", "", 1, "%")
_POPULATIONS = {
    "impression": "impressions (what was not shown is unknown)",
    "click": "impressions, observed where they were clicked",
    "candidate": "user-video pairs of each day, observed where they were shown",
}
_CALIBRATIONS = {
    "none": "not calibrated",
    "platt": "calibrated by Platt's curve",
    "isotonic": "calibrated isotonically",
}
Number = Callable[[SplitOverlap], float | None]
"""One measure of a split."""


def propensity(artifacts: Artifacts) -> Section:
    """Return the section; it says so where no recipe weighs or learns such a number."""
    blocks: list[PageBlock] = []
    for recipe in artifacts.recipes:
        if recipe.overlap is not None:
            blocks += _weights(recipe, recipe.overlap)
        if recipe.learned is not None:
            blocks += _learned(recipe, recipe.learned)
    if not blocks:
        text = (
            "No recipe of this night weighs by propensities, and none learns a correlation of exposure and preference."
        )
        return Section("propensity", "Propensities", (Text(text, "muted"),))
    text = (
        "A propensity is the probability that a row of the population was observed; a weight is its inverse. Weights carry "
        "an estimate only where they are not too unequal (effective rows), sum to the population (mean o/p is 1), make the "
        "observed rows look like the population (differences near 0) and mean what they say (calibration error). Fit days "
        "show the weights of training, the validation day how the same model does on a day it was not fitted on."
    )
    return Section("propensity", "Propensities", (Text(text), *blocks))


def _weights(bundle: FittedRecipe, overlap: Overlap) -> Iterator[PageBlock]:
    warnings, splits = overlap.warnings, overlap.splits
    badge = plural(len(warnings), "warning") if warnings else "within limits"
    yield Heading(bundle.name, badge, "warn" if warnings else "good")
    yield Text(_described(bundle.manifest.recipe))
    yield from (Text(f"{doubt[0].upper()}{doubt[1:]}.", "warn") for doubt in warnings)
    yield _summary(bundle.name, splits)
    yield Charts(tuple(_charts(bundle.name, splits)))
    yield from _differences(bundle.name, splits.fit, overlap.largest_difference)


def _described(recipe: Recipe) -> str:
    chosen, selection = recipe.propensity, recipe.selection.kind
    fitted = f", cross-fitted in {chosen.folds} parts" if chosen.folds > 1 else ""
    normalised = {"off": "", "batch": ", self-normalised by batch", "running": ", self-normalised by a running mean"}
    return (
        f"Propensities: {chosen.kind.replace('_', ' ')}, {_CALIBRATIONS[chosen.calibration]}{fitted}; clipped below "
        f"{chosen.clip:g}{normalised[chosen.self_normalise]}. Population: {_POPULATIONS[selection]}."
    )


def _summary(name: str, splits: OverlapSplits) -> PageTable:
    heads = (TableHead("Measure"), TableHead("Fit days", numeric=True), TableHead("Validation day", numeric=True))
    parts = (splits.fit, splits.validation)
    rows = [TableRow((Cell(label, detail), *cells)) for label, detail, cells in _measures(parts)]
    return PageTable(f"Overlap of {name}", heads, tuple(rows))


def _measures(parts: Sequence[SplitOverlap]) -> Iterator[tuple[str, str, list[Cell]]]:
    def cells(how: Measure, of: Number, detail: Sequence[str] = ("", "")) -> list[Cell]:
        found = [of(part) for part in parts]
        return [
            Cell(number(value, how), more, numeric=True, tone="plain" if defined(value) else "muted")
            for value, more in zip(found, detail, strict=True)
        ]

    yield (
        "Observed rows", "chosen by the policy; random ones keep weight 1",
        cells(_ROWS, lambda part: part.observed, [f"{count(part.random)} random" if part.random else "" for part in parts]),
    )  # fmt: skip
    expected = [_beside(part.expected_observed, _ROWS, "expected observed") for part in parts]
    yield "Population", "rows of D", cells(_ROWS, lambda part: part.population, expected)
    yield "Clipped", "observed rows below the clip", cells(_SHARE, lambda part: part.clipped)
    yield (
        "Mean o/p over the population",
        "1 where propensities are right",
        cells(_PLAIN, lambda part: part.mean_inverse),
    )
    effective = [_beside(part.ess_share, _SHARE, "of observed") for part in parts]
    yield (
        "Effective rows",
        "(sum w)\N{SUPERSCRIPT TWO} / sum w\N{SUPERSCRIPT TWO}",
        cells(_ROWS, lambda part: part.weights.ess, effective),
    )
    before = [_beside(part.before_clipping.largest, _WEIGHT, "unclipped") for part in parts]
    yield "Largest weight", "", cells(_WEIGHT, lambda part: part.weights.largest, before)
    yield (
        "Weight of the top 1\N{NO-BREAK SPACE}%",
        "share of all weight",
        cells(_SHARE, lambda part: part.weights.top_share),
    )
    yield (
        "Calibration error (ECE)",
        "propensity against share observed",
        cells(Measure("", "", 4), lambda part: part.ece),
    )
    yield "Balance error (BMSE)", "0 where propensities are right", cells(Measure("", "", 4), lambda part: part.bmse)


def _beside(value: float | None, how: Measure, words: str) -> str:
    return f"{number(value, how)} {words}" if defined(value) else ""


def _charts(name: str, splits: OverlapSplits) -> Iterator[Chart]:
    if splits.fit.histogram:
        rows = [(_range(part), 100 * part.rows) for part in splits.fit.histogram]
        caption = f"Weights of {name} on fit days"
        said = "; ".join(f"{label}: {value:.1f} % of rows" for label, value in rows)
        yield Chart(f"{caption}.", charts.bars(rows, "% of observed rows, by weight", f"{caption}: {said}"))
    found = {"fit days": splits.fit.reliability, "validation day": splits.validation.reliability}
    drawn = {days: bins for days, bins in found.items() if bins}
    if drawn:
        series = [
            charts.Series(days, [part.predicted for part in bins], [part.observed for part in bins], colour)
            for colour, (days, bins) in enumerate(drawn.items())
        ]
        caption = f"Propensities of {name} against the share observed"
        said = "; ".join(f"{part.predicted:.4f} said, {part.observed:.4f} observed" for part in splits.fit.reliability)
        yield Chart(f"{caption}.", charts.reliability(series, "share of the population", f"{caption}: {said}"))


def _range(part: WeightBin) -> str:
    return f"{part.start:g} and more" if part.end is None else span(f"{part.start:g}-{part.end:g}")


def _differences(name: str, fit: SplitOverlap, limit: float) -> Iterator[PageBlock]:
    if not fit.balance:
        yield Text(
            "There is nothing to compare the weighted rows with: the population is unknown at this selection and no fit row "
            "was exposed at random.",
            "muted",
        )
        return
    heads = (TableHead("Feature"), TableHead("Before weighting", numeric=True), TableHead("After", numeric=True))
    rows = tuple(
        TableRow(
            (
                Cell(feature.replace("_", " ")),
                Cell(number(before, _PLAIN, signed=True), numeric=True),
                Cell(number(after, _PLAIN, signed=True), numeric=True, tone="warn" if abs(after) > limit else "good"),
            )
        )
        for feature, before, after in fit.balance[:LARGEST_DIFFERENCES]
    )
    far = sum(abs(after) > limit for _, _, after in fit.balance)
    caption = (
        f"Largest standardised mean differences of {name}: observed rows against the {fit.compared_with}, fit days; "
        f"{far} of {count(len(fit.balance))} features beyond {limit}"
    )
    yield PageTable(caption, heads, rows)


def _learned(bundle: FittedRecipe, learned: LearnedNumbers) -> Iterator[PageBlock]:
    seeds = learned.seeds
    names = list(dict.fromkeys(name for found in seeds.values() for name in found))
    with_rho = any(name.endswith("/rho") for name in names)
    if bundle.overlap is None:
        yield Heading(bundle.name, *_standing(learned.sources) if with_rho else ())
    heads = (TableHead("Learned number"), *(TableHead(f"Seed {seed}", numeric=True) for seed in seeds))
    rows = tuple(
        TableRow(
            (Cell(_named(name)), *(Cell(number(found.get(name), _PLAIN), numeric=True) for found in seeds.values()))
        )
        for name in names
    )
    yield PageTable(f"What the objective of {bundle.name} learned, at the best epoch", heads, rows)
    if with_rho:
        yield _identified(learned.sources)
    if learned.validation:
        yield from _validated(bundle.name, learned.validation)


def _validated(name: str, tasks: Mapping[str, ValidatedCorrelation]) -> Iterator[PageBlock]:
    """Yield the re-calibrated correlation of every task, its test against 0 and its profile."""
    heads = (
        TableHead("Task"),
        TableHead("Learned rho", numeric=True),
        TableHead("Rho of the validation day", "95 % profile interval", numeric=True),
        TableHead("Standard error", numeric=True),
        TableHead("Likelihood ratio against 0", "p value", numeric=True),
        TableHead("Observed rows", numeric=True),
    )
    rows = tuple(_validated_row(about, found) for about, found in tasks.items())
    yield PageTable(
        f"The correlation of {name} on the validation day: networks held fixed, both indices re-calibrated", heads, rows
    )
    for about, found in tasks.items():
        if found.warning:
            yield Text(f"{task(about).capitalize()}: {found.warning}.", "warn")
    series = [
        charts.Series(
            task(about),
            [float(rho) for rho in found.profile],
            [math.nan if drop is None else drop for drop in found.profile.values()],
            colour,
        )
        for colour, (about, found) in enumerate(tasks.items())
    ]
    caption = f"Profile of the log-likelihood of {name} over rho, below its maximum"
    said = "; ".join(f"{task(about)}: highest near {number(found.rho, _PLAIN)}" for about, found in tasks.items())
    yield Charts(
        (Chart(f"{caption}.", charts.lines(series, "rho, held fixed", "log-likelihood", f"{caption}: {said}")),)
    )


def _validated_row(about: str, found: ValidatedCorrelation) -> TableRow:
    interval = found.interval
    ends = f"[{number(interval[0], _PLAIN)}, {number(interval[1], _PLAIN)}]" if interval else "flat: no interval"
    chance = f"p {number(found.p_value, Measure('', '', 4))}" if defined(found.p_value) else ""
    return TableRow(
        (
            Cell(task(about)),
            Cell(number(found.learned, _PLAIN), numeric=True),
            Cell(number(found.rho, _PLAIN), ends, numeric=True, tone="warn" if found.warning else "plain"),
            Cell(number(found.standard_error, _PLAIN), numeric=True),
            Cell(number(found.likelihood_ratio, _WEIGHT), chance, numeric=True),
            Cell(count(found.rows), numeric=True),
        )
    )


def _named(name: str) -> str:
    about, _, what = name.partition("/")
    return f"{task(about)}: {what.replace('_', ' ') or NOTHING}"


def _standing(sources: IdentificationSources) -> tuple[str, Tone]:
    identified = sources.random_rows or sources.exposure_only
    return ("identified", "good") if identified else ("not identified", "warn")


def _identified(sources: IdentificationSources) -> Text:
    """Return which information pins down rho, or the warning that nothing does.

    Source: docs/methods/debias.md#identification-of-the-correlation.
    """
    found = []
    if sources.random_rows:
        found.append(f"{count(sources.random_rows)} fit rows exposed at random")
    if sources.exposure_only:
        fields = listed(name.replace("_", " ") for name in sources.exposure_only)
        found.append(f"fields set apart as moving exposure only ({fields})")
    if found:
        return Text(
            f"The correlation rho of exposure and preference is identified by {listed(found)}. Read the seeds beside it, and "
            "treat a spread or a standard error beyond 0.1 as unknown."
        )
    return Text(
        "Nothing identifies the correlation rho: no fit row was exposed at random and no field that moves exposure alone is "
        "set apart. What stands here comes from the assumed normal shape; it is a sensitivity parameter, not a finding. Keep "
        "rho at 0, or set a field apart that moves exposure but not preference.",
        "warn",
    )
