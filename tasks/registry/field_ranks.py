"""What the networks of the last night read, as far as a night may know it."""

import datetime as dt
from collections.abc import Sequence

from tasks.attribution.document import LastRanks
from tasks.registry.ledger import Event
from tasks.registry.replay import decided_before


def field_ranks_at(known: Sequence[Event], as_of: dt.date) -> LastRanks | None:
    """Return the ranks of the last night before `as_of` that has any; None where none has.

    Of a night decided more than once the last decision's stand, as with forecasts.

    Args:
        known: the events that the night may read (`reign.pinned_events`).
        as_of: the night that is about to run.
    """
    found = {event.as_of: event.field_ranks for event in decided_before(known, as_of) if event.field_ranks}
    if not found:
        return None
    last = max(found)
    return LastRanks(night=last, recipes=found[last])
