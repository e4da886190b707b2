"""The section of compressed tables: one line per table of its bytes, one per recipe of what it cost."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tasks.report.formatting import MINUS, measure, small_number
from tasks.report.inputs import Artifacts
from tasks.report.sections.stored_tables import stored_tables
from tasks.train.manifest import InputHashes
from tasks.train.tables import FitOfTables, Ledger, TableEntry, TablesManifest
from tests.report.reading import tables, texts


def entry(rows: dict[str, int], zeroed: int, total: int, fp32: int) -> TableEntry:
    ledger = Ledger(rows=rows, directory=0, headers=0, total=total, fp32=fp32)
    kind = "mixed" if len(rows) > 1 else next(iter(rows))
    return TableEntry(
        kind=kind, rows=rows, width=8, offsets=dict.fromkeys(rows, 0), zeroed=zeroed, files={}, ledger=ledger
    )


def manifest(recipe: str, moved: dict[str, float], **entries: TableEntry) -> TablesManifest:
    fit = FitOfTables(recipe=recipe, seed=0, hashes=InputHashes(data="d", code="c", config="f"), validation=moved)
    return TablesManifest(fit=fit, id_map="m", fields=(), tables=entries)


def test_every_table_has_its_bytes_and_every_recipe_its_cost_once(read: Mapping[str, Artifacts]) -> None:
    night = read["later"]
    first, second, *others = night.recipes
    both = (
        replace(
            first,
            tables=manifest(
                first.name,
                {"xauc": -2e-6, "mae": 0.012, "rmse": 4e-6},
                wide=entry({"int8_row": 1200, "fp32": 30}, 7, 10_240, 40_960),
                packed=entry({"fp16": 2000}, 0, 4_096, 8_192),
            ),
        ),
        replace(second, tables=manifest(second.name, {"xauc": 0.0}, packed=entry({"fp16": 2000}, 0, 4_096, 8_192))),
        *others,
    )
    (section,) = stored_tables(replace(night, bundles=both))
    stored, cost = tables(section)
    assert texts(stored) == [
        [first.name, "2,000 fp16", "4\N{NO-BREAK SPACE}KiB", "8\N{NO-BREAK SPACE}KiB", "50.0\N{NO-BREAK SPACE}%"],
        [
            first.name,
            "1,200 int8_row and 30 fp32",
            "10\N{NO-BREAK SPACE}KiB",
            "40\N{NO-BREAK SPACE}KiB",
            "75.0\N{NO-BREAK SPACE}%",
        ],
        [second.name, "2,000 fp16", "4\N{NO-BREAK SPACE}KiB", "8\N{NO-BREAK SPACE}KiB", "50.0\N{NO-BREAK SPACE}%"],
    ]
    assert [row.cells[0].detail for row in stored.rows] == ["packed", "wide", "packed"]
    assert [row.cells[1].detail for row in stored.rows] == ["", "7 too small, stored as 0", ""]
    assert texts(cost) == [
        [
            first.name,
            f"above {MINUS}0.00005",
            *(small_number(value, measure(name), signed=True) for name, value in (("mae", 0.012), ("rmse", 4e-6))),
        ],
        [second.name, "0.0000", "\N{EN DASH}", "\N{EN DASH}"],
    ]
    assert stored_tables(replace(night, bundles=tuple(others))) == ()


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("xauc", 2e-6, "below 0.00005"),
        ("xauc", -2e-6, f"above {MINUS}0.00005"),
        ("xauc", 0.00005, "+0.0001"),
        ("xauc", 0.0, "0.0000"),
        ("xauc", None, "\N{EN DASH}"),
        ("xauc", -0.0123, f"{MINUS}0.0123"),
    ],
)
def test_a_difference_that_digits_would_hide_is_a_bound(metric: str, value: float | None, shown: str) -> None:
    assert small_number(value, measure(metric), signed=True) == shown
