"""Nights that were missed, one after the other: each is the same run with an older `as_of`."""

import datetime as dt
from typing import cast

from prefect import flow

from flows.nightly import nightly
from flows.notify import notify
from tasks.core.errors import ConfigError
from tasks.night.publish import Outcome


@flow(name="backfill", on_failure=[notify], on_crashed=[notify])
def backfill(first: dt.date, last: dt.date, source: str | None = None, data: str | None = None) -> list[Outcome]:
    """Run the nights `first` to `last`, both included, in order: a night's champion is what the nights before promoted.

    Raises:
        ConfigError: if `last` is before `first`.
    """
    if last < first:
        raise ConfigError(f"the last night {last} is before the first one {first}")
    nights = [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]
    return [cast(Outcome, nightly(as_of=night, source=source, data=data)) for night in nights]
