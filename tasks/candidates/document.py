"""What the candidates stage writes for others, below artifacts/models/proposers/NAME.

metrics.json        how its proposals for the judge day came out, and how its vectors are
judged.parquet      user_id, relevant, hits: of every user of the judge day, to hold two proposers against each other
proposals.parquet   user_id, rank from 1, video_id: proposals for tomorrow, users in order
"""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import Field

from tasks.core.document import Document, existing, read_document
from tasks.core.layout import METRICS_FILE
from tasks.evaluate.document import HeadlineMetric

JUDGED_FILE, PROPOSALS_FILE = "judged.parquet", "proposals.parquet"


class Health(Document):
    """Vectors of users and videos in numbers that reveal collapse and drift (docs/methods/retrieval.md#health)."""

    epoch: int
    """Epoch that was kept, from 1."""
    alignment: float
    """Of watched pairs; 2 for unrelated directions, 0 for equal ones."""
    uniformity_users: float
    """Of users with a watch; 0 where all coincide, -3.88 of Gaussian directions of 64 numbers."""
    uniformity_videos: float
    """Of watched videos, likewise."""
    alignment_by_activity: tuple[float, ...]
    """Alignment by decile of how much a user watched, least active users first."""
    uniformity_by_popularity: tuple[float, ...]
    """Uniformity of videos by decile of how many users watched them, least popular first."""


class ProposerMetrics(Document):
    """`metrics.json` of one proposer."""

    name: str
    kind: str
    days: tuple[str, ...]
    """Judge day, ISO date."""
    length: int
    """Videos proposed to each user."""
    watched: str
    """Label that makes an impression a watch."""
    users: int
    """Users of the judge day who watched something that they had not been shown before."""
    new_users: int
    """Of these, users whom the fit days do not know."""
    relevant: int
    """Their watched videos."""
    unreachable: int
    """Of these, videos that the fit days do not know: nobody could have proposed them."""
    shown_again: int
    """Watched videos that the user had been shown before, which are left out."""
    catalogue: int
    """Videos that could be proposed."""
    metrics: dict[str, HeadlineMetric]
    health: Health | None
    """None where the proposer has no vectors."""
    chosen: dict[str, float] = Field(default_factory=dict, exclude_if=lambda settings: not settings)
    """Settings that the validation day chose."""
    served_users: int
    """Users that it proposes to tomorrow."""

    @property
    def headline(self) -> dict[str, float | None]:
        """Recall, and how evenly videos are proposed: what the stage prints."""
        names = (f"{name}@{self.length}" for name in ("proposed_recall", "proposed_gini"))
        return {name: self.metrics[name].value for name in names if name in self.metrics}


@dataclass(frozen=True, eq=False)
class Proposals:
    """Proposals for tomorrow, as who scores them reads them.

    Attributes:
        name: the proposer's.
        length: videos of a user at most.
        file: user_id, rank and video_id, users in order.
    """

    name: str
    length: int
    file: Path

    @classmethod
    def read(cls, folder: Path) -> "Proposals":
        """Read what the stage left in a folder; errors are those of `read_document`."""
        stage = f"candidates@{folder.name}"
        about = read_document(folder / METRICS_FILE, ProposerMetrics, stage)
        return cls(about.name, about.length, existing(folder / PROPOSALS_FILE, stage))

    @property
    def videos(self) -> pl.DataFrame:
        """The different videos proposed, `video_id` ascending."""
        return pl.scan_parquet(self.file, hive_partitioning=False).select(pl.col("video_id").unique().sort()).collect()
