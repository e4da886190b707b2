"""Paired differences of two models, as a table and as a chart."""

from collections.abc import Sequence

from tasks.evaluate.catalogue import metric
from tasks.evaluate.document import MeasuredNumber
from tasks.evaluate.segments import flag_names
from tasks.gate.compared import Compared, Delta
from tasks.report import charts
from tasks.report.formatting import (
    NOTHING,
    count,
    defined,
    difference_cell,
    interval,
    measure,
    number,
    plural,
    rank_of,
)
from tasks.report.measured import MeasuredModel
from tasks.report.view import Cell, Chart, Charts, PageTable, TableHead, TableRow

Sides = tuple[MeasuredModel, MeasuredModel]


def delta_table(pair: Compared, caption: str, sides: Sides | None = None) -> PageTable:
    """Return every paired metric of one comparison.

    Args:
        pair: the comparison.
        caption: what was compared on which rows.
        sides: challenger and reference as they were measured alone, for the intervals of their own values; None where
            they were not measured on these rows.
    """
    heads = (
        TableHead("Metric"),
        TableHead("Difference", "with interval", numeric=True),
        TableHead("One-sided bounds", numeric=True),
        TableHead("Challenger", numeric=True),
        TableHead("Reference", numeric=True),
        TableHead("Rows", numeric=True),
    )
    ordered = sorted(pair.deltas, key=lambda delta: (rank_of(delta.name), delta.name))
    return PageTable(caption, heads, tuple(_row(delta, sides) for delta in ordered))


def _row(delta: Delta, sides: Sides | None) -> TableRow:
    how = measure(delta.name)
    challenger, reference = sides or (None, None)
    return TableRow(
        (
            Cell(how.label),
            difference_cell(delta.name, delta.value, delta.low, delta.high),
            Cell(interval(delta.lower, delta.upper, how, signed=True) or NOTHING, numeric=True),
            _level(delta.name, delta.candidate, delta.candidate_seed_sd, delta.candidate_num_seeds, challenger),
            _level(delta.name, delta.reference, delta.reference_seed_sd, delta.reference_num_seeds, reference),
            Cell(
                count(delta.rows),
                plural(delta.positives, "positive") if delta.positives is not None else "",
                numeric=True,
            ),
        )
    )


def _level(name: str, value: float | None, seed_sd: float | None, seeds: int, model: MeasuredModel | None) -> Cell:
    """Return one side's own value, with its interval where it was measured on these rows, else its spread over seeds."""
    how = measure(metric(name).base or name)
    alone = _alone(model, name) if model else None
    detail = interval(alone.low, alone.high, how) if alone else ""
    if not detail and defined(seed_sd):
        detail = f"± {number(seed_sd, how, unit=False)} over {seeds} seeds"
    return Cell(number(value, how), detail, numeric=True)


def _alone(model: MeasuredModel, name: str) -> MeasuredNumber | None:
    """Return a model's own estimate of a paired metric; None where it has none."""
    paired = metric(name)
    if paired.segment:
        where = paired.segment, flag_names(paired.segment)[1]
        parts = [part for part in model.segments if (part.segment, part.value) == where]
        return parts[0].metrics.get(paired.base) if parts else None
    if paired.exposure:
        exposed = model.metrics.random_exposure.get(paired.exposure)
        return exposed.metrics.get(paired.base) if exposed else None
    return model.metric(paired.base or name)


def difference_chart(named: Sequence[tuple[str, Delta]], what: str) -> Charts | None:
    """Draw differences with their intervals; None where none is defined.

    Args:
        named: label -> difference, all in one unit.
        what: what is compared.
    """
    rows = [
        (name, delta.value, delta.low, delta.high)
        for name, delta in named
        if delta.value is not None and delta.low is not None and delta.high is not None
    ]
    if not rows:
        return None
    how = measure("xauc")
    said = "; ".join(
        f"{name} {number(value, how, signed=True)} {interval(low, high, how, signed=True)}"
        for name, value, low, high in rows
    )
    plot = charts.intervals(rows, "difference, with interval", f"{what}: {said}", reference=0)
    return Charts((Chart(f"{what}. The dashed line is no difference.", plot),))
