"""What every part of a benchmark takes and gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.report.view import Plot


@dataclass(frozen=True)
class Options:
    """How a part is run.

    Attributes:
        data: folder of the real data sets (`coat/`, `open_bandit/`, `KuaiRand-Pure/`).
        seeds: one fit each.
        scratch: folder for intermediate files; removed afterwards.
        quick: a small variant that shows that the part runs; its figures are not recorded.
        rows: of the simulated log, where the benchmark lets the caller choose; a quick run has its own.
    """

    data: Path
    seeds: Sequence[int]
    scratch: Path
    quick: bool = False
    rows: int | None = None


@dataclass(frozen=True)
class Table:
    """One table of results, as it is printed.

    Attributes:
        title: what it shows, and which variant of the protocol.
        columns: names, the row's label first.
        rows: cells as text, `mean ± sd` or `value [low, high]` where there is an uncertainty.
        notes: what a reader must know: rows, choices, published figures and where they come from.
        numbers: the same results unrounded, for `<part>.json`.
        figure: a drawing of them, if there is one (`tasks.report.charts`).
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    numbers: Any = None
    figure: Plot | None = None


Part = Callable[[Options], list[Table]]
"""One part: `benchmarks/<benchmark>/<name>.py` offers it as `run`. No table: it said why nothing was measured, and what was recorded stands."""
