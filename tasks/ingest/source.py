"""What every kind of source can do for ingest."""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from tasks.core.traits import Trait

CAPABILITIES = (
    "click",
    "like",
    "follow",
    "comment",
    "forward",
    "hate",
    "profile_enter",
    "long_view",
    "random_exposure",
    "position",
    "exposure_probability",
)
"""What a log may or may not record. A flag that is not recorded is 0 in every row and must not be trained on."""


NAMES = "identities.parquet"
"""What a day's writer leaves beside the part where identifiers are no numbers; see `tasks.ingest.identities`."""


CANDIDATES = "candidates.parquet"
"""What it leaves there where the log marks candidates that were not shown, sorted as the part is."""


class DayWriter(Protocol):
    """Writes the rows that arrive on one day."""

    def __call__(self, day: dt.date, part: Path) -> int:
        """Write one day's rows, sorted by event time, user and video, to a Parquet file; return how many."""
        ...


class Source(Protocol):
    """A source of impressions, adapted to the contract.

    Attributes:
        name: what the source is called in source.json.
        timezone: days begin at its midnight.
        capabilities: which of `CAPABILITIES` its log records.
        scenes: the scenes that exist; None: any that is not negative.
        scene_names: their names, in order, where the log gives them names.
        traits: sensitive attributes of users that the source declares.
    """

    name: str
    timezone: str
    capabilities: tuple[str, ...]
    scenes: tuple[int, ...] | None
    scene_names: tuple[str, ...]
    traits: Mapping[str, Trait]

    def first_day(self) -> dt.date:
        """Return the first day with rows."""
        ...

    def latest_day(self) -> dt.date:
        """Return the last day with rows; for a generator the night that runs when none is named."""
        ...

    def day_inputs(self, day: dt.date) -> Any:
        """Return a JSON value that changes whenever the rows of a day can change: file hashes, or a configuration."""
        ...

    def holds(self, day: dt.date) -> bool:
        """Tell whether rows arrive on a day."""
        ...

    def reading(self, days: Sequence[dt.date], scratch: Path) -> AbstractContextManager[DayWriter]:
        """Return a context in which the given days can be written.

        Args:
            days: the only days that will be asked for.
            scratch: folder for temporary files; removed afterwards. What is written of a day D may be read from `*/day=D` of it
                alone: a worker of a cluster may see no other file.
        """
        ...

    def users(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        """Return the users table, sorted by id; beside identifiers that are no numbers, columns with their text.

        Args:
            days: the days of the run, in order.
            impressions: folder of their partitions.
        """
        ...

    def videos(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        """Return the videos table, sorted by id; arguments as for `users`."""
        ...

    def trait_records(self, days: Sequence[dt.date]) -> pl.DataFrame | None:
        """Return the table of traits of all users, those who did not consent among them, sorted by id; None: none is declared.

        Args:
            days: the days of the run, in order.
        """
        ...

    def set_aside(self) -> pl.DataFrame:
        """Return the rows that belong to no day because their time cannot be, with `file` and `row`; empty: none."""
        ...

    def remember(self, out: Path) -> None:
        """Keep in `out` what spares the next run a look at unchanged files."""
        ...
