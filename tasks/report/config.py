"""Configuration of the morning report."""

from pydantic import Field

from tasks.core.settings import Block


class ReportConfig(Block):
    """What the page shows."""

    title: str = "dwell"
    """name of the product or market, shown at the top"""
    segments: tuple[str, ...] = ("duration_decile", "scene", "is_new_user", "is_new_video", "popularity_decile")
    """segments shown; the others are in segments.json beside the predictions"""
    max_scenes: int = Field(default=8, ge=1)
    """largest scenes shown; the rest are left to the JSON"""
    top_videos: int = Field(default=10, ge=1)
    """videos shown that most often come first in tomorrow's lists"""
    example_users: int = Field(default=3, ge=0)
    """users whose list is shown as an example"""
    example_length: int = Field(default=5, ge=1)
    """how much of such a list"""
