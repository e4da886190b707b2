"""What a night of so many rows costs on a Dask cluster, by a simulated schedule at recorded rates.

    python -m benchmarks.cluster_cost measure   # the data stages by one and two real workers: is the schedule right?
    python -m benchmarks.cluster_cost           # the table of costs, from that (results/measured.json) and from benchmarks/scale

docs/cluster.md reads the tables.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.cluster_cost.measured import measure
from benchmarks.cluster_cost.night import GIB, POOL, Cost, Night, Rates
from benchmarks.scale import DAYS
from tasks.core.files import read_json, write_json, write_text
from tasks.protocol.record import circumstances

FOLDER = Path(__file__).parent / "results"
SCALE = Path(__file__).parents[1] / "scale/results.json"
CORE_HOUR_USD = 0.05
"""What an hour of a core with 4 GiB costs: an assumption, about the list price of a rented machine."""
PARTS = 1024
"""Tasks that a day of the table is divided into, where it is."""
CLUSTERS, SMALL = (1, 4, 16, 64), 4
"""Workers, 16 cores each."""
SIZES = (1e6, 1e7, 1e8, 1e9)
"""Rows of a day."""
MAPPED = ("ingest", "validate", "features", "table")
"""Stages whose tasks are days."""
_ASSUMED = ("rows", "rows_per_user", "price", "storage", "rows_per_day", "repeats", "measured")
"""Options that the recorded pages are made with as they are by default."""


def costs(rates: Rates, night: Night, price_usd: float) -> list[str]:
    """Return the lines of the page of costs."""
    lines = ["## By cluster", ""]
    lines += [
        "| night | tasks of a day | workers | hours | of those on the cluster | core-hours at work | core-hours paid | price, $ |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for named, new_days, parts in (("each", 1, 1), ("each", 1, PARTS), ("the first", DAYS, PARTS)):
        for workers in CLUSTERS:
            cost = Cost.of(replace(night, workers=workers, parts=parts, new_days=new_days), rates)
            lines.append(f"| {named} | {parts:,} | {workers} | {_cost(cost, price_usd)} |")
    lines += ["", f"## By size: each night, days whole, {SMALL} workers", ""]
    lines += [
        "| rows of a day | hours | of those on the cluster | core-hours at work | core-hours paid | price, $ | GiB of the largest task |",
        "|---|---|---|---|---|---|---|",
    ]
    for rows in SIZES:
        cost = Cost.of(replace(night, rows=rows, workers=SMALL), rates)
        largest = max(rates.memory[stage] for stage in MAPPED) * rows / GIB
        lines.append(f"| {rows:.0e} | {_cost(cost, price_usd)} | {largest:,.1f} |")
    lines += ["", f"## By stage: each night, {night.workers} workers", ""]
    lines += [
        f"| stage | where | core-hours at work | hours, days whole | hours, days in {PARTS:,} tasks |",
        "|---|---|---|---|---|",
    ]
    whole, divided = night.schedule(rates), replace(night, parts=PARTS).schedule(rates)
    for work in night.works(rates):
        hours = [(of[work.name].ended_s - of[work.name].began_s) / 3600 for of in (whole, divided)]
        lines.append(
            f"| {work.name} | {work.where} | {sum(work.task_s) / 3600:.1f} | {hours[0]:.2f} | {hours[1]:.2f} |"
        )
    lines += ["", "## Memory of one task", ""]
    lines += [
        f"| stage | bytes for each row of a day | GiB, a day of {night.rows:.0e} rows | GiB, a {PARTS:,}th of it | rows of a day in 32 GiB |",
        "|---|---|---|---|---|",
    ]
    for stage in (*MAPPED, "evaluate@d2q"):
        each = rates.memory[stage]
        lines.append(
            f"| {stage} | {each:,.0f} | {each * night.rows / GIB:,.0f} | {each * night.rows / PARTS / GIB:,.1f} | {32 * GIB / each:.1e} |"
        )
    return lines


def _cost(cost: Cost, price_usd: float) -> str:
    return (
        f"{cost.hours:.1f} | {cost.mapped_hours:.1f} | {cost.busy_core_hours:,.1f} | {cost.paid_core_hours:,.1f} | "
        f"{cost.paid_core_hours * price_usd:,.2f}"
    )


def agreement(measured: Mapping[str, Any]) -> list[str]:
    """Return the lines of the page that holds the schedule against a real cluster."""
    lines = [
        "| stage | one worker, s | two workers, s | predicted from one, s | predicted / measured | from their own tasks, s | predicted / measured |",
        "|---|---|---|---|---|---|---|",
    ]
    for stage, found in measured["predicted"].items():
        two = found["two_s"]
        cells = [_spread(found["one_s"], 1), _spread(two, 1)]
        for kind in ("from_one_s", "from_own_s"):
            ratios = [predicted / was for predicted, was in zip(found[kind], two, strict=True)]
            cells += [_spread(found[kind], 1), _spread(ratios, 2)]
        lines.append("| " + " | ".join([stage, *cells]) + " |")
    return lines


def _spread(values: Sequence[float], digits: int) -> str:
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def _made(where: Mapping[str, Any]) -> str:
    return (
        f"Made {where['date']} at commit `{where['commit']}` on {where['cpu']}, {where['cores']} cores, {where['memory_gib']} GiB; "
        f"Python {where['python']}, polars {where['polars']}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or write the table of costs; a try with assumptions or nights of one's own is printed, and recorded only below `--out`.

    Returns:
        Exit status: 2 where an option is wrong or what was measured is not there.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("cost", "measure"), default="cost")
    parser.add_argument("--rows", type=_positive, default=Night.rows, help="impressions of one day")
    parser.add_argument(
        "--rows-per-user", type=_positive, default=Night.rows_per_user, help="impressions of a user on a day"
    )
    parser.add_argument("--price", type=_positive, default=CORE_HOUR_USD, help="dollars for an hour of a core")
    parser.add_argument("--storage", type=_positive, default=Night.storage_mb_s, help="MB/s of each machine")
    parser.add_argument("--rows-per-day", type=_count, default=30_000, help="of the nights that are measured")
    parser.add_argument("--repeats", type=_count, default=3, help="of the nights that are measured")
    parser.add_argument("--measured", type=Path, default=FOLDER / "measured.json", help="what `measure` wrote")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the results; those recorded here, unless an option is not as usual: then none",
    )
    options = parser.parse_args(arguments)
    usual = all(getattr(options, name) == parser.get_default(name) for name in _ASSUMED)
    out = options.out or (FOLDER if usual else None)
    where = circumstances()
    if options.part == "measure":
        measured = measure(options.rows_per_day, options.repeats)
        if out is not None:
            write_json(out / "measured.json", {"circumstances": where, **measured})
        lines = ["# Two workers, predicted and measured", "", "Run it: `python -m benchmarks.cluster_cost measure`", ""]
        lines += [*agreement(measured), ""]
        lines += [
            f"The data stages of a simulated night of 15 days of {options.rows_per_day:,} rows on a Dask cluster whose workers have one "
            f"thread each; {options.repeats} nights by one worker and {options.repeats} by two, in turns: median [least, most]. What two "
            "would take is predicted from the tasks of one, and from their own tasks, which holds the dealing alone.",
            "",
            _made(where),
        ]
        return _said(lines, out, "measured.md")
    if not options.measured.is_file():
        print(
            f"error: {options.measured} is not there, for it is not kept by git: make it by `python -m benchmarks.cluster_cost measure` "
            "(minutes), or name one in --measured",
            file=sys.stderr,
        )
        return 2
    scale, measured = read_json(SCALE), read_json(options.measured)
    rates = Rates.read(scale["results"], measured)
    night = Night(rows=options.rows, rows_per_user=options.rows_per_user, storage_mb_s=options.storage)
    lines = [f"# A night of {options.rows:.0e} rows a day", "", "Run it: `python -m benchmarks.cluster_cost`", ""]
    lines += [
        f"Assumed: {options.rows_per_user:g} rows of each user, who is scored with {POOL} videos, one recipe fitted for two epochs by all cores of the driver, all else there by one, {night.cores} cores on each worker and "
        f"{night.driver_cores} on the driver, {options.storage:,.0f} MB/s of storage for each machine, ${options.price} for an hour of a core. "
        f"CPU seconds are those of [scale](../../scale/results.md), measured at commit `{scale['circumstances']['commit']}`, bytes those "
        f"of [measured](measured.md), at `{measured['circumstances']['commit']}`; what works take at this size is computed from them.",
        "",
        *costs(rates, night, options.price),
        "",
        _made(where),
    ]
    return _said(lines, out, "cost.md")


def _said(lines: Sequence[str], out: Path | None, name: str) -> int:
    """Record a page and print where, or print it."""
    text = "\n".join(lines) + "\n"
    print(text if out is None else write_text(out / name, text))
    return 0


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is no finite number above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return value


if __name__ == "__main__":
    sys.exit(main())
