"""What arrived, what was set aside and why, what came late, and whether the data still look like last week's."""

import re
from collections.abc import Iterator, Sequence

from tasks.report import charts
from tasks.report.formatting import NOTHING, Measure, count, defined, listed, number, plural, share
from tasks.report.view import Cell, Chart, Charts, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold
from tasks.validate.summary import DataSummary, DaySummary, SideTableSummary

_NOTES = {"late_row": "late rows", "slow_log": "logged an hour or more later", "replay": "replays"}
_INDEX = Measure("PSI", "", 4)
_FACTOR = Measure("volume", "", 2)


def volume(summary: DataSummary) -> Section:
    """Return rows per day, late rows, and what quarantine took."""
    days = summary.days
    lost = summary.rows_in - summary.rows_out
    text = (
        f"{plural(summary.rows_in, 'row')} of {plural(len(days), 'arrival day')} came in, {count(lost)} "
        f"({share(lost, summary.rows_in)}) went to quarantine. Duration filter: {_filter(summary.duration_filter)}. "
        "A late row belongs to an earlier day than it arrived on; it counts from when it was logged."
    )
    blocks: list[PageBlock] = [Text(text), *_gaps(summary), _volume_chart(days)]
    blocks.append(fold(f"Every day ({len(days)})", _day_table(days)))
    blocks += _quarantine(summary)
    for reason, rows in summary.set_aside.items():
        words = f"{plural(rows, 'row')} of the source belong to no day and were set aside by ingest: {reason.replace('_', ' ')}."
        blocks.append(Text(words, "warn"))
    for name, table in summary.side_tables.items():
        blocks.append(Text(_mended(name, table)))
    if summary.traits:
        blocks.append(Text(_sensitive(summary)))
    return Section("data", "Data", tuple(blocks))


def _sensitive(summary: DataSummary) -> str:
    """Say which sensitive attributes of users there are, and of how many they may be used; values stand in no report."""
    named = listed([f"{name} (for {purpose})" for name, purpose in summary.traits.items()])
    counts = summary.trait_users
    return (
        f"Sensitive attributes of users: {named}. Of {plural(counts['asked'], 'user')} they may be used of {count(counts['used'])}, "
        "who agreed and whose values are not too old; only recipes that name them read them."
    )


def _gaps(summary: DataSummary) -> Iterator[PageBlock]:
    for day, reason in summary.gaps.items():
        yield Text(f"Nothing was read of {day}: a person accepted that the day is lost ({reason}).", "warn")


def _filter(name: str) -> str:
    limits = re.fullmatch(r"duration_(\d+)_(\d+)s", name)
    return f"videos of {limits[1]} to {limits[2]} s" if limits else name


def _volume_chart(days: Sequence[DaySummary]) -> Charts:
    labels = [day.day[5:] for day in days]
    parts = {"kept": [day.rows_out for day in days], "quarantined": [day.rows_quarantined for day in days]}
    said = "; ".join(f"{d.day} {count(d.rows_out)} kept, {count(d.rows_quarantined)} quarantined" for d in days)
    bars = charts.stacked_bars(labels, parts, "rows", f"Rows per arrival day: {said}")
    late = [day.notes.get("late_row", 0) for day in days]
    said = "; ".join(f"{day.day} {count(rows)}" for day, rows in zip(days, late, strict=True))
    late_bars = charts.stacked_bars(labels, {"late rows": late}, "rows", f"Late rows per arrival day: {said}")
    return Charts((Chart("Rows per arrival day.", bars), Chart("Late rows per arrival day.", late_bars)))


def _day_table(days: Sequence[DaySummary]) -> PageTable:
    heads = (
        "Day",
        "Rows in",
        "Kept",
        "Quarantined",
        "Late rows",
        "Logged 1 h+ later",
        "Replays",
        "Mean watch, s",
        "Volume",
    )
    rows = []
    for day in reversed(days):
        notes, kept = day.notes, day.rows_in
        factor = f"{number(day.volume_factor, _FACTOR)} times" if defined(day.volume_factor) else NOTHING
        rows.append(
            TableRow(
                (
                    Cell(day.day),
                    Cell(count(kept), numeric=True),
                    Cell(count(day.rows_out), numeric=True),
                    Cell(count(day.rows_quarantined), share(day.rows_quarantined, kept), numeric=True),
                    *(
                        Cell(count(notes.get(note, 0)), share(notes.get(note, 0), kept), numeric=True)
                        for note in _NOTES
                    ),
                    Cell(f"{day.mean_watch_s:.2f}", numeric=True),
                    Cell(factor, "the median" if defined(day.volume_factor) else "", numeric=True),
                )
            )
        )
    return PageTable("Newest day first; volume against the median of the trailing days", _heads(heads), tuple(rows))


