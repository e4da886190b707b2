"""A comparison as lines for a terminal, and the sentences that its page shares with them."""

import datetime as dt
from collections.abc import Iterator, Sequence

from tasks.compare.differences import Difference, ModelComparison, SegmentLine
from tasks.compare.leaderboard import METRIC, Board, Standing
from tasks.evaluate import catalogue
from tasks.report.formatting import count, interval, listed, measure, number, p_text, plural, rank_of, segment, span
from tasks.report.sections.changed import NightChange, about, change_table

DECIDING = "xauc"
"""Metric that a comparison is summed up by, and that the terminal shows by segment."""
PAIRED_NOTE = "paired by user on the same rows, by the estimator of the gate; the variance between fits is not in it"


def ordered(found: ModelComparison) -> list[tuple[str, Difference]]:
    """Return the differences in the order in which they are read."""
    return sorted(found.metrics.items(), key=lambda item: (rank_of(item[0]), item[0]))


def verdict(name: str, difference: Difference, alpha: float) -> str:
    """Return better, worse, different or "not told apart", as the adjusted p-value allows; "undefined" without a number."""
    if difference.adjusted != difference.adjusted:  # NaN
        return "undefined"
    if difference.adjusted > alpha:
        return "not told apart"
    higher = catalogue.metric(name).higher_is_better
    return "different" if higher is None else "better" if (difference.value > 0) == higher else "worse"


def headline(found: ModelComparison) -> str:
    """Return what the comparison comes to, in one sentence."""
    one = found.metrics[DECIDING]
    how, said = measure(DECIDING), verdict(DECIDING, one, found.alpha)
    numbers = f"{how.label} {number(one.value, how, signed=True)} {interval(one.low, one.high, how, signed=True)}"
    where = f"over {plural(one.nights, 'night')}" if len(found.nights) > 1 else f"on night {found.nights[0]}"
    told = {"better": "is better than", "worse": "is worse than", "not told apart": "cannot be told from"}
    return f"{found.candidate} {told.get(said, 'cannot be compared with')} {found.reference} {where}: {numbers}"


def remarks(found: ModelComparison) -> tuple[str, ...]:
    """Return what is to know of the numbers."""
    shown = sum(one.adjusted == one.adjusted for one in found.metrics.values())
    level = f"{found.confidence:.0%}"
    parts = sum(one.adjusted == one.adjusted for part in found.segments for one in part.metrics.values())
    said = [
        f"intervals are of {level}, each of its own difference; p is adjusted by Holm, among the {shown} differences on all "
        f"rows and among the {parts} of segments, of which the page has those of every metric",
        PAIRED_NOTE,
    ]
    if len(found.nights) > 1:
        spread = found.metrics[DECIDING].spread
        ruled = {
            "bootstrap": "users resampled (from seven nights on the spread between nights counts where it is larger)",
            "nights": "the spread between nights",
            "weeks": "the spread between weeks",
        }
        said.append(f"every night counts once; the variance that ruled {measure(DECIDING).label} is {ruled[spread]}")
    return tuple(said)


def lines(found: ModelComparison, left_out: Sequence[str] = ()) -> Iterator[str]:
    """Yield what a person reads.

    Args:
        found: the comparison.
        left_out: one line per night that was asked for and has no tables.
    """
    yield headline(found)
    yield f"  {plural(len(found.nights), 'night')} ({listed(map(str, found.nights))}), {count(found.rows)} rows"
    heads = ("metric", "difference", "interval", "p (Holm)", found.candidate, found.reference, "")
    yield from _table([heads, *(_row(name, one, found) for name, one in ordered(found))])
    if parts := [part for part in found.segments if DECIDING in part.metrics]:
        yield f"by segment, {measure(DECIDING).label}:"
        columns = ("segment", "difference", "interval", "p (Holm)", "rows", "")
        yield from _table([columns, *(_segment(part, found) for part in parts)])
    if len(found.nights) > 1:
        yield f"by night, {measure(DECIDING).label}:"
        how = measure(DECIDING)
        for night, one in found.by_night.items():
            yield f"  {night}  {number(one.value, how, signed=True)}  {interval(one.low, one.high, how, signed=True)}"
    yield from (f"note: {remark}" for remark in remarks(found))
    yield from (f"left out: {line}" for line in left_out)


def change_lines(change: NightChange | str | None) -> Iterator[str]:
    """Yield what changed between two nights as a person reads it; a reason why there is none is a line of its own."""
    if change is None or isinstance(change, str):
        yield from [change] if change else []
        return
    yield f"from night {change.chain.earlier} to night {change.chain.later}, each on its own judge day:"
    table = change_table(change)
    heads = [head.text for head in table.heads]
    yield from _table([heads, *([f"{cell.text} {cell.detail}".strip() for cell in row.cells] for row in table.rows)])
    yield f"note: {about(change)}"


def _row(name: str, one: Difference, found: ModelComparison) -> tuple[str, ...]:
    how, level = measure(name), measure(catalogue.metric(name).base or name)
    return (
        how.label,
        number(one.value, how, signed=True),
        interval(one.low, one.high, how, signed=True),
        p_text(one.adjusted),
        number(one.candidate, level),
        number(one.reference, level),
        verdict(name, one, found.alpha),
    )


def _segment(part: SegmentLine, found: ModelComparison) -> tuple[str, ...]:
    how, one = measure(DECIDING), part.metrics[DECIDING]
    return (
        f"{segment(part.segment)}: {span(part.value)}",
        number(one.value, how, signed=True),
        interval(one.low, one.high, how, signed=True),
        p_text(one.adjusted),
        count(part.rows),
        verdict(DECIDING, one, found.alpha),
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()


def board_lines(board: Board, shown: int = 3) -> Iterator[str]:
    """Yield a leaderboard as a person reads it.

    Args:
        board: it.
        shown: how many of its nights have a column, the last ones.
    """
    how, nights = measure(METRIC), board.nights[-shown:]
    yield f"{how.label} of {board.source}, {plural(len(board.nights), 'night')}: {span_of(board)}"
    heads = ("model", *map(str, nights), f"against {board.reference}", "nights", "p (Holm)")
    yield from _table([heads, *(_standing(one, nights) for one in board.standings)])
    yield f"note: {PAIRED_NOTE}"
    if len(nights) < len(board.nights):
        yield f"note: the last {len(nights)} nights are shown, differences are over all; --html FILE shows every night"


def span_of(board: Board) -> str:
    """Return first and last night of a board."""
    first, last = board.nights[0], board.nights[-1]
    return str(first) if first == last else f"{first} to {last}"


def _standing(one: Standing, nights: Sequence[dt.date]) -> tuple[str, ...]:
    how, against = measure(METRIC), one.against
    cells = []
    for night in nights:
        found = one.by_night.get(night)
        cells.append("-" if found is None else f"{number(found.value, how)} {interval(found.low, found.high, how)}")
    if against is None:
        return (one.model, *cells, "-", "", "")
    said = f"{number(against.value, how, signed=True)} {interval(against.low, against.high, how, signed=True)}"
    return (one.model, *cells, said, count(against.nights), p_text(against.adjusted))
