"""Configuration of batch scoring."""

from typing import Literal

from pydantic import Field

from models.ranges import Rows, Threads, Whole, WindowDays
from tasks.core.names import Name
from tasks.core.settings import Block
from tasks.score.fusion.config import FusionChoice, NoFusion


class ScoreConfig(Block):
    """Whom to score with what for the next day, and how much of it to hold at a time."""

    active_days: WindowDays = 3
    """a user who was shown something in the last so many days (of the lookback) gets candidates"""
    pool_size: Rows = 100
    """videos each user is scored with: the most shown of the trailing days"""
    proposer: Name | None = Field(default=None, exclude_if=lambda name: name is None)
    """one of `nightly.proposers`: each user is scored with the videos that it proposes, and not with the pool; null: with the pool"""
    top_k: Whole = Field(default=20, ge=1, le=10_000)
    """length of each user's list"""
    hour: Whole = Field(default=20, ge=0, le=23)
    """hour of the served day that candidates are scored for"""
    chunk_pairs: Whole = Field(default=200_000, ge=1000, le=10**8)
    """user-video pairs scored at a time: bounds the memory"""
    serve_population: Literal["logged", "uniform"] = "logged"
    """whose mean seconds are served: those of videos as they are shown, or of all videos alike, which the random rows of the
    validation day tell"""
    fusion: FusionChoice = NoFusion()
    """how objectives are fused into the score that orders lists; none: watch time alone orders them"""
    threads: Threads = 1
    """processor threads; a fixed number gives fixed bits"""
