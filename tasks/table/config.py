"""What the training table encodes, and the floors below which a level is unknown."""

from typing import Literal

from pydantic import Field

from models.ranges import Number, Rows, WeightOrNone, Whole
from tasks.core.settings import Block
from tasks.table.items.config import ItemsConfig, NoItems
from tasks.table.selection.config import NoSelection, SelectionConfig


class TableConfig(Block):
    """The `table` block of `params.yaml`."""

    categorical: tuple[str, ...] | None = None
    """categorical fields to encode; null: every field the features stage offers"""
    exposure_only: tuple[Literal["position"], ...] = ()
    """columns that move exposure but not preference, encoded as further categorical fields: no task reads them, as if
    every recipe named them in `set_apart`; unknown (0) for what is scored"""
    traits: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    """sensitive attributes of users to encode, of those that the source declares; only recipes that ask for them read them"""
    dense: tuple[str, ...] | None = None
    """dense features to encode; null: every one the features stage offers, an empty list: none"""
    min_count: Rows = 2
    """rows of the fit days a level of `rare_fields` needs; rarer levels are unknown (0)"""
    rare_fields: tuple[str, ...] = ("user_id", "video_id", "author_id", "music_id")
    """fields with so many levels that those seen once teach nothing"""
    duration_buckets: Whole = Field(default=30, ge=2, le=10_000)
    """equal-count duration buckets (edges from fit days), a categorical field of their own"""
    unscaled: tuple[str, ...] = ("duration_log", "video_age_log", "hour_sin", "hour_cos")
    """dense features that come on a fixed scale and enter as they are; all others are standardised on fit days"""
    dense_clip: Number = Field(default=10.0, gt=0, le=10**6)
    """standardised dense features are clipped to [-clip, clip]"""
    truncate_watch: bool = True
    """label min(play, duration); false: play, replays included"""
    unobserved_per_impression: WeightOrNone = 0.0
    """pairs drawn for every impression of the fit and validation days among the user-video pairs of a day that were not
    shown; recipes with selection.kind candidate learn from them; 0: none"""
    items: ItemsConfig = Field(default=NoItems(), exclude_if=lambda items: isinstance(items, NoItems))
    """codes of the videos' content as further categorical fields, learned on the fit days; needs features.content"""
    selection: SelectionConfig = Field(
        default=NoSelection(), exclude_if=lambda selection: isinstance(selection, NoSelection)
    )
    """which rows of the fit days the steps of a fit read, drawn with recorded probabilities and weighed by their inverse; what is
    counted or ranked over the fit days, as vocabularies and quantiles of labels are, reads all rows"""
