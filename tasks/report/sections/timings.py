"""How long the night took, and how much memory."""

from tasks.report import charts
from tasks.report.formatting import NOTHING
from tasks.report.operations import Operations
from tasks.report.view import Cell, Chart, Charts, PageBlock, PageTable, Section, TableHead, TableRow, Text, Tone

_TONES: dict[str, Tone] = {"ran": "plain", "unchanged": "muted", "restored": "muted"}


def timings(operations: Operations | None) -> Section:
    """Return the section; without operations it says where they are."""
    if operations is None:
        text = (
            "This page is a stage of the pipeline: equal inputs give equal bytes, so it holds no timings. The archived copy "
            "of the night (nights/) has them."
        )
        return Section("timings", "Timings", (Text(text, "muted"),))
    ran = [name for name, outcome in operations.stages.items() if outcome == "ran"]
    seconds = sum(operations.timings[name].seconds for name in ran if name in operations.timings)
    peaks = [operations.timings[name].peak_mib for name in ran if name in operations.timings]
    tail = f"; peak memory of a stage {max(peaks):,.0f} MiB" if peaks else ""
    others = len(operations.stages) - len(ran)
    text = (
        f"{len(ran)} stages ran for {_duration(seconds)} in all{tail}; {others} were unchanged or restored from the cache, "
        "and show what their last real run took."
    )
    blocks: list[PageBlock] = [Text(text), _table(operations)]
    if machine := operations.machine:
        libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
        blocks.append(
            Text(f"Computed on {machine.cpu}, {machine.cores} cores; Python {machine.python}, {libraries}.", "muted")
        )
    timed = [(name, operations.timings[name].seconds) for name in ran if name in operations.timings]
    if timed:
        said = "; ".join(f"{name} {_duration(value)}" for name, value in timed)
        plot = charts.bars(timed, "seconds", f"Seconds of the stages that ran: {said}")
        blocks.append(Charts((Chart("Seconds of the stages that ran.", plot),)))
    return Section("timings", "Timings", tuple(blocks))


def _table(operations: Operations) -> PageTable:
    heads = (
        TableHead("Stage"),
        TableHead("Outcome"),
        TableHead("Time", numeric=True),
        TableHead("Peak memory", "MiB", numeric=True),
    )
    rows = []
    for name, outcome in operations.stages.items():
        timing = operations.timings.get(name)
        rows.append(
            TableRow(
                (
                    Cell(name),
                    Cell(outcome, tone=_TONES.get(outcome, "plain")),
                    Cell(_duration(timing.seconds) if timing else NOTHING, numeric=True),
                    Cell(f"{timing.peak_mib:,.0f}" if timing else NOTHING, numeric=True),
                )
            )
        )
    return PageTable("Stages in the order they ran", heads, tuple(rows))


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
