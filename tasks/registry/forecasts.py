"""The forecasts of earlier nights, as far as a night may know them."""

import datetime as dt
from collections.abc import Sequence

from tasks.registry.forecast import NightForecast
from tasks.registry.ledger import Event
from tasks.registry.replay import decided_before

NIGHTS = 60
"""Nights that a forecast looks back on."""


def forecasts_at(known: Sequence[Event], as_of: dt.date) -> tuple[NightForecast, ...]:
    """Return the records of the last nights before `as_of`, oldest first.

    Of a night decided more than once the last decision's stands; one decided after a later night adds nothing.

    Args:
        known: the events that the night may read (`reign.pinned_events`).
        as_of: the night that is about to run.
    """
    found = {event.as_of: event.forecast for event in decided_before(known, as_of) if event.forecast is not None}
    return tuple(found[night] for night in sorted(found)[-NIGHTS:])
