"""What fusing the objectives buys and costs on the judge day: watched seconds against fast skips, beside the plain score."""

from collections.abc import Iterator, Mapping

from models.fusion.monotone import MonotoneFusion
from models.fusion.multiplicative import MultiplicativeFusion
from tasks.evaluate.document import MeasuredNumber
from tasks.report import charts
from tasks.report.formatting import Measure, count, interval, listed, measured_cell, number, plural, task, tone_of
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, Chart, Charts, Heading, PageBlock, PageTable, Section, TableHead, TableRow, Text
from tasks.score.fusion.document import Exposure, FusionDocument, JudgedOrder, ListDifference, SearchResult

_KINDS = {
    "multiplicative": "a product of powers",
    "additive": "a weighted sum",
    "rank_additive": "a weighted sum of inverse ranks",
    "monotone": "a sum of increasing curves",
}
_WATCH = {
    "percentile": "the percentile of the watch-time score",
    "relative_mean": "the calibrated mean over that of its duration group",
}
_SECONDS, _PERCENT, _WEIGHT = Measure("", "", 2, "s"), Measure("", "", 2, "%"), Measure("", "", 3)
_EXPOSURES: Mapping[Exposure, str] = {"logged": "logged rows", "random": "randomly exposed rows"}


def fusion(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where watch time alone orders the lists."""
    found = artifacts.fusion
    if found is None:
        return ()
    config = found.config
    k = config.k
    text = (
        f"Tomorrow's lists of {found.model} are ordered by {_KINDS[config.kind]} of watch time (as "
        f"{_WATCH[config.watch]}) and the probabilities of {listed(map(task, _others(found)))}. It was fitted on "
        f"{listed(found.days.fitted)} to the worth of the first {k} rows of each user's day: seconds watched, plus "
        f"{config.long_view:g} per long view, less {config.skip:g} per fast skip."
    )
    blocks: list[PageBlock] = [Text(text), _on_its_day(found.fitted), _weights(found)]
    for name, part in found.exposures.items():
        blocks += _exposure(found, name, part, k)
    if not found.exposures:
        blocks.append(Text("The judge day holds too few lists longer than that to judge an order on.", "muted"))
    return (Section("fusion", "Fusion of objectives", tuple(blocks)),)


def _others(found: FusionDocument) -> list[str]:
    return [entry.name for entry in found.tasks if entry.name != "watch_time"]


def _on_its_day(fitted: SearchResult) -> Text:
    change = fitted.utility - fitted.plain_utility
    tried = f"the best of {count(fitted.trials)} rankings tried" if fitted.trials else "a regression"
    said = f"On that day its lists were worth {number(change, _SECONDS, signed=True)} against those of the plain score"
    if change > 0:
        return Text(f"{said}: {tried}, so this flatters.")
    return Text(f"{said}: {tried}, and yet the plain score orders better. Think again about this fusion.", "warn")


def _weights(found: FusionDocument) -> PageTable:
    rule = found.fusion.rule
    if isinstance(rule, MonotoneFusion):
        label, values = "Rise of the curve", {name: curve.y[-1] for name, curve in rule.curves.items()}
    elif isinstance(rule, MultiplicativeFusion):
        label, values = "Power", rule.powers
    else:
        label, values = "Weight", rule.weights
    rows = tuple(
        TableRow(
            (
                Cell(task(entry.name)),
                Cell("raises" if entry.sign > 0 else "lowers"),
                Cell(number(values[entry.name], _WEIGHT), numeric=True),
            )
        )
        for entry in found.tasks
    )
    return PageTable(
        "What enters the score", (TableHead("Objective"), TableHead("Direction"), TableHead(label, numeric=True)), rows
    )


def _exposure(found: FusionDocument, name: Exposure, part: JudgedOrder, k: int) -> Iterator[PageBlock]:
    yield Heading(f"Judge day, {plural(part.rows, 'row')}: {_EXPOSURES[name]}")
    if name == "random":
        yield Text(
            "Nobody chose these rows, so the order that the product's own policy preferred has no advantage among them: an "
            "unbiased comparison of orders, of videos at large."
        )
    yield Charts((_chart(part, name, k),))
    yield _table(found, part, k)
    yield Text(
        "Every line was fitted on the day before for its own cost of a skip; the marked one serves. The judge day chooses "
        f"none of them. Below each value its interval over users, beside it the paired difference to the plain score "
        f"(seed {found.seed})."
    )


def _chart(part: JudgedOrder, name: Exposure, k: int) -> Chart:
    points = [_point(one.metrics, k) for one in part.sweep]
    plain = _point(part.plain, k)
    series = [
        charts.Series("fused, by cost of a skip", [x for x, _ in points], [y for _, y in points], 0),
        charts.Series("watch-time score alone", [plain[0]], [plain[1]], 1),
    ]
    said = "; ".join(
        f"{one.skip:g} s a skip: {x:.2f} % skipped, {y:.2f} s watched"
        for one, (x, y) in zip(part.sweep, points, strict=True)
    )
    caption = f"Seconds watched against fast skips in the first {k} of a list, {_EXPOSURES[name]}"
    description = f"{caption}: plain score: {plain[0]:.2f} % skipped, {plain[1]:.2f} s watched; {said}"
    return Chart(f"{caption}.", charts.lines(series, f"skip@{k}, %", f"WT@{k}, s", description))


def _point(metrics: Mapping[str, MeasuredNumber], k: int) -> tuple[float, float]:
    """Return the share of fast skips in percent, and the seconds watched."""
    skipped, watched = metrics[f"skip@{k}"].value, metrics[f"wt@{k}"].value
    assert skipped is not None and watched is not None, "lists that are judged have rows"
    return 100 * skipped, watched


def _table(found: FusionDocument, part: JudgedOrder, k: int) -> PageTable:
    columns = {f"wt@{k}": _SECONDS, f"long_view@{k}": _PERCENT, f"skip@{k}": _PERCENT}
    labels = {f"wt@{k}": f"WT@{k}", f"long_view@{k}": f"Long view@{k}", f"skip@{k}": f"Skip@{k}"}
    heads = [TableHead("Cost of a skip", "seconds")]
    for name in columns:
        heads += [TableHead(labels[name], numeric=True), TableHead("Difference", "to the plain score", numeric=True)]
    plain = [Cell("plain score")]
    for name, how in columns.items():
        plain += [measured_cell(part.plain[name], how), Cell("")]
    rows = [TableRow(tuple(plain))]
    for one in part.sweep:
        cells = [Cell(f"{one.skip:g}")]
        for name, how in columns.items():
            cells += [measured_cell(one.metrics[name], how), _difference(name, one.metrics[name], how)]
        rows.append(TableRow(tuple(cells), marked=one.skip == found.config.skip))
    return PageTable(f"Heads of users' lists, {plural(part.rows, 'row')}", tuple(heads), tuple(rows))


def _difference(name: str, estimate: ListDifference, how: Measure) -> Cell:
    low, high = estimate.delta_low, estimate.delta_high
    return Cell(
        number(estimate.delta, how, signed=True),
        interval(low, high, how, signed=True),
        numeric=True,
        tone=tone_of(name, low, high),
    )
