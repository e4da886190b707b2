"""What of a video's content the table encodes."""

from typing import Annotated, Literal

from pydantic import Field

from models.ranges import Seed, Whole
from tasks.core.settings import Block, Day


class NoItems(Block):
    """No codes: a video is its own row and nothing else."""

    kind: Literal["none"] = "none"


class CodedItems(Block):
    """Codes of the content that RQ-KMeans finds on the videos of the fit days, beside the video's own row."""

    kind: Literal["rq", "prefix", "random"]
    """what is looked up: every level's code (rq), the first code, the first two ... (prefix), or the codes of another video,
    drawn at random, which is the control (random)"""
    levels: Whole = Field(default=3, ge=1, le=8)
    """codes of a video, each of what the ones before it left over"""
    codewords: Whole = Field(default=32, ge=2, le=4096)
    """codes of a level at most"""
    videos_per_codeword: Whole = Field(default=20, ge=1, le=10_000)
    """videos of the fit days that a codeword needs; fewer videos make fewer codewords, or nothing would be shared"""
    seed: Seed = 0
    """of the first centres"""
    until: Day | None = None
    """day, in quotes: codes are learned from the catalogue's videos uploaded up to its end, or up to the last fit day where that
    comes first, and so are the same night after night (`weekly` says when they are out of date); null: every night learns
    them anew from the videos of its fit days"""


ItemsConfig = Annotated[NoItems | CodedItems, Field(discriminator="kind")]
