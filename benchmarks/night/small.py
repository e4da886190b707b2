"""A second night so small that what starts and checks its stages is most of it."""

from collections.abc import Mapping
from typing import Any

from benchmarks.night.nights import second_night
from benchmarks.parts.part import Options, Table

SMALL: Mapping[str, Mapping[str, Any]] = {
    "nightly": {"recipes": ["d2q"], "stage_retries": 0},
    "training": {"seeds": [0], "max_epochs": 2, "calibration": {"min_rows": 100, "max_tre": 10}},
    "evaluation": {"replicates": 100, "truth_rows": 2_000},
    "baselines": {"enabled": ["constant", "duration_table"]},
    "gate": {
        "minimum_rows": 500,
        "minimum_users": 100,
        "tre": 10,
        "dce_max": 10,
        "baseline_floor": "none",
        "trivial_baselines": ["constant"],
    },
    "score": {"pool_size": 20, "top_k": 5},
}
"""What is changed of params.yaml: one recipe of one fit, and a gate that lets it through, so that the second night has a champion."""
_IMPRESSIONS, _QUICK = 3_000, 1_500
"""Of a day."""


def run(options: Options) -> list[Table]:
    """Return the table of the small night."""
    impressions = _QUICK if options.quick else _IMPRESSIONS
    return [second_night(options, SMALL, f"One recipe, {impressions:,} impressions a day", impressions)]
