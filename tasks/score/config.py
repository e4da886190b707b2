"""Configuration of batch scoring."""

from pydantic import Field

from tasks.core.settings import Block
from tasks.score.fusion.config import FusionChoice, NoFusion


class ScoreConfig(Block):
    """Whom to score with what for the next day, and how much of it to hold at a time."""

    active_days: int = Field(default=3, ge=1)
    """a user who was shown something in the last so many days (of the lookback) gets candidates"""
    pool_size: int = Field(default=100, ge=1)
    """videos each user is scored with: the most shown of the trailing days"""
    top_k: int = Field(default=20, ge=1)
    """length of each user's list"""
    hour: int = Field(default=20, ge=0, le=23)
    """hour of the served day that candidates are scored for"""
    chunk_pairs: int = Field(default=200_000, ge=1000)
    """user-video pairs scored at a time: bounds the memory"""
    fusion: FusionChoice = NoFusion()
    """how objectives are fused into the score that orders lists; none: watch time alone orders them"""
    threads: int = Field(default=1, ge=1)
    """processor threads; a fixed number gives fixed bits"""
