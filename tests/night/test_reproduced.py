"""dvc.lock in one order, and what is said where the same inputs gave other bytes."""

from pathlib import Path
from typing import Any

import yaml

from tasks.core.machine import this_machine
from tasks.night.dvc_files import sort_lock
from tasks.night.reproduced import explanation, other_bytes


def stage(inputs: str, output: str) -> dict[str, Any]:
    return {
        "cmd": "python -m tasks x",
        "deps": [{"path": "a", "md5": inputs}],
        "params": {"params.yaml": {"x": [1, 2], "y": {"z": None}}},
        "outs": [{"path": "b", "md5": output}],
    }


def write(path: Path, **stages: dict[str, Any]) -> Path:
    path.write_text("schema: '2.0'\n" + yaml.safe_dump({"stages": stages}, sort_keys=False))
    return path


def test_stages_stand_in_order_of_their_names_and_nothing_else_moves(tmp_path: Path) -> None:
    one = write(
        tmp_path / "one.lock", **{"train@d2q": stage("1", "2"), "ingest": stage("3", "4"), "train@a": stage("5", "6")}
    )
    other = write(
        tmp_path / "two.lock", **{"ingest": stage("3", "4"), "train@a": stage("5", "6"), "train@d2q": stage("1", "2")}
    )
    before = yaml.safe_load(one.read_text())
    sort_lock(one)
    sort_lock(other)
    assert one.read_bytes() == other.read_bytes()
    assert list(yaml.safe_load(one.read_text())["stages"]) == ["ingest", "train@a", "train@d2q"]
    assert yaml.safe_load(one.read_text()) == before


def test_the_stage_that_began_to_differ_is_named_with_what_the_machine_has_otherwise(tmp_path: Path) -> None:
    archived = write(tmp_path / "a.lock", ingest=stage("1", "2"), train=stage("2", "3"), gate=stage("3", "4"))
    now = write(tmp_path / "b.lock", ingest=stage("1", "2"), train=stage("2", "9"), gate=stage("9", "8"))
    assert other_bytes(archived, archived) == ()
    assert other_bytes(archived, now) == ("train",)
    here = this_machine()
    there = here.model_copy(update={"cpu": "another CPU"})
    said = explanation(("train",), there, here)
    assert said.startswith("train gave other bytes than the archived night, of the same inputs")
    assert f"cpu another CPU, {here.cpu}" in said
    assert "does not say" in explanation(("train",), None, here)
