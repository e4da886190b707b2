"""Table rules that need the day's counts, and the counts of the days before it: share, nulls, volume and drift."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from tasks.core.contract import IMPRESSIONS
from tasks.core.partition_cache import Manifest
from tasks.validate.config import Limits, TableRulesConfig
from tasks.validate.profile import Histograms, add, add_histograms
from tasks.validate.verdicts import Status, Verdict

_ACCEPT = "or let the day pass under validation.tables.accept"


def population_stability_index(counts: Mapping[str, int], reference: Mapping[str, int]) -> float:
    """Return sum((p - q) ln(p / q)) over the levels of two count tables, half a row added to each level.

    Rounded to 6 decimals. Below 0.1 is usually called stable, above 0.25 shifted.
    """
    levels = sorted({*counts, *reference})
    if len(levels) < 2:
        return 0.0
    rows, reference_rows = (sum(table.values()) + 0.5 * len(levels) for table in (counts, reference))
    total = 0.0
    for level in levels:
        p, q = (counts.get(level, 0) + 0.5) / rows, (reference.get(level, 0) + 0.5) / reference_rows
        total += (p - q) * math.log(p / q)
    return round(total, 6)


def judge_counts(day: Manifest, config: TableRulesConfig) -> list[Verdict]:
    """Judge a day by its own counts: what was quarantined, and columns without a single value."""
    share = day["rows_quarantined"] / day["rows_in"]
    reasons = sorted(day["quarantined"].items(), key=lambda item: (-item[1], item[0]))
    verdicts = [
        Verdict(
            "quarantined_share",
            day["day"],
            "passed" if share <= config.max_quarantined_share else "failed",
            f"{share:.1%} of {day['rows_in']:,} rows ({', '.join(f'{name} {rows:,}' for name, rows in reasons) or 'none'})",
            f"at most {config.max_quarantined_share:.1%}",
            f"look at the quarantined rows and mend the source, {_ACCEPT}",
            value=round(share, 6),
        )
    ]
    for column in (column.name for column in IMPRESSIONS if column.name not in config.may_be_null):
        nulls = day["nulls_in"][column]
        verdicts.append(
            Verdict(
                "all_null_column",
                day["day"],
                "failed" if nulls == day["rows_in"] else "passed",
                f"null in {nulls:,} of {day['rows_in']:,} rows",
                "at least one value",
                f"the source lost the column: ingest the day again, {_ACCEPT}",
                column=column,
            )
        )
    return verdicts


def judge_against_trailing(day: Manifest, before: Sequence[Manifest], config: TableRulesConfig) -> list[Verdict]:
    """Judge a day against the days before it (at most `trailing_days`, in order)."""
    if len(before) < config.min_trailing_days:
        why = f"{len(before)} day(s) before it"
        return [
            _skipped(rule, day, why, f"at least {config.min_trailing_days}")
            for rule in ("volume", "null_share", "drift")
        ]
    verdicts = [_volume(day, before, config.volume)]
    rows = min(day["rows_out"], sum(other["rows_out"] for other in before))
    if rows < config.min_drift_rows:
        needed = f"at least {config.min_drift_rows:,}"
        return [*verdicts, *(_skipped(rule, day, f"{rows:,} rows", needed) for rule in ("null_share", "drift"))]
    return [*verdicts, *_null_shares(day, before, config.null_share), *_drift(day, before, config)]


def _skipped(rule: str, day: Manifest, observed: str, needed: str) -> Verdict:
    return Verdict(rule, day["day"], "skipped", observed, f"{needed} to judge", "nothing to do")


def _status(value: float, limits: Limits) -> Status:
    return "passed" if value <= limits.warn else "warning" if value <= limits.stop else "failed"


def _volume(day: Manifest, before: Sequence[Manifest], limits: Limits) -> Verdict:
    usual = median(other["rows_out"] for other in before)
    factor = max(day["rows_out"], 1) / max(usual, 1)
    return Verdict(
        "volume",
        day["day"],
        _status(max(factor, 1 / factor), limits),
        f"{day['rows_out']:,} rows, {factor:.2f} times the median of the {len(before)} days before",
        f"between 1/{limits.stop:g} and {limits.stop:g} times {usual:,.0f}",
        f"check that the log is complete and ingest the day again, {_ACCEPT}",
        value=round(factor, 6),
    )


def _null_shares(day: Manifest, before: Sequence[Manifest], limits: Limits) -> list[Verdict]:
    nulls: dict[str, int] = {}
    for other in before:
        nulls = add(nulls, other["nulls_in"])
    rows = sum(other["rows_in"] for other in before)
    verdicts = []
    for column in (column.name for column in IMPRESSIONS):
        share, usual = day["nulls_in"][column] / day["rows_in"], nulls[column] / rows
        verdicts.append(
            Verdict(
                "null_share",
                day["day"],
                _status(abs(share - usual), limits),
                f"{share:.1%} null",
                f"within {limits.stop:.0%} of the {usual:.1%} of the {len(before)} days before",
                f"check how the source fills the column, {_ACCEPT}",
                column=column,
                value=round(share - usual, 6),
            )
        )
    return verdicts


def _drift(day: Manifest, before: Sequence[Manifest], config: TableRulesConfig) -> list[Verdict]:
    reference: Histograms = add_histograms(other["histograms"] for other in before)
    verdicts = []
    for column in config.drift_columns:
        index = population_stability_index(day["histograms"][column], reference[column])
        verdicts.append(
            Verdict(
                "drift",
                day["day"],
                _status(index, config.drift),
                f"stability index {index:.3f} against the {len(before)} days before",
                f"at most {config.drift.stop:g}",
                f"find out what changed at the source, {_ACCEPT}",
                column=column,
                value=index,
            )
        )
    return verdicts
