"""One monotone curve per duration group: what both calibrators apply."""

from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.calibration.curve import Array, Curve
from models.calibration.rows import CalibrationRows, CalibratorConfig


class GroupCurves(BaseModel):
    """A curve for all rows, and one for every duration group that has enough of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...]
    """Inner edges of the duration groups in seconds; a duration on an edge belongs to the group above it."""
    groups: tuple[Curve | None, ...]
    """Curve of every group; null where the group uses `overall`."""
    overall: Curve
    """Curve of all rows."""
    rows: tuple[int, ...]
    """Fitted rows of every group."""
    bounded: bool = True
    """Whether seconds end at the duration; false where the label counts replays."""

    @classmethod
    def fit(
        cls, rows: CalibrationRows, edges: Array, config: CalibratorConfig, draw: Callable[[Array, Array], Curve]
    ) -> "GroupCurves":
        """Draw the curves.

        Args:
            rows: the day's rows.
            edges: inner edges of the duration groups, seconds; read by the per-group variant.
            config: variant and smallest group.
            draw: (value, watch_s) -> curve.
        """
        overall = draw(rows.value, rows.watch_s)
        if config.variant == "global":
            return cls(edges=(), groups=(None,), overall=overall, rows=(len(rows),), bounded=rows.bounded)
        group = np.searchsorted(edges, rows.duration_s, side="right")
        counts = np.bincount(group, minlength=len(edges) + 1).tolist()
        groups: list[Curve | None] = []
        for index, count in enumerate(counts):
            here = group == index
            enough = count >= config.min_group_rows
            groups.append(draw(rows.value[here], rows.watch_s[here]) if enough else None)
        return cls(
            edges=tuple(edges.tolist()),
            groups=tuple(groups),
            overall=overall,
            rows=tuple(counts),
            bounded=rows.bounded,
        )

    def apply(self, value: Array, duration_s: Array) -> Array:
        """Return seconds in [0, duration], or from 0 on where the label counts replays, float64 [rows]."""
        seconds = self.overall(value)
        group = np.searchsorted(self.edges, duration_s, side="right")
        for index, curve in enumerate(self.groups):
            if curve is not None:
                here = group == index
                seconds[here] = curve(value[here])
        return self.clip(seconds, duration_s)

    def clip(self, seconds: Array, duration_s: Array) -> Array:
        """Return seconds as the label can be, float64 [rows]."""
        return np.clip(seconds, 0.0, duration_s if self.bounded else None)
