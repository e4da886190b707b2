"""Rolling back and forth: nothing is lost, and no night already decided changes what it started from."""

from typing import Any

import pytest

from tasks.core.errors import RegistryError


def test_rollback_and_its_reversal(nights: Any, of_night: Any) -> None:
    first, second = nights.run(1, winner="a"), nights.run(2, winner="a")
    event = nights.registry.rollback(None, "complaints")
    assert (event.kind, event.as_of, event.entry, event.previous) == (
        "rolled_back",
        of_night(3),
        first.entry,
        second.entry,
    )
    assert nights.registry.champion_for(of_night(2)) == first.entry
    assert nights.registry.champion_for(of_night(3)) == first.entry
    assert nights.registry.status().since == of_night(3)
    back = nights.registry.rollback(second.entry, "it was the network")
    assert nights.registry.champion_for(of_night(3)) == second.entry == back.entry
    assert [e.kind for e in nights.registry.history()] == ["promoted", "promoted", "rolled_back", "rolled_back"]


def test_rollback_twice_goes_further_back(nights: Any, of_night: Any) -> None:
    entries = [nights.run(number, winner="a").entry for number in (1, 2, 3)]
    assert nights.registry.rollback(None, "bad").entry == entries[1]
    assert nights.registry.rollback(None, "still bad").entry == entries[0]
    with pytest.raises(RegistryError, match="is the first champion"):
        nights.registry.rollback(None, "all bad")
    event = nights.registry.rollback("none", "all bad")
    assert event.entry is None
    assert nights.registry.champion_for(of_night(4)) is None
    assert nights.run(4, winner="a").previous is None


def test_rollback_overrules_a_rerun_of_the_night_before(nights: Any, of_night: Any) -> None:
    first = nights.run(1, winner="a")
    nights.run(2, winner="a")
    nights.registry.rollback(None, "complaints")
    nights.run(2, winner="a")  # the same decision: nothing new
    nights.run(2, winner="b")  # another one
    assert nights.registry.champion_for(of_night(3)) == first.entry
    third = nights.run(3, winner="a")
    assert nights.registry.champion_for(of_night(4)) == third.entry


def test_rollback_does_not_reach_into_decided_nights(nights: Any, of_night: Any) -> None:
    for number in (1, 2, 3):
        nights.run(number, winner="a")
    with pytest.raises(RegistryError, match=r"night 2022-05-03 is already decided; use 2022-05-04"):
        nights.registry.rollback(None, "bad", as_of=of_night(3))
    later = nights.registry.rollback(None, "bad", as_of=of_night(9))
    assert nights.registry.champion_for(of_night(8)) != later.entry
    assert nights.registry.champion_for(of_night(9)) == later.entry


@pytest.mark.parametrize(
    ("to", "reason", "said"),
    [
        (None, " ", "needs a reason"),
        ("feedfacefeedface", "bad", "never was champion; these were: "),
        ("present", "bad", "is the champion already"),
    ],
)
def test_refused_rollbacks(nights: Any, to: str | None, reason: str, said: str) -> None:
    nights.run(1, winner="a")
    present = nights.run(2, winner="a").entry
    with pytest.raises(RegistryError, match=said):
        nights.registry.rollback(present if to == "present" else to, reason)
    assert len(nights.registry.history()) == 2


def test_nothing_to_roll_back(nights: Any) -> None:
    with pytest.raises(RegistryError, match="records no night"):
        nights.registry.rollback(None, "bad")


def test_rollback_to_a_damaged_entry_is_refused(nights: Any) -> None:
    first = nights.run(1, winner="a")
    nights.run(2, winner="a")
    (nights.registry.path / "entries" / first.entry / "bundle/manifest.json").write_text("{}")
    with pytest.raises(RegistryError, match=r"bundle/manifest\.json was changed"):
        nights.registry.rollback(None, "bad")
