"""What histories are encoded from: what users did before a day began, and what is known of the videos of their events."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, eq=False)
class Past:
    """The past as the rows of one night read it.

    Attributes:
        histories: returns those of a state day, sorted by user_id, or None where there is none.
        catalogue: returns some columns of every video of the night, `video_id` among them; as `FeatureFolder.catalogue`.
    """

    histories: Callable[[dt.date], pl.DataFrame | None]
    catalogue: Callable[[Sequence[str]], pl.DataFrame]
