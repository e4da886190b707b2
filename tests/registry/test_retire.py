"""A champion that goes without another in its place: by a person's word, or because a night could not score it."""

from typing import Any

import pytest

from tasks.core.errors import RegistryError
from tasks.gate.decision import Retired
from tasks.registry.replay import succession


def lapsing(decision: Any, as_of: Any, winner: str | None, entry: str) -> Any:
    """Return a decision of a night that could not score its champion."""
    retired = Retired(entry=entry, lacks=("user_7d_count",))
    return decision(as_of, winner, None).model_copy(update={"retired": retired})


def test_a_person_retires_the_champion_and_a_rollback_brings_it_back(nights: Any, of_night: Any) -> None:
    first = nights.run(1, winner="a")
    event = nights.registry.retire("its window is gone")
    assert (event.kind, event.as_of, event.entry, event.previous) == ("retired", of_night(2), None, first.entry)
    assert nights.registry.champion_for(of_night(1)) is None
    assert nights.registry.champion_for(of_night(2)) is None
    assert nights.registry.status().champion is None
    assert nights.registry.rollback(None, "it is back").entry == first.entry
    assert nights.registry.champion_for(of_night(2)) == first.entry


@pytest.mark.parametrize(("reason", "said"), [(" ", "needs a reason"), ("again", "there is no champion")])
def test_refused_retirements(nights: Any, reason: str, said: str) -> None:
    nights.run(1, winner="a")
    nights.registry.retire("gone")
    with pytest.raises(RegistryError, match=said):
        nights.registry.retire(reason)
    assert len(nights.registry.history()) == 2


def test_a_night_that_cannot_score_its_champion_ends_it(nights: Any, of_night: Any, decision: Any) -> None:
    first = nights.run(1, winner="a")
    night = nights.artifacts(of_night(2), champion=False)
    lapsed = nights.registry.register(night, lapsing(decision, of_night(2), None, first.entry))
    assert (lapsed.kind, lapsed.entry, lapsed.previous) == ("lapsed", None, first.entry)
    assert nights.registry.champion_for(of_night(2)) == first.entry, "a rerun starts from what the night started from"
    assert nights.registry.champion_for(of_night(3)) is None
    assert nights.run(3, winner="b").previous is None


def test_the_last_decision_of_a_night_counts(nights: Any, of_night: Any, decision: Any) -> None:
    first = nights.run(1, winner="a")
    night = nights.artifacts(of_night(2), champion=False)
    nights.registry.register(night, lapsing(decision, of_night(2), None, first.entry))
    nights.run(2)  # the window is back: the champion is kept after all
    assert nights.registry.champion_for(of_night(3)) == first.entry


def test_what_replaces_a_retired_champion_follows_it(nights: Any, of_night: Any, decision: Any) -> None:
    first = nights.run(1, winner="a")
    night = nights.artifacts(of_night(2), champion=False)
    event = nights.registry.register(night, lapsing(decision, of_night(2), "b", first.entry))
    assert (event.kind, event.previous) == ("promoted", first.entry)
    assert succession(nights.registry.history()) == [first.entry, event.entry]


def test_a_decision_that_retires_another_champion_is_refused(nights: Any, of_night: Any, decision: Any) -> None:
    nights.run(1, winner="a")
    night = nights.artifacts(of_night(2), champion=False)
    with pytest.raises(RegistryError, match="was decided against champion feedfacefeedface"):
        nights.registry.register(night, lapsing(decision, of_night(2), None, "feedfacefeedface"))
