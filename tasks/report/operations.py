"""How a night went as a computation. Kept apart from the artifacts, because no two runs take equally long."""

from pydantic import Field

from tasks.core.document import Document
from tasks.core.machine import Machine
from tasks.core.timings import StageCost, StageSpan

FILE = "operations.json"


class Operations(Document):
    """`operations.json` of an archived night: what the stages did and what they took."""

    stages: dict[str, str]
    """Stage -> "ran", "unchanged" or "restored" (from the cache of an earlier, equal run), in order."""
    timings: dict[str, StageCost]
    """Stage -> what its last real run in this workspace took."""
    machine: Machine | None = None
    """What it was computed with; nights archived by earlier versions do not say."""
    code: str | None = None
    """Hash of the code that made it."""
    version: str | None = None
    """Version of dwell; nights archived by earlier ones do not say."""
    commit: str | None = None
    """That the code stood at, with "-dirty" where it differed; None also outside of a repository."""
    days: dict[str, str] = Field(default_factory=dict)
    """Day of its window -> hash of the rows that arrived on it."""
    spans: dict[str, StageSpan] = Field(default_factory=dict)
    """Stage -> when the night had it run, in order of time; nights archived by earlier versions do not say."""
