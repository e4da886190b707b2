"""What a metric returns: the number together with what it was computed from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricResult:
    """A metric's value with the rows and groups behind it.

    Attributes:
        value: The metric; NaN where it is undefined, never 0 or 1 in its place.
        num_rows: Rows used.
        num_groups: Groups used (users, videos, bins); 1 for a metric pooled over all rows, 0 where undefined.
        num_dropped: Groups left out, or rows where `dropped_reason` says so.
        dropped_reason: Why they were left out; empty when nothing was.
    """

    value: float
    num_rows: int
    num_groups: int
    num_dropped: int = 0
    dropped_reason: str = ""
