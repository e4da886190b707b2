"""Configuration of the morning report."""

from pydantic import Field

from models.ranges import Whole
from tasks.core.settings import Block
from tasks.evaluate.config import Segment


class ReportConfig(Block):
    """What the page shows."""

    title: str = Field(default="dwell", max_length=200)
    """name of the product or market, shown at the top"""
    segments: tuple[Segment, ...] = ("duration_decile", "scene", "is_new_user", "is_new_video", "popularity_decile")
    """segments shown; the others are in segments.json beside the predictions"""
    max_scenes: Whole = Field(default=8, ge=1, le=1000)
    """largest scenes shown; the rest are left to the JSON"""
    top_videos: Whole = Field(default=10, ge=1, le=1000)
    """videos shown that most often come first in tomorrow's lists"""
    example_users: Whole = Field(default=3, ge=0, le=100)
    """users whose list is shown as an example"""
    example_length: Whole = Field(default=5, ge=1, le=1000)
    """how much of such a list"""
