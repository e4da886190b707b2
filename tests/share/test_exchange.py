"""Two workspaces and a remote: what one has decided reaches the other, and nothing is lost where both went on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.repo import Repo

from tasks.core.errors import ConfigError, RegistryError, StorageError
from tasks.core.files import read_json, write_json
from tasks.share import shelf
from tests.registry.conftest import day
from tests.share.place import SOURCE, Place
from tests.weekly.proposed import propose


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Place]:
    return lambda name: Place(tmp_path / name, str(tmp_path / "remote"))


def test_a_fresh_place_knows_what_was_decided_elsewhere(place: Callable[[str], Place]) -> None:
    one, other = place("one"), place("other")
    one.night(1, winner="a")
    one.night(2)
    propose(one.workspace, SOURCE, day(2))
    assert one.push() == "2 events of the ledger, 1 registry entries, 4 archived nights, 1 proposals"
    assert other.pull() == "2 events of the ledger, 1 registry entries, 4 archived nights, 1 proposals"
    for locked in (one, other):
        (locked.workspace.registry(SOURCE) / ".lock").unlink()
    assert other.shared() == one.shared()
    assert str(other.nights.registry.status()) == str(one.nights.registry.status())
    assert one.push() == other.pull() == "0 events of the ledger, 0 registry entries, 0 archived nights, 0 proposals"


def test_whoever_goes_on_gives_back(place: Callable[[str], Place]) -> None:
    one, other = place("one"), place("other")
    one.night(1, winner="a")
    one.push()
    other.pull()
    other.night(2, winner="b")
    assert other.push().startswith("1 events of the ledger, 1 registry entries")
    assert one.pull().startswith("1 events of the ledger, 1 registry entries")
    assert one.nights.registry.champion_for(day(3)) == other.nights.registry.champion_for(day(3))


def test_a_model_that_went_here_stays_in_the_remote(place: Callable[[str], Place]) -> None:
    one, other = place("one"), place("other")
    one.night(1, winner="a")
    one.push()
    (bundle,) = (one.workspace.registry(SOURCE) / "entries").glob("*/bundle")
    shutil.rmtree(bundle)
    one.night(2)
    one.push()
    other.pull()
    assert (other.workspace.registry(SOURCE) / "entries" / bundle.parent.name / "bundle").is_dir()


def test_a_place_that_lags_behind_is_told_to_pull(place: Callable[[str], Place]) -> None:
    one, other = place("one"), place("other")
    one.night(1, winner="a")
    one.push()
    with pytest.raises(RegistryError, match="has 1 events, here stand the first 0 of them: `dwell pull` first"):
        other.nights.registry.path.mkdir(parents=True)
        other.push()


def test_nights_decided_in_both_places_are_refused_and_nothing_is_touched(place: Callable[[str], Place]) -> None:
    one, other = place("one"), place("other")
    one.night(1, winner="a")
    one.push()
    other.night(1, winner="b")
    before = other.shared()
    for act in (other.push, other.pull):
        with pytest.raises(RegistryError, match="differ from event 0 on: nights were decided in both places"):
            act()
    assert other.shared() == before


def test_what_was_altered_on_the_way_is_refused(place: Callable[[str], Place], tmp_path: Path) -> None:
    one, other = place("one"), place("other")
    one.night(1, winner="a")
    one.push()
    (weights,) = (tmp_path / "remote/dwell/registry").rglob("weights.safetensors")
    weights.write_text("weights of somebody else")
    with pytest.raises(RegistryError, match="does not match its hash: it is damaged"):
        other.pull()
    assert not (other.workspace.registry(SOURCE) / "ledger.jsonl").exists(), "the ledger comes after what it names"


@pytest.mark.parametrize(
    "name", ["../../escape", "registry/x/../../../escape", "/etc/passwd", "flows/a/b", "registry/a;b/entries/c"]
)
def test_an_index_cannot_name_files_elsewhere(place: Callable[[str], Place], tmp_path: Path, name: str) -> None:
    one, other = place("one"), place("other")
    one.night(1, winner="a")
    one.push()
    index = tmp_path / "remote/dwell/index.json"
    written = read_json(index)
    written["units"][name] = {"hash": "0", "files": []}
    write_json(index, written)
    with pytest.raises(RegistryError, match="is not one that `dwell push` writes"):
        other.pull()


def test_a_ledger_altered_in_the_remote_is_refused(place: Callable[[str], Place], tmp_path: Path) -> None:
    one, other = place("one"), place("other")
    one.night(1, winner="a")
    one.push()
    ledger = tmp_path / f"remote/dwell/registry/{SOURCE}/ledger.jsonl"
    ledger.write_text(ledger.read_text().replace("promoted", "refused"))
    with pytest.raises(RegistryError, match="line 1 was edited"):
        other.pull()


def test_without_a_remote_it_says_how_one_is_made(tmp_path: Path) -> None:
    Repo.init(str(tmp_path), no_scm=True).close()
    with pytest.raises(ConfigError, match="there is no remote to share with: `dvc remote add"), shelf(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_named(place: Callable[[str], Place], tmp_path: Path) -> None:
    one = place("one")
    one.night(1, winner="a")
    (tmp_path / "remote").write_text("a file where a folder is wanted")
    with pytest.raises(StorageError, match="remote store"):
        one.push()
