"""The stage `champion`: exactly what is pinned, or an error that names the damaged file."""

from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import RegistryError
from tasks.core.files import hash_tree
from tasks.registry import checkout_champion, read_checkout


def test_first_night(nights: Any, tmp_path: Path) -> None:
    out = tmp_path / "champion"
    result = checkout_champion(nights.registry.path, None, (), out)
    assert (result.champion, result.recipe, result.evidence) == (None, None, ())
    assert {path.name for path in out.iterdir()} == {"champion.json", "reign.json", "forecasts.json"}
    checkout = read_checkout(out)
    assert checkout.champion is None
    assert checkout.contender(tmp_path / "judge.parquet") is None
    assert checkout_champion(nights.registry.path, "none", (), out) == result


def test_champion_and_evidence(nights: Any, of_night: Any, tmp_path: Path) -> None:
    event = nights.run(1, winner="a")
    nights.run(2)
    evidence = nights.registry.evidence_for(of_night(3))
    out = tmp_path / "champion"
    assert checkout_champion(nights.registry.path, event.entry, evidence, out).recipe == "a"
    checkout = read_checkout(out)
    assert checkout.bundle is not None
    assert (checkout.bundle / "seed=0/weights.safetensors").read_text() == "weights of a, 2022-05-01"
    contender = checkout.contender(tmp_path / "judge.parquet")
    assert contender is not None
    assert (contender.name, contender.recipe_hash, contender.entry) == ("a", "recipe-a", event.entry)
    first, second = checkout.evidence
    assert (first.as_of, first.champion, first.evidence) == (of_night(1), None, evidence[0])
    assert [challenger.recipe_hash for challenger in second.challengers] == ["recipe-a", "recipe-b"]
    assert second.challengers[1].predictions.read_text() == "judge table of b, 2022-05-02"
    assert second.champion is not None
    assert second.champion.predictions.read_text() == "judge table of champion, 2022-05-02"
    assert second.champion.entry == event.entry


def test_bytes_repeat_and_nothing_of_the_last_checkout_stays(nights: Any, of_night: Any, tmp_path: Path) -> None:
    event = nights.run(1, winner="a")
    evidence = nights.registry.evidence_for(of_night(2))
    for name in ("x", "y"):
        checkout_champion(nights.registry.path, event.entry, evidence, tmp_path / name)
    assert hash_tree(tmp_path / "x") == hash_tree(tmp_path / "y")
    later = nights.run(2, winner="b")
    checkout_champion(nights.registry.path, later.entry, (), tmp_path / "x")
    assert not (tmp_path / "x/evidence").exists()
    assert read_checkout(tmp_path / "x").champion == later.entry


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "bundle/manifest.json").write_text("{}"), r"bundle/manifest\.json was changed"),
        (lambda folder: (folder / "bundle/seed=0/weights.safetensors").unlink(), r"weights\.safetensors is missing"),
        (lambda folder: (folder / "bundle/extra").write_text(""), "bundle/extra does not belong there"),
        (lambda folder: (folder / "entry.json").write_text("{"), r"entry\.json cannot be read"),
        (
            lambda folder: (folder / "entry.json").write_text(
                (folder / "entry.json").read_text().replace("0.67", "0.99")
            ),
            r"entry\.json was changed",
        ),
    ],
)
def test_damaged_entry_is_named(nights: Any, tmp_path: Path, damage: Any, said: str) -> None:
    event = nights.run(1, winner="a")
    out = tmp_path / "champion"
    checkout_champion(nights.registry.path, event.entry, (), out)
    before = hash_tree(out)
    damage(nights.registry.path / "entries" / event.entry)
    with pytest.raises(RegistryError, match=said):
        checkout_champion(nights.registry.path, event.entry, (), out)
    assert hash_tree(out) == before
    damage(out / "entry")
    with pytest.raises(RegistryError, match=said):
        read_checkout(out)


def test_damaged_or_absent_evidence_is_named(nights: Any, of_night: Any, tmp_path: Path) -> None:
    event = nights.run(1, winner="a")
    (identity,) = nights.registry.evidence_for(of_night(2))
    (nights.registry.path / "evidence" / identity / "challenger-b.parquet").write_text("other numbers")
    with pytest.raises(RegistryError, match=r"challenger-b\.parquet was changed"):
        checkout_champion(nights.registry.path, event.entry, (identity,), tmp_path / "out")
    with pytest.raises(RegistryError, match="holds no evidence 2022-05-09-0"):
        checkout_champion(nights.registry.path, event.entry, ("2022-05-09-0",), tmp_path / "out")
    with pytest.raises(RegistryError, match="holds no entry 0123"):
        checkout_champion(nights.registry.path, "0123", (), tmp_path / "out")
    with pytest.raises(RegistryError, match="is no registry id"):
        checkout_champion(nights.registry.path, "../evidence", (), tmp_path / "out")
    with pytest.raises(RegistryError, match="run the stage champion first"):
        read_checkout(tmp_path / "out")


def test_registering_again_mends_a_damaged_entry(nights: Any, of_night: Any, tmp_path: Path) -> None:
    event = nights.run(1, winner="a")
    nights.run(1)
    weights = nights.registry.path / "entries" / event.entry / "bundle/seed=0/weights.safetensors"
    weights.write_text("rot")
    assert nights.run(1, winner="a").entry == event.entry
    assert weights.read_text() == "weights of a, 2022-05-01"
    checkout_champion(nights.registry.path, event.entry, (), tmp_path / "out")
