"""What the networks read: rank of every field per task, the seconds it makes, and what changed since the last night."""

from collections.abc import Mapping, Sequence

from tasks.attribution.document import DECODE, FieldRanks, FieldSeconds, Importance, LastRanks
from tasks.report.formatting import Measure, count, listed, number, share, task
from tasks.report.inputs import Artifacts
from tasks.report.view import Cell, Heading, PageBlock, PageTable, Section, TableHead, TableRow, Text, fold

_SECONDS = Measure("", "", 2, "s")
_SHOWN = 12
"""Fields shown outright; the others are folded away."""
_MOVED = 5
"""Ranks by which a field has to move to be named."""
_WATCH_TIME = "watch_time"


def fields(artifacts: Artifacts) -> tuple[Section, ...]:
    """Return the section, or nothing on a night without a network."""
    if not artifacts.importance:
        return ()
    first = artifacts.importance[0]
    blocks: list[PageBlock] = [
        Text(
            f"On {count(first.rows)} rows of the validation day {first.day.isoformat()}. A rank says how much the loss of a task "
            "depends on a field (1: most); it is compared inside a task alone, and of two fields that say the same each ranks "
            "low while the other is there. Seconds say what a field makes of a prediction. Neither is a claim about the world."
        )
    ]
    for found in artifacts.importance:
        blocks += _network(found, artifacts.last_ranks)
    return (Section("fields", "What the model reads", tuple(blocks)),)


def _network(found: Importance, last: LastRanks | None) -> list[PageBlock]:
    before = None if last is None else last.recipes.get(found.name)
    blocks: list[PageBlock] = [Heading(found.name, f"seed {found.seed}"), _seconds(found.seconds)]
    if last is None or before is None:
        blocks.append(Text("No earlier night says what this network read.", "muted"))
    else:
        blocks.append(_changes(found, before, last))
    order = sorted(range(len(found.fields)), key=lambda place: found.tasks[_WATCH_TIME].rank[place])
    blocks.append(_table(found, before, order[:_SHOWN]))
    if len(order) > _SHOWN:
        blocks.append(fold(f"All {len(order)} fields", _table(found, before, order)))
    return blocks


def _seconds(made: FieldSeconds | None) -> Text:
    if made is None:
        return Text("No head of this network predicts seconds, so there are none to attribute.", "muted")
    complete = f"{100 * made.complete_share:.1f} % of {count(made.rows)} rows"
    if not made.accepted:
        return Text(
            f"Seconds are not shown: the fields add up to the prediction on {complete} only. A prediction in steps has no "
            "gradient between them.",
            "warn",
        )
    text = (
        f"Predicted {number(made.predicted_s, _SECONDS)} in the mean ({made.of}, before calibration), "
        f"{number(made.baseline_s, _SECONDS)} with every field at its mean. The fields add up on {complete}."
    )
    if made.duration_share is not None:
        text += f" What tells the duration makes {share(made.duration_share, 1)} of all that is attributed"
        decode = made.mean_absolute_s.get(DECODE)
        text += f"; the decode itself {number(decode, _SECONDS)}." if decode else "."
    if made.agreement is not None:
        text += f" Rank correlation with the order from another baseline, a row drawn at random: {made.agreement:.2f}."
    return Text(text)


def _changes(found: Importance, before: FieldRanks, last: LastRanks) -> Text:
    """Say which fields moved far, appeared or went since the last night, for watch time."""
    now, then = found.ranks.of(_WATCH_TIME), before.of(_WATCH_TIME)
    # Below the first third most fields matter so little that their order is chance from fit to fit.
    first = max(1, len(now) // 3)
    moved = [f"{name} ({then[name]} to {rank})" for name, rank in now.items() if _far(then.get(name), rank, first)]
    parts = [
        f"{word} {listed(names)}"
        for word, names in (
            ("moved by five ranks or more, from or to the first third:", moved),
            ("new:", [name for name in now if name not in then]),
            ("gone:", [name for name in then if name not in now]),
        )
        if names
    ]
    said = "; ".join(parts) if parts else "no field of the first third moved by five ranks or more"
    return Text(f"Since night {last.night.isoformat()}, for watch time: {said}.", "warn" if parts else "plain")


def _far(then: int | None, now: int, first: int) -> bool:
    """Tell whether a field moved far, from or to one of the first places."""
    return then is not None and abs(now - then) >= _MOVED and min(then, now) <= first


def _table(found: Importance, before: FieldRanks | None, order: Sequence[int]) -> PageTable:
    seconds: Mapping[str, float | None] = {}
    if found.seconds is not None and found.seconds.accepted:
        seconds = found.seconds.mean_absolute_s
    tasks = sorted(found.tasks, key=lambda name: (not name.startswith(_WATCH_TIME), name))
    heads = (
        TableHead("Field"),
        *(TableHead(task(name), "rank", numeric=True) for name in tasks),
        TableHead("Seconds", "mean, absolute", numeric=True),
    )
    then = {} if before is None else {name: before.of(name) for name in tasks}
    rows = tuple(
        TableRow(
            (
                Cell(found.fields[place]),
                *(
                    Cell(
                        str(found.tasks[name].rank[place]),
                        _change(then.get(name, {}).get(found.fields[place]), found.tasks[name].rank[place]),
                        numeric=True,
                    )
                    for name in tasks
                ),
                Cell(number(seconds.get(found.fields[place]), _SECONDS), numeric=True),
            )
        )
        for place in order
    )
    since = "" if before is None else "; below each, the ranks gained or lost since the last night"
    return PageTable(f"Fields of {found.name}, those that watch time depends on most first{since}", heads, rows)


def _change(then: int | None, now: int) -> str:
    """Return by how many ranks a field rose or fell; nothing where it stayed or was not there."""
    if then is None or then == now:
        return ""
    return f"{'up' if now < then else 'down'} {abs(now - then)}"
