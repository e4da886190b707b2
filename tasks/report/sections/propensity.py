"""What the weights of re-weighting recipes can carry, and whether a learned correlation rests on anything."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.report import charts
from tasks.report.formatting import NOTHING, Measure, count, defined, listed, number, plural, span, task
from tasks.report.inputs import Artifacts, Bundle
from tasks.report.view import Block, Cell, Chart, Charts, Head, Heading, Row, Section, Table, Text

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
Part = Mapping[str, Any]


def propensity(artifacts: Artifacts) -> Section:
    """Return the section; it says so where no recipe weighs or learns such a number."""
    blocks: list[Block] = []
    for bundle in artifacts.bundles:
        if bundle.overlap is not None:
            blocks += _weights(bundle, bundle.overlap)
        if bundle.learned is not None:
            blocks += _learned(bundle, bundle.learned)
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


def _weights(bundle: Bundle, overlap: Part) -> Iterator[Block]:
    warnings, splits = overlap["warnings"], overlap["splits"]
    badge = plural(len(warnings), "warning") if warnings else "within limits"
    yield Heading(bundle.name, badge, "warn" if warnings else "good")
    yield Text(_described(bundle.manifest["recipe"]))
    yield from (Text(f"{doubt[0].upper()}{doubt[1:]}.", "warn") for doubt in warnings)
    yield _summary(bundle.name, splits)
    yield Charts(tuple(_charts(bundle.name, splits)))
    yield from _differences(bundle.name, splits["fit"], overlap["largest_difference"])


def _described(recipe: Part) -> str:
    chosen, selection = recipe["propensity"], recipe["selection"]["kind"]
    fitted = f", cross-fitted in {chosen['folds']} parts" if chosen["folds"] > 1 else ""
    normalised = {"off": "", "batch": ", self-normalised by batch", "running": ", self-normalised by a running mean"}
    return (
        f"Propensities: {chosen['kind'].replace('_', ' ')}, {_CALIBRATIONS[chosen['calibration']]}{fitted}; clipped below "
        f"{chosen['clip']:g}{normalised[chosen['self_normalise']]}. Population: {_POPULATIONS[selection]}."
    )


def _summary(name: str, splits: Mapping[str, Part]) -> Table:
    heads = (Head("Measure"), Head("Fit days", numeric=True), Head("Validation day", numeric=True))
    parts = (splits["fit"], splits["validation"])
    rows = [Row((Cell(label, detail), *cells)) for label, detail, cells in _measures(parts)]
    return Table(f"Overlap of {name}", heads, tuple(rows))


def _measures(parts: Sequence[Part]) -> Iterator[tuple[str, str, list[Cell]]]:
    def cells(how: Measure, *path: str, detail: Sequence[str] = ("", "")) -> list[Cell]:
        found = [_at(part, path) for part in parts]
        return [
            Cell(number(value, how), more, numeric=True, tone="plain" if defined(value) else "muted")
            for value, more in zip(found, detail, strict=True)
        ]

    yield (
        "Observed rows", "chosen by the policy; random ones keep weight 1",
        cells(_ROWS, "observed", detail=[f"{count(part['random'])} random" if part["random"] else "" for part in parts]),
    )  # fmt: skip
    expected = [_beside(part["expected_observed"], _ROWS, "expected observed") for part in parts]
    yield "Population", "rows of D", cells(_ROWS, "population", detail=expected)
    yield "Clipped", "observed rows below the clip", cells(_SHARE, "clipped")
    yield "Mean o/p over the population", "1 where propensities are right", cells(_PLAIN, "mean_inverse")
    effective = [_beside(part["ess_share"], _SHARE, "of observed") for part in parts]
    yield (
        "Effective rows",
        "(sum w)\N{SUPERSCRIPT TWO} / sum w\N{SUPERSCRIPT TWO}",
        cells(_ROWS, "weights", "ess", detail=effective),
    )
    before = [_beside(part["before_clipping"]["largest"], _WEIGHT, "unclipped") for part in parts]
    yield "Largest weight", "", cells(_WEIGHT, "weights", "largest", detail=before)
    yield "Weight of the top 1\N{NO-BREAK SPACE}%", "share of all weight", cells(_SHARE, "weights", "top_share")
    yield "Calibration error (ECE)", "propensity against share observed", cells(Measure("", "", 4), "ece")
    yield "Balance error (BMSE)", "0 where propensities are right", cells(Measure("", "", 4), "bmse")


def _at(part: Part, path: Sequence[str]) -> Any:
    value: Any = part
    for key in path:
        value = value[key]
    return value


def _beside(value: Any, how: Measure, words: str) -> str:
    return f"{number(value, how)} {words}" if defined(value) else ""


def _charts(name: str, splits: Mapping[str, Part]) -> Iterator[Chart]:
    fit = splits["fit"]
    if fit["histogram"]:
        rows = [(_range(part), 100 * part["rows"]) for part in fit["histogram"]]
        caption = f"Weights of {name} on fit days"
        said = "; ".join(f"{label}: {value:.1f} % of rows" for label, value in rows)
        yield Chart(f"{caption}.", charts.bars(rows, "% of observed rows, by weight", f"{caption}: {said}"))
    drawn = {split: splits[split]["reliability"] for split in ("fit", "validation") if splits[split]["reliability"]}
    if drawn:
        series = [
            charts.Series(
                f"{split} days" if split == "fit" else "validation day",
                [part["predicted"] for part in bins], [part["observed"] for part in bins], colour,
            )
            for colour, (split, bins) in enumerate(drawn.items())
        ]  # fmt: skip
        caption = f"Propensities of {name} against the share observed"
        said = "; ".join(f"{part['predicted']:.4f} said, {part['observed']:.4f} observed" for part in drawn["fit"])
        yield Chart(f"{caption}.", charts.reliability(series, "share of the population", f"{caption}: {said}"))


def _range(part: Part) -> str:
    return f"{part['from']:g} and more" if part["to"] is None else span(f"{part['from']:g}-{part['to']:g}")


def _differences(name: str, fit: Part, limit: float) -> Iterator[Block]:
    if not fit["balance"]:
        yield Text(
            "There is nothing to compare the weighted rows with: the population is unknown at this selection and no fit row "
            "was exposed at random.",
            "muted",
        )
        return
    heads = (Head("Feature"), Head("Before weighting", numeric=True), Head("After", numeric=True))
    rows = tuple(
        Row(
            (
                Cell(feature.replace("_", " ")),
                Cell(number(before, _PLAIN, signed=True), numeric=True),
                Cell(number(after, _PLAIN, signed=True), numeric=True, tone="warn" if abs(after) > limit else "good"),
            )
        )
        for feature, before, after in fit["balance"][:LARGEST_DIFFERENCES]
    )
    far = sum(abs(after) > limit for _, _, after in fit["balance"])
    caption = (
        f"Largest standardised mean differences of {name}: observed rows against the {fit['compared_with']}, fit days; "
        f"{far} of {count(len(fit['balance']))} features beyond {limit}"
    )
    yield Table(caption, heads, rows)


def _learned(bundle: Bundle, learned: Part) -> Iterator[Block]:
    seeds: Mapping[str, Mapping[str, float]] = learned["seeds"]
    names = list(dict.fromkeys(name for found in seeds.values() for name in found))
    with_rho = any(name.endswith("/rho") for name in names)
    if bundle.overlap is None:
        yield Heading(bundle.name, *_standing(learned["sources"]) if with_rho else ())
    heads = (Head("Learned number"), *(Head(f"Seed {seed}", numeric=True) for seed in seeds))
    rows = tuple(
        Row((Cell(_named(name)), *(Cell(number(found.get(name), _PLAIN), numeric=True) for found in seeds.values())))
        for name in names
    )
    yield Table(f"What the objective of {bundle.name} learned, at the best epoch", heads, rows)
    if with_rho:
        yield _identified(learned["sources"])
    if learned.get("validation"):
        yield from _validated(bundle.name, learned["validation"])


def _validated(name: str, tasks: Mapping[str, Part]) -> Iterator[Block]:
    """Yield the re-calibrated correlation of every task, its test against 0 and its profile."""
    heads = (
        Head("Task"),
        Head("Learned rho", numeric=True),
        Head("Rho of the validation day", "95 % profile interval", numeric=True),
        Head("Standard error", numeric=True),
        Head("Likelihood ratio against 0", "p value", numeric=True),
        Head("Observed rows", numeric=True),
    )
    rows = tuple(_validated_row(about, found) for about, found in tasks.items())
    yield Table(
        f"The correlation of {name} on the validation day: networks held fixed, both indices re-calibrated", heads, rows
    )
    for about, found in tasks.items():
        if found["warning"]:
            yield Text(f"{task(about).capitalize()}: {found['warning']}.", "warn")
    series = [
        charts.Series(task(about), [float(rho) for rho in found["profile"]], list(found["profile"].values()), colour)
        for colour, (about, found) in enumerate(tasks.items())
    ]
    caption = f"Profile of the log-likelihood of {name} over rho, below its maximum"
    said = "; ".join(f"{task(about)}: highest near {number(found['rho'], _PLAIN)}" for about, found in tasks.items())
    yield Charts(
        (Chart(f"{caption}.", charts.lines(series, "rho, held fixed", "log-likelihood", f"{caption}: {said}")),)
    )


def _validated_row(about: str, found: Part) -> Row:
    interval = found["interval"]
    ends = f"[{number(interval[0], _PLAIN)}, {number(interval[1], _PLAIN)}]" if interval else "flat: no interval"
    chance = f"p {number(found['p_value'], Measure('', '', 4))}" if defined(found["p_value"]) else ""
    return Row(
        (
            Cell(task(about)),
            Cell(number(found["learned"], _PLAIN), numeric=True),
            Cell(number(found["rho"], _PLAIN), ends, numeric=True, tone="warn" if found["warning"] else "plain"),
            Cell(number(found["standard_error"], _PLAIN), numeric=True),
            Cell(number(found["likelihood_ratio"], _WEIGHT), chance, numeric=True),
            Cell(count(found["rows"]), numeric=True),
        )
    )


def _named(name: str) -> str:
    about, _, what = name.partition("/")
    return f"{task(about)}: {what.replace('_', ' ') or NOTHING}"


def _standing(sources: Part) -> tuple[str, Any]:
    return ("identified", "good") if any(sources.values()) else ("not identified", "warn")


def _identified(sources: Part) -> Text:
    """Return which information pins down rho, or the warning that nothing does.

    Source: docs/methods/debias.md#identification-of-the-correlation.
    """
    found = []
    if sources["random_rows"]:
        found.append(f"{count(sources['random_rows'])} fit rows exposed at random")
    if sources["exposure_only"]:
        fields = listed(name.replace("_", " ") for name in sources["exposure_only"])
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
