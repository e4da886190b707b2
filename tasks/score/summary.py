"""`summary.json` of the score stage: who was scored with what, for which day."""

import datetime as dt

from pydantic import Field

from tasks.core.document import Document

FILE = "summary.json"


class ScoreSummary(Document):
    """What was scored; only `day` and `model` stand in the file of a night in which nothing serves."""

    day: dt.date
    """Day that the scores are for."""
    model: str | None
    """Recipe that scored; None: nothing serves, nothing was scored."""
    users: int = 0
    """Users with candidates."""
    pool: int = 0
    """Videos each was scored with; of a proposer, different videos in all."""
    pairs: int = 0
    """Rows of scores.parquet."""
    proposer: str | None = Field(default=None, exclude_if=lambda name: name is None)
    """Who proposed the videos; None: they were a pool, the same for everybody."""
    top_k: int = 0
    """Length of the lists."""
