"""Refreshes where a night's judge rows are few: how often, and what level is reached when refits change slowly."""

from dataclasses import replace

import numpy as np

from benchmarks.gate.drift import RULES, SHARE
from benchmarks.gate.lives import YEAR
from benchmarks.gate.promotions import Settings, over_worlds
from benchmarks.gate.refreshes import Refits, refreshed
from benchmarks.parts.part import Table

ERRORS = (0.0126, 0.007)
CHANGES = {0.0: "equal", 0.0005: "slowly better", -0.0005: "slowly worse"}
MONTH = 30


def run(settings: Settings) -> list[Table]:
    """Return refreshes in a month, and what a year ends at."""
    few = replace(settings, worlds=max(2, settings.worlds // SHARE))
    cells = [Refits(change, rule, error) for error in ERRORS for change in CHANGES for rule in ("former", "gate")]
    rows, numbers = [], {}
    for cell, found in zip(cells, over_worlds(refreshed, cells, few), strict=True):
        kinds = np.array([one.kind_N for one in found])
        by_age = kinds == "refresh_by_age"
        level = np.array([one.level_N for one in found])
        name = "the champion alone" if cell.rule == "former" else RULES["gate"] + ", age"
        rows.append(
            [
                f"{cell.error:g}", f"{CHANGES[cell.change]} ({cell.change:+.4f})", name,
                f"{(kinds[:, :MONTH] != '').sum(axis=1).mean():.1f}", f"{by_age[:, :MONTH].sum(axis=1).mean():.1f}",
                f"{100 * (kinds[:, :MONTH] == '').all(axis=1).mean():.0f}",
                *(f"{level[:, n - 1].mean():+.4f} [{level[:, n - 1].min():+.4f}]" for n in (MONTH, YEAR)),
            ]
        )  # fmt: skip
        numbers[f"{cell.error} {cell.change} {cell.rule}"] = level[:, [MONTH - 1, YEAR - 1]].tolist()
    return [
        Table(
            title="Refits on small logs: refreshes in 30 nights, and the champion's true XAUC against the first one's",
            columns=[
                "s.e. of a night", "each refit", "held to", "refreshes in 30 nights", "of them by age", "none in 30 nights, %",
                "night 30, mean [lowest]", f"night {YEAR}",
            ],
            rows=rows,
            notes=[
                f"{few.worlds} worlds a row. Banked differences and errors are enlarged to the standard error named; guardrails are "
                "left out, for theirs do not follow. `refresh_by_age`: a champion beyond `gate.max_age` that the nights do not "
                "decide on is replaced on no evidence of harm.",
            ],
            numbers=numbers,
        )
    ]  # fmt: skip
