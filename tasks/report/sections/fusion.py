"""What fusing the objectives buys and costs on the judge day: watched seconds against fast skips, beside the plain score."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.report import charts
from tasks.report.formatting import Measure, count, interval, listed, number, plural, task, tone_of
from tasks.report.inputs import Artifacts
from tasks.report.view import Block, Cell, Chart, Charts, Head, Heading, Row, Section, Table, Text

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
_EXPOSURES = {"logged": "logged rows", "random": "randomly exposed rows"}
Part = Mapping[str, Any]


def fusion(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing where watch time alone orders the lists."""
    found = artifacts.fusion
    if found is None:
        return ()
    config = found["config"]
    k = config["k"]
    text = (
        f"Tomorrow's lists of {found['model']} are ordered by {_KINDS[config['kind']]} of watch time (as "
        f"{_WATCH[config['watch']]}) and the probabilities of {listed(map(task, _others(found)))}. It was fitted on "
        f"{listed(found['days']['fitted'])} to the worth of the first {k} rows of each user's day: seconds watched, plus "
        f"{config['long_view']:g} per long view, less {config['skip']:g} per fast skip."
    )
    blocks: list[Block] = [Text(text), _on_its_day(found["fitted"]), _weights(found)]
    for name, part in found["exposures"].items():
        blocks += _exposure(found, name, part, k)
    if not found["exposures"]:
        blocks.append(Text("The judge day holds too few lists longer than that to judge an order on.", "muted"))
    return (Section("fusion", "Fusion of objectives", tuple(blocks)),)


def _others(found: Part) -> list[str]:
    return [entry["name"] for entry in found["tasks"] if entry["name"] != "watch_time"]


def _on_its_day(fitted: Part) -> Text:
    change = fitted["utility"] - fitted["plain_utility"]
    tried = f"the best of {count(fitted['trials'])} rankings tried" if fitted["trials"] else "a regression"
    said = f"On that day its lists were worth {number(change, _SECONDS, signed=True)} against those of the plain score"
    if change > 0:
        return Text(f"{said}: {tried}, so this flatters.")
    return Text(f"{said}: {tried}, and yet the plain score orders better. Think again about this fusion.", "warn")


def _weights(found: Part) -> Table:
    rule = found["fusion"]["rule"]
    if rule["kind"] == "monotone":
        label, values = "Rise of the curve", {name: curve["y"][-1] for name, curve in rule["curves"].items()}
    elif rule["kind"] == "multiplicative":
        label, values = "Power", rule["powers"]
    else:
        label, values = "Weight", rule["weights"]
    rows = tuple(
        Row(
            (
                Cell(task(entry["name"])),
                Cell("raises" if entry["sign"] > 0 else "lowers"),
                Cell(number(values[entry["name"]], _WEIGHT), numeric=True),
            )
        )
        for entry in found["tasks"]
    )
    return Table("What enters the score", (Head("Objective"), Head("Direction"), Head(label, numeric=True)), rows)


def _exposure(found: Part, name: str, part: Part, k: int) -> Iterator[Block]:
    yield Heading(f"Judge day, {plural(part['rows'], 'row')}: {_EXPOSURES[name]}")
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
        f"(seed {found['seed']})."
    )


def _chart(part: Part, name: str, k: int) -> Chart:
    sweep: Sequence[Part] = part["sweep"]
    points = [(100 * _value(one, f"skip@{k}"), _value(one, f"wt@{k}")) for one in sweep]
    plain = (100 * part["plain"][f"skip@{k}"]["value"], part["plain"][f"wt@{k}"]["value"])
    series = [
        charts.Series("fused, by cost of a skip", [x for x, _ in points], [y for _, y in points], 0),
        charts.Series("watch-time score alone", [plain[0]], [plain[1]], 1),
    ]
    said = "; ".join(
        f"{one['skip']:g} s a skip: {x:.2f} % skipped, {y:.2f} s watched"
        for one, (x, y) in zip(sweep, points, strict=True)
    )
    caption = f"Seconds watched against fast skips in the first {k} of a list, {_EXPOSURES[name]}"
    description = f"{caption}: plain score: {plain[0]:.2f} % skipped, {plain[1]:.2f} s watched; {said}"
    return Chart(f"{caption}.", charts.lines(series, f"skip@{k}, %", f"WT@{k}, s", description))


def _value(one: Part, name: str) -> float:
    return float(one["metrics"][name]["value"])


def _table(found: Part, part: Part, k: int) -> Table:
    columns = {f"wt@{k}": _SECONDS, f"long_view@{k}": _PERCENT, f"skip@{k}": _PERCENT}
    labels = {f"wt@{k}": f"WT@{k}", f"long_view@{k}": f"Long view@{k}", f"skip@{k}": f"Skip@{k}"}
    heads = [Head("Cost of a skip", "seconds")]
    for name in columns:
        heads += [Head(labels[name], numeric=True), Head("Difference", "to the plain score", numeric=True)]
    plain = [Cell("plain score")]
    for name, how in columns.items():
        plain += [_cell(part["plain"][name], how), Cell("")]
    rows = [Row(tuple(plain))]
    for one in part["sweep"]:
        cells = [Cell(f"{one['skip']:g}")]
        for name, how in columns.items():
            cells += [_cell(one["metrics"][name], how), _difference(name, one["metrics"][name], how)]
        rows.append(Row(tuple(cells), marked=one["skip"] == found["config"]["skip"]))
    return Table(f"Heads of users' lists, {plural(part['rows'], 'row')}", tuple(heads), tuple(rows))


def _cell(estimate: Part, how: Measure) -> Cell:
    return Cell(number(estimate["value"], how), interval(estimate["low"], estimate["high"], how), numeric=True)


def _difference(name: str, estimate: Part, how: Measure) -> Cell:
    low, high = estimate["delta_low"], estimate["delta_high"]
    return Cell(
        number(estimate["delta"], how, signed=True),
        interval(low, high, how, signed=True),
        numeric=True,
        tone=tone_of(name, low, high),
    )
