"""History is append-only: a night that is run again after later ones changes nothing, unless a person asks for it."""

from typing import Any

import pytest

from tasks.core.errors import RegistryError


@pytest.fixture
def three(nights: Any) -> list[Any]:
    return [nights.run(number, winner="a") for number in (1, 2, 3)]


def kinds(nights: Any) -> list[str]:
    return [event.kind for event in nights.registry.history()]


def test_another_decision_of_an_old_night_changes_nothing(nights: Any, of_night: Any, three: list[Any]) -> None:
    replay = nights.run(2, winner="b")
    assert replay.kind == "replayed"
    assert replay.entry == three[0].entry, "the champion of that night"
    assert "without effect; the gate said promote" in replay.reason
    assert [nights.registry.champion_for(of_night(n)) for n in (2, 3, 4)] == [event.entry for event in three]
    assert nights.registry.evidence_for(of_night(4)) == tuple(event.evidence for event in three)
    assert nights.registry.status().champion == three[2].entry
    assert len(list((nights.registry.path / "entries").glob("*"))) == 3, "nothing was promoted"


def test_the_same_replay_twice_leaves_one_event_and_the_first_decision_is_found_again(
    nights: Any, three: list[Any]
) -> None:
    assert nights.run(2, winner="b") == nights.run(2, winner="b")
    assert nights.run(2, winner="a") == three[1]
    assert kinds(nights) == ["promoted", "promoted", "promoted", "replayed"]


def test_a_night_that_was_missed_promotes_nobody_and_its_tables_can_be_pooled(nights: Any, of_night: Any) -> None:
    first, third = nights.run(1, winner="a"), nights.run(3, winner="a")
    second = nights.run(2, winner="b")
    assert second.kind == "replayed"
    assert nights.registry.champion_for(of_night(4)) == third.entry
    assert nights.registry.evidence_for(of_night(4)) == (first.evidence, second.evidence, third.evidence)


def test_a_rewrite_counts_and_names_what_it_invalidates(nights: Any, of_night: Any, three: list[Any]) -> None:
    nights.run(2, winner="b")
    rewritten = nights.run(2, winner="b", rewrite=True)
    assert rewritten.kind == "promoted"
    assert nights.registry.champion_for(of_night(3)) == rewritten.entry
    assert nights.registry.champion_for(of_night(4)) == three[2].entry
    assert nights.registry.invalidated(of_night(2)) == (of_night(3),)
    assert nights.registry.invalidated(of_night(3)) == ()


def test_the_last_night_may_be_decided_again(nights: Any, of_night: Any, three: list[Any]) -> None:
    again = nights.run(3, winner="b")
    assert again.kind == "promoted"
    assert nights.registry.champion_for(of_night(4)) == again.entry


def test_a_replay_against_another_champion_is_refused(
    nights: Any, of_night: Any, three: list[Any], decision: Any
) -> None:
    with pytest.raises(RegistryError, match="decided against champion none, but the registry now says"):
        nights.registry.register(nights.artifacts(of_night(2)), decision(of_night(2), "b", None))
