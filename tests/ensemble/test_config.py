"""Ensembles in params.yaml: names that do not exist or clash are named with the nearest right one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.config import Params, load_params
from tasks.core.errors import ConfigError
from tasks.core.yaml_file import Place

REPOSITORY = Path(__file__).resolve().parents[2]


def params(tmp_path: Path, ensembles: Any, nightly: list[str]) -> Params:
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    content["ensembles"] = ensembles
    content["nightly"] |= {"recipes": ["d2q", "wlr_mmoe"], "ensembles": nightly}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    return load_params(tmp_path / "params.yaml")


def test_ensembles_are_challengers_after_the_recipes(tmp_path: Path) -> None:
    found = params(tmp_path, {"blend": {"members": ["wlr_mmoe", "d2q"]}}, ["blend"])
    assert found.nightly.challengers == ("d2q", "wlr_mmoe", "blend")
    assert found.ensemble("blend").members == ("wlr_mmoe", "d2q")


def test_the_projects_own_ensembles_can_be_named() -> None:
    own = load_params(REPOSITORY / "params.yaml")
    assert not own.nightly.ensembles, "the default night stays short"
    for name, ensemble in own.ensembles.items():
        nightly = own.nightly.model_copy(update={"recipes": ensemble.members, "ensembles": (name,)})
        own.model_copy(update={"nightly": nightly}).check(Place("params.yaml"))


@pytest.mark.parametrize(
    ("ensembles", "nightly", "message"),
    [
        ({"blend": {"members": ["d2q", "wlr_mmo"]}}, [], r"ensembles\.blend\.members: unknown recipe 'wlr_mmo'; did you mean 'wlr_mmoe'"),
        ({"blend": {"members": ["d2q", "wlr_mmoe"]}}, ["blond"], r"unknown ensemble 'blond'; did you mean 'blend'"),
        ({"d2q": {"members": ["d2q", "wlr_mmoe"]}}, [], r"ensembles\.d2q: a recipe has that name too"),
        ({"blend": {"members": ["d2q", "d2q_ips"]}}, ["blend"], r"'blend' needs its member 'd2q_ips' fitted the same night"),
        ({"blend": {"members": ["d2q"]}}, [], r"ensembles\.blend\.members"),
        ({"blend": {"members": ["d2q", "d2q"]}}, [], r"members must be distinct"),
        ({"blend": {"member": ["d2q", "wlr_mmoe"]}}, [], r"unknown key 'member'; did you mean 'members'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, ensembles: Any, nightly: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        params(tmp_path, ensembles, nightly)
