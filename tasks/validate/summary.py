"""What the morning report says about the data: how many rows each rule took, what drifted, what failed."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import Field

from tasks.core.document import Document
from tasks.core.partition_cache import Manifest
from tasks.core.traits import declared
from tasks.validate.config import ValidationConfig
from tasks.validate.profile import add
from tasks.validate.row_rules import ROW_RULES
from tasks.validate.side_tables import COLUMN_RULES
from tasks.validate.verdicts import Status, Verdict

FILE = "summary.json"
STATUSES: tuple[Status, ...] = get_args(Status)


class Problem(Document):
    """A table rule that did not hold as it should."""

    rule: str
    column: str
    """What the rule is narrowed to; "" for the whole table."""
    status: Status
    sentence: str


class RulesJudged(Document):
    """What the table rules found in one table."""

    verdicts: dict[Status, int]
    """Rules by outcome."""
    problems: tuple[Problem, ...]
    """Those that warned or failed, accepted ones too."""


class DaySummary(RulesJudged):
    """The rows of one arrival day."""

    day: str
    """ISO date."""
    rows_in: int
    rows_out: int
    rows_quarantined: int
    quarantined: dict[str, int]
    """Rule -> rows it took."""
    notes: dict[str, int]
    """Rule that only notes -> rows it noted."""
    mean_watch_s: float
    volume_factor: float | None
    """Rows over the median of the trailing days; None without enough of them."""
    drift: dict[str, float]
    """Column -> population stability index against the trailing days."""


class SideTableSummary(RulesJudged):
    """A table beside the impressions, after mending."""

    table: str
    key: str
    rows: int
    found: dict[str, dict[str, int]]
    """Rule -> column -> values mended."""


class CleaningStep(Document):
    """One rule in the order of priority: rows it took, and rows left after it."""

    step: str
    taken: int
    rows: int


class DataSummary(Document):
    """`summary.json`."""

    passed: bool
    """Whether no table rule failed."""
    source: str
    duration_filter: str
    rows_in: int
    rows_out: int
    cleaning: tuple[CleaningStep, ...]
    days: tuple[DaySummary, ...]
    side_tables: dict[str, SideTableSummary]
    why: dict[str, str]
    """Rule -> what it is about."""
    set_aside: dict[str, int] = Field(default_factory=dict)
    """Reason -> rows that belong to no day; ingest keeps them in data/raw/set_aside.parquet."""
    gaps: dict[str, str] = Field(default_factory=dict)
    """Day without rows -> why a person accepted that."""
    traits: dict[str, str] = Field(default_factory=dict, exclude_if=lambda traits: not traits)
    """Sensitive attribute of users that the source declares -> what it was collected for."""
    trait_users: dict[str, int] = Field(default_factory=dict, exclude_if=lambda counts: not counts)
    """Users who were asked for them, and those of whom values may be used."""


def summarise(
    source: Mapping[str, Any],
    config: ValidationConfig,
    manifests: Sequence[Manifest],
    verdicts: Mapping[str, Sequence[Verdict]],
    side_tables: Mapping[str, Mapping[str, Any]],
) -> DataSummary:
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
    filtered = duration_range is not None and "duration_range" not in config.rows.off
    rows_in = sum(manifest["rows_in"] for manifest in manifests)
    return DataSummary(
        passed=not any(verdict.status == "failed" for found in verdicts.values() for verdict in found),
        source=source.get("name", ""),
        duration_filter=duration_range.name if duration_range and filtered else "none",
        rows_in=rows_in,
        rows_out=sum(manifest["rows_out"] for manifest in manifests),
        cleaning=cleaning_steps(rows_in, quarantined),
        set_aside=source.get("quarantined", {}),
        days=tuple(_day(manifest, verdicts[manifest["day"]]) for manifest in manifests),
        side_tables={
            table: SideTableSummary(**found, **_judged(verdicts[table])) for table, found in side_tables.items()
        },
        gaps=source.get("gaps", {}),
        traits={name: trait["purpose"] for name, trait in declared(source).items()},
        trait_users=source.get("trait_users", {}),
        why={name: rule.why for rules in (ROW_RULES, COLUMN_RULES) for name, rule in rules.items()},
    )


def cleaning_steps(rows_in: int, quarantined: Mapping[str, int]) -> tuple[CleaningStep, ...]:
    """Return the rows left after each rule that took any, in order of priority, beginning with the raw rows."""
    steps = [CleaningStep(step="raw", taken=0, rows=rows_in)]
    for name in ROW_RULES:
        if taken := quarantined.get(name):
            steps.append(CleaningStep(step=name, taken=taken, rows=steps[-1].rows - taken))
    return tuple(steps)


def _day(manifest: Manifest, verdicts: Sequence[Verdict]) -> DaySummary:
    rows = max(manifest["rows_out"], 1)
    return DaySummary(
        day=manifest["day"],
        rows_in=manifest["rows_in"],
        rows_out=manifest["rows_out"],
        rows_quarantined=manifest["rows_quarantined"],
        quarantined=manifest["quarantined"],
        notes=manifest["notes"],
        mean_watch_s=round(manifest["totals"]["watch_ms"] / rows / 1000, 3),
        volume_factor=next((verdict.value for verdict in verdicts if verdict.rule == "volume"), None),
        drift={
            verdict.column: verdict.value
            for verdict in verdicts
            if verdict.rule == "drift" and verdict.column and verdict.value is not None
        },
        **_judged(verdicts),
    )


def _judged(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the fields of `RulesJudged`."""
    return {
        "verdicts": {status: sum(verdict.status == status for verdict in verdicts) for status in STATUSES},
        "problems": tuple(
            Problem(rule=verdict.rule, column=verdict.column, status=verdict.status, sentence=verdict.sentence)
            for verdict in verdicts
            if verdict.status in ("warning", "failed", "accepted")
        ),
    }
