"""What the validate stage says of nine made-up days."""

from typing import Any


def data_summary() -> dict[str, Any]:
    """Return what the validate stage says of nine days, the last one with a drift warning."""
    verdicts = {"passed": 70, "warning": 0, "failed": 0, "accepted": 0, "skipped": 3}
    days = []
    for number in range(9):
        last = number == 8
        problem = {
            "rule": "drift",
            "column": "watch",
            "status": "warning",
            "sentence": "2026-01-15 drift(watch): stability index 0.137 against the 7 days before, expected at most 0.5",
        }
        days.append(
            {
                "day": f"2026-01-{7 + number:02d}",
                "rows_in": 16000 + 100 * number,
                "rows_out": 15700 + 100 * number,
                "rows_quarantined": 300,
                "quarantined": {"exact_duplicate": 280, "negative_watch": 20},
                "notes": {"late_row": 150 + number, "replay": 1200, "slow_log": 2400},
                "mean_watch_s": 25.5,
                "volume_factor": 1.01 if number > 1 else None,
                "drift": {"watch": 0.137 if last else 0.002, "scene": 0.005} if number > 1 else {},
                "verdicts": verdicts | ({"warning": 1} if last else {}),
                "problems": [problem] if last else [],
            }
        )
    rows_in, rows_out = (sum(day[name] for day in days) for name in ("rows_in", "rows_out"))
    side = {"rows": 5400, "problems": [], "verdicts": verdicts}
    return {
        "source": "simulator",
        "duration_filter": "duration_5_400s",
        "rows_in": rows_in,
        "rows_out": rows_out,
        "cleaning": [
            {"step": "raw", "taken": 0, "rows": rows_in},
            {"step": "exact_duplicate", "taken": 2520, "rows": rows_in - 2520},
            {"step": "negative_watch", "taken": 180, "rows": rows_out},
        ],
        "days": days,
        "side_tables": {"users": side | {"found": {}}, "videos": side | {"found": {"joined_tags": {"tag": 446}}}},
        "why": {"exact_duplicate": "the same row stands there already", "negative_watch": "watch time is negative"},
    }