def _quarantine(summary: DataSummary) -> Iterator[PageBlock]:
    steps = [step for step in summary.cleaning if step.step != "raw"]
    if not steps:
        yield Text("No row was quarantined.", "good")
        return
    newest = summary.days[-1]
    rows = tuple(
        TableRow(
            (
                Cell(step.step.replace("_", " "), summary.why.get(step.step, "")),
                Cell(count(step.taken), share(step.taken, summary.rows_in, 2), numeric=True),
                Cell(count(newest.quarantined.get(step.step, 0)), numeric=True),
                Cell(count(step.rows), numeric=True),
            )
        )
        for step in sorted(steps, key=lambda step: -step.rows)
    )
    heads = ("Reason", "All days", f"On {newest.day}", "Rows left after it")
    yield PageTable("Quarantined rows by reason, in the order the rules apply", _heads(heads), rows)


def _mended(name: str, table: SideTableSummary) -> str:
    found = [
        f"{rule.replace('_', ' ')} in {column}: {plural(rows, 'row')}"
        for rule, columns in table.found.items()
        for column, rows in columns.items()
    ]
    return f"Table {name}: {plural(table.rows, 'row')}; {'; '.join(found) or 'nothing to mend'}."


def drift(summary: DataSummary) -> Section:
    """Return the stability index of every watched column against the trailing days."""
    days = [day for day in summary.days if day.drift]
    if not days:
        text = "No day had enough days or rows before it to be compared with."
        return Section("drift", "Drift", (Text(text, "muted"),))
    newest = days[-1]
    before = days[:-1]
    columns = sorted(newest.drift, key=lambda column: -newest.drift[column])
    problems = {item.column: item for item in newest.problems if item.rule == "drift"}
    rows = []
    for column in columns:
        problem = problems.get(column)
        usual = sorted(day.drift[column] for day in before if column in day.drift)
        rows.append(
            TableRow(
                (
                    Cell(column.replace("_", " ")),
                    Cell(number(newest.drift[column], _INDEX), numeric=True),
                    Cell(number(usual[-1], _INDEX) if usual else NOTHING, numeric=True),
                    Cell(problem.status, tone="bad" if problem.status == "failed" else "warn")
                    if problem
                    else Cell("stable", tone="good"),
                )
            )
        )
    text = (
        f"Population stability index of {newest.day} against the days before it. Below 0.1 is usually called stable, "
        "above 0.25 shifted; two samples of one population differ by a little, too."
    )
    heads = ("Column", newest.day, "Largest of the earlier days", "Verdict")
    table = PageTable(
        "Drift of the newest day",
        (TableHead("Column"), *(TableHead(h, numeric=h != "Verdict") for h in heads[1:])),
        tuple(rows),
    )
    return Section("drift", "Drift", (Text(text), table, _drift_chart(days, columns)))


def _drift_chart(days: Sequence[DaySummary], columns: Sequence[str]) -> Charts:
    series = []
    for colour, column in enumerate(columns[:6]):
        values = [(index, day.drift[column]) for index, day in enumerate(days) if column in day.drift]
        series.append(charts.Series(column.replace("_", " "), [x for x, _ in values], [y for _, y in values], colour))
    said = "; ".join(f"{column} {number(days[-1].drift[column], _INDEX)}" for column in columns)
    description = f"Stability index by day from {days[0].day} to {days[-1].day}; on the last day: {said}"
    plot = charts.lines(series, f"days since {days[0].day}", "stability index", description, whole_x=True)
    return Charts((Chart("Drift by day, each against the days before it.", plot),))


def _heads(names: Sequence[str]) -> tuple[TableHead, ...]:
    return tuple(TableHead(name, numeric=index > 0) for index, name in enumerate(names))
