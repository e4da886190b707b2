"""What a selection came to, for `table.json`, bundles and the report."""

from pydantic import BaseModel, ConfigDict


class SelectionSummary(BaseModel):
    """Rows that were kept, what their weights are worth, and whether a mean that is known comes out right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    """As configured."""
    unit: str
    """What was drawn: a row, or a user with all rows."""
    pool: int
    """Rows of the fit days."""
    kept: int
    """Of them, those that steps read."""
    units: int
    """What could be drawn."""
    kept_units: int
    """What was."""
    effective: float
    """(sum w)^2 / sum w^2: how many rows drawn alike the kept ones are worth, with w = 1 / probability."""
    largest_weight: float
    pool_watch_s: float
    """Mean watch time of the pool, seconds."""
    weighted_watch_s: float
    """The same from the kept rows and their weights."""
    error_s: float
    """Standard error of the latter over draws."""

    @property
    def agrees(self) -> bool:
        """Whether the mean that is known lies within 1.96 standard errors; of 20 nights one does not."""
        return abs(self.weighted_watch_s - self.pool_watch_s) <= 1.96 * self.error_s
