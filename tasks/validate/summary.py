"""What the morning report says about the data: how many rows each rule took, what drifted, what failed."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.partition_cache import Manifest
from tasks.validate.config import ValidationConfig
from tasks.validate.profile import add
from tasks.validate.row_rules import ROW_RULES
from tasks.validate.side_tables import COLUMN_RULES
from tasks.validate.verdicts import Verdict

STATUSES = ("passed", "warning", "failed", "accepted", "skipped")


def summarise(
    source: Mapping[str, Any],
    config: ValidationConfig,
    manifests: Sequence[Manifest],
    verdicts: Mapping[str, Sequence[Verdict]],
    side_tables: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the content of summary.json.

    Args:
        source: source.json.
        config: the stage's configuration.
        manifests: one per day, in order.
        verdicts: by day (ISO) and by side table.
        side_tables: what mending found, by table.
    """
    quarantined: dict[str, int] = {}
    for manifest in manifests:
        quarantined = add(quarantined, manifest["quarantined"])
    duration_range = config.rows.duration_range
    return {
        "passed": not any(verdict.status == "failed" for found in verdicts.values() for verdict in found),
        "source": source.get("name", ""),
        "duration_filter": duration_range.name
        if duration_range and "duration_range" not in config.rows.off
        else "none",
        "rows_in": sum(manifest["rows_in"] for manifest in manifests),
        "rows_out": sum(manifest["rows_out"] for manifest in manifests),
        "cleaning": cleaning_steps(sum(manifest["rows_in"] for manifest in manifests), quarantined),
        "days": [_day(manifest, verdicts[manifest["day"]]) for manifest in manifests],
        "side_tables": {
            table: {**found, "verdicts": count_statuses(verdicts[table]), "problems": _problems(verdicts[table])}
            for table, found in side_tables.items()
        },
        "why": {name: rule.why for name, rule in ROW_RULES.items()}
        | {name: rule.why for name, rule in COLUMN_RULES.items()},
    }


def cleaning_steps(rows_in: int, quarantined: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the rows left after each rule that took any, in order of priority, beginning with the raw rows."""
    steps = [{"step": "raw", "taken": 0, "rows": rows_in}]
    for name in ROW_RULES:
        if quarantined.get(name):
            steps.append(
                {"step": name, "taken": quarantined[name], "rows": int(str(steps[-1]["rows"])) - quarantined[name]}
            )
    return steps


def count_statuses(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Return how many verdicts have each status."""
    return {status: sum(verdict.status == status for verdict in verdicts) for status in STATUSES}


def _day(manifest: Manifest, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    rows = max(manifest["rows_out"], 1)
    return {
        "day": manifest["day"],
        "rows_in": manifest["rows_in"],
        "rows_out": manifest["rows_out"],
        "rows_quarantined": manifest["rows_quarantined"],
        "quarantined": manifest["quarantined"],
        "notes": manifest["notes"],
        "mean_watch_s": round(manifest["totals"]["watch_ms"] / rows / 1000, 3),
        "volume_factor": next((verdict.value for verdict in verdicts if verdict.rule == "volume"), None),
        "drift": {verdict.column: verdict.value for verdict in verdicts if verdict.rule == "drift" and verdict.column},
        "verdicts": count_statuses(verdicts),
        "problems": _problems(verdicts),
    }


def _problems(verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    return [
        {"rule": verdict.rule, "column": verdict.column, "status": verdict.status, "sentence": verdict.sentence}
        for verdict in verdicts
        if verdict.status in ("warning", "failed", "accepted")
    ]
