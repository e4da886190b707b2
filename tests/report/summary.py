"""What the validate stage says of nine made-up days."""

from tasks.validate.summary import CleaningStep, DataSummary, DaySummary, Problem, SideTableSummary
from tasks.validate.verdicts import Status

VERDICTS: dict[Status, int] = {"passed": 70, "warning": 0, "failed": 0, "accepted": 0, "skipped": 3}
DRIFTED = Problem(
    rule="drift",
    column="watch",
    status="warning",
    sentence="2026-01-15 drift(watch): stability index 0.137 against the 7 days before, expected at most 0.5",
)


def data_summary() -> DataSummary:
    """Return what the validate stage says of nine days, the last one with a drift warning."""
    days = tuple(_day(number, last=number == 8) for number in range(9))
    rows_in, rows_out = sum(day.rows_in for day in days), sum(day.rows_out for day in days)
    return DataSummary(
        passed=True,
        source="simulator",
        duration_filter="duration_5_400s",
        rows_in=rows_in,
        rows_out=rows_out,
        cleaning=(
            CleaningStep(step="raw", taken=0, rows=rows_in),
            CleaningStep(step="exact_duplicate", taken=2520, rows=rows_in - 2520),
            CleaningStep(step="negative_watch", taken=180, rows=rows_out),
        ),
        days=days,
        side_tables={"users": _side("users", {}), "videos": _side("videos", {"joined_tags": {"tag": 446}})},
        why={"exact_duplicate": "the same row stands there already", "negative_watch": "watch time is negative"},
    )


def _day(number: int, *, last: bool) -> DaySummary:
    drift = {"watch": 0.137 if last else 0.002, "scene": 0.005}
    return DaySummary(
        day=f"2026-01-{7 + number:02d}",
        rows_in=16000 + 100 * number,
        rows_out=15700 + 100 * number,
        rows_quarantined=300,
        quarantined={"exact_duplicate": 280, "negative_watch": 20},
        notes={"late_row": 150 + number, "replay": 1200, "slow_log": 2400},
        mean_watch_s=25.5,
        volume_factor=1.01 if number > 1 else None,
        drift=drift if number > 1 else {},
        verdicts={**VERDICTS, "warning": 1} if last else VERDICTS,
        problems=(DRIFTED,) if last else (),
    )


def _side(name: str, found: dict[str, dict[str, int]]) -> SideTableSummary:
    return SideTableSummary(table=name, key=f"{name[:-1]}_id", rows=5400, found=found, verdicts=VERDICTS, problems=())
