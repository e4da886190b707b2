"""The forecasts of earlier nights, as far as a night may know them."""

import datetime as dt
from pathlib import Path

from tasks.registry.forecast import NightForecast
from tasks.registry.reign import pinned_events
from tasks.registry.replay import WITHOUT_A_NIGHT, counts

NIGHTS = 60
"""Nights that a forecast looks back on."""


def forecasts_at(registry: Path, as_of: dt.date, ledger: str) -> tuple[NightForecast, ...]:
    """Return the records of the last nights before `as_of`, oldest first.

    Of a night decided more than once the last decision's stands; one decided after a later night adds nothing.

    Args:
        registry: the registry of one source.
        as_of: the night that is about to run.
        ledger: hash of the last event that it may read, or "none".

    Raises:
        RegistryError: if the ledger was tampered with or does not hold that event.
    """
    found: dict[dt.date, NightForecast] = {}
    latest = dt.date.min
    for event in pinned_events(registry, ledger):
        if event.kind in WITHOUT_A_NIGHT:
            continue
        if event.forecast is not None and counts(event) and latest <= event.as_of < as_of:
            found[event.as_of] = event.forecast
        latest = max(latest, event.as_of)
    return tuple(found[night] for night in sorted(found)[-NIGHTS:])
