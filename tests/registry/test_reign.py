"""What the ledger says of a reign: when it began, what began it, and increments that no rerun replaces."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import RegistryError
from tasks.core.files import hash_value
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Decision
from tasks.gate.evidence import Increment, Reign, Step
from tasks.registry import PinnedLedger, checkout_champion, read_checkout
from tasks.registry.reign import _names, pinned_events, reign_at
from tests.registry.conftest import Nights

Decide = Callable[..., Decision]


def add(nights: Any, as_of: dt.date, decision: Decide, delta: float, winner: str | None = None, **kind: Any) -> Any:
    """Register a night in which b differs from the champion by `delta`; an equal night again is another decision."""
    champion = nights.registry.champion_for(as_of)
    decided = decision(as_of, winner, champion, reason=f"delta {delta}").model_copy(update=kind)
    step = Step(delta=delta, standard_error=0.001)
    increment = Increment(
        night=as_of, recipe_hash="recipe-b", against="champion", reference=champion or "", metrics={"xauc": step}
    )
    first, second = decided.challengers
    found = (increment,) if champion else ()
    verdicts = (first, second.model_copy(update={"increments": found}))
    decided = decided.model_copy(update={"challengers": verdicts})
    return nights.registry.register(nights.artifacts(as_of, champion is not None), decided)


def reign(nights: Any, as_of: dt.date, policy: GatePolicy | None = None) -> Reign:
    path = nights.registry.path
    return reign_at(path, pinned_events(path, nights.registry.ledger_for(as_of)), as_of, policy or GatePolicy())


def deltas(found: Reign) -> list[float]:
    return [step.delta for step in found.by_night("recipe-b").values()]


def test_no_night_no_reign(nights: Any, of_night: Any) -> None:
    assert nights.registry.ledger_for(of_night(1)) == "none"
    assert reign(nights, of_night(1)) == Reign()
    with pytest.raises(
        RegistryError, match=r"does not begin with the events abc, which run\.yaml pins: `dwell prepare`"
    ):
        pinned_events(nights.registry.path, "abc")


def test_refreshes_continue_a_reign_and_another_configuration_begins_one(
    nights: Any, of_night: Any, decision: Decide, tmp_path: Path
) -> None:
    first = add(nights, of_night(1), decision, 0.0, "a")
    add(nights, of_night(2), decision, 0.2)
    refreshed = add(nights, of_night(3), decision, 0.3, "a")
    found = reign(nights, of_night(4))
    assert (found.since, found.anchor, deltas(found)) == (of_night(2), first.entry, [0.2, 0.3])
    assert found.number == 1
    pinned = PinnedLedger(of_night(4), nights.registry.ledger_for(of_night(4)), GatePolicy())
    checkout_champion(nights.registry.path, refreshed.entry, (), tmp_path / "champion", pinned)
    checkout = read_checkout(tmp_path / "champion")
    assert checkout.reign == found
    assert checkout.anchor is not None
    assert (checkout.anchor / "seed=0/weights.safetensors").read_text() == "weights of a, 2022-05-01"
    upgraded = add(nights, of_night(4), decision, 0.4, "b", kind="upgrade")
    found = reign(nights, of_night(5))
    assert (found.since, found.anchor, found.increments) == (of_night(5), upgraded.entry, ())
    assert found.number == 2


def test_the_first_written_stands_and_an_old_night_run_again_adds_nothing(
    nights: Any, of_night: Any, decision: Decide
) -> None:
    add(nights, of_night(1), decision, 0.0, "a")
    add(nights, of_night(2), decision, 0.2)
    add(nights, of_night(2), decision, 0.9)
    assert deltas(reign(nights, of_night(3))) == [0.2]
    add(nights, of_night(5), decision, 0.5)
    before = reign(nights, of_night(6))
    add(nights, of_night(3), decision, 0.9)
    add(nights, of_night(2), decision, 0.7)
    assert reign(nights, of_night(6)) == before
    assert deltas(before) == [0.2, 0.5]
    assert deltas(reign(nights, of_night(5))) == [0.2], "a night finds no later one"


def test_events_without_increments_hash_as_they_did_before_there_were_any(nights: Any) -> None:
    event = nights.run(1, winner="a")
    former = event.model_dump(mode="json", exclude={"hash", "increments", "forecast", "field_ranks"})
    assert event.hash == hash_value(former)


FOUR_WEEKS = GatePolicy(anchor_nights=28)


def anchored(
    nights: Any,
    of_night: Any,
    decision: Decide,
    count: int,
    delta: float,
    policy: GatePolicy | None = None,
    refused: int = 0,
) -> list[Any]:
    """Refresh the champion every night but the first few; each refit differs from the entry that began the reign by `delta`."""
    events = [add(nights, of_night(1), decision, 0.0, "a")]
    for number in range(2, count + 2):
        as_of = of_night(number)
        anchor = reign(nights, as_of, policy).anchor or ""
        step = Step(delta=delta, standard_error=0.001)
        increment = Increment(
            night=as_of, recipe_hash="recipe-a", against="anchor", reference=anchor, metrics={"xauc": step}
        )
        decided = decision(as_of, "a" if number > refused + 1 else None, nights.registry.champion_for(as_of))
        first, second = decided.challengers
        verdicts = (first.model_copy(update={"increments": (increment,)}), second)
        decided = decided.model_copy(update={"challengers": verdicts})
        events.append(nights.registry.register(nights.artifacts(as_of, True), decided))
    return events


def test_an_anchor_gives_way_to_a_later_entry_shown_to_be_no_worse(
    nights: Any, of_night: Any, decision: Decide
) -> None:
    events = anchored(nights, of_night, decision, 30, 0.0, FOUR_WEEKS)
    assert reign(nights, of_night(29), FOUR_WEEKS).anchor == events[0].entry
    assert reign(nights, of_night(30), FOUR_WEEKS).anchor == events[28].entry
    assert reign(nights, of_night(32), FOUR_WEEKS).anchor == events[28].entry


def test_an_anchor_that_is_the_champion_still_gives_way_to_the_next_one(
    nights: Any, of_night: Any, decision: Decide
) -> None:
    policy = GatePolicy(anchor_nights=2, significance=0.99)
    events = anchored(nights, of_night, decision, 5, 0.0, policy, refused=3)
    assert reign(nights, of_night(5), policy).anchor == events[0].entry
    assert reign(nights, of_night(6), policy).anchor == events[4].entry


def test_an_anchor_stays_while_the_refits_may_lie_below_it(nights: Any, of_night: Any, decision: Decide) -> None:
    events = anchored(nights, of_night, decision, 30, -0.0018, FOUR_WEEKS)
    assert reign(nights, of_night(32), FOUR_WEEKS).anchor == events[0].entry


def test_a_retirement_ends_a_reign_and_a_replay_adds_nothing(nights: Any, of_night: Any, decision: Decide) -> None:
    add(nights, of_night(1), decision, 0.0, "a")
    add(nights, of_night(2), decision, 0.2)
    add(nights, of_night(4), decision, 0.4)
    before = nights.registry.ledger_for(of_night(5))
    replayed = add(nights, of_night(3), decision, 0.9)
    assert nights.registry.ledger_for(of_night(5)) == before
    assert (replayed.kind, replayed.increments) == ("replayed", ())
    assert deltas(reign(nights, of_night(5))) == [0.2, 0.4]
    nights.registry.retire("it was fitted on a broken log")
    assert reign(nights, of_night(5)) == Reign()
    add(nights, of_night(5), decision, 0.0, "a")
    add(nights, of_night(6), decision, 0.6)
    found = reign(nights, of_night(7))
    assert (found.since, deltas(found), found.number) == (of_night(6), [0.6], 2)


def test_the_anchor_of_a_reign_may_fall_by_two_margins_and_no_further(
    nights: Any, of_night: Any, decision: Decide
) -> None:
    policy = GatePolicy(anchor_nights=2, anchor_margin=0.004, significance=0.99)
    events = anchored(nights, of_night, decision, 14, -0.0015, policy)
    assert reign(nights, of_night(16), policy).anchor == events[10].entry, (
        "five steps of .0015 are .0075, a sixth would pass .008"
    )


def test_equal_histories_have_one_name_whenever_they_were_written(
    of_night: Any, decision: Decide, tmp_path: Path
) -> None:
    names = []
    for place in ("here", "there", "otherwise"):
        nights = Nights(tmp_path / place)
        first = add(nights, of_night(1), decision, 0.0, "a")
        add(nights, of_night(2), decision, 0.2 if place != "otherwise" else 0.3)
        events = nights.registry.history()
        assert events[0] == first
        changed = [event.model_copy(update={"recorded_at": "another time"}) for event in events]
        assert list(_names(changed)) == list(_names(events))
        names.append(nights.registry.ledger_for(of_night(3)))
    assert names[0] == names[1] != names[2]
