"""Entries are added to YAML files without touching what stands there."""

from pathlib import Path

import pytest
import yaml

from tasks.core.yaml_edit import Entry, one_line_each, with_entries, with_entry, without_entry

PROJECT = (Path(__file__).resolve().parents[2] / "params.yaml").read_text()
SMALL = """# top
recipes: # all of them
  a: {x: 1} # first
  # about b
  b:
    x: 2

    y: [1, 2] # last of b

# about training
training:
  rate: "0.1"
"""


@pytest.mark.parametrize("after", ["d2q", "d2q_dr", "latent"])
def test_the_projects_file_keeps_every_line_and_the_entry_comes_right_behind(after: str) -> None:
    text = with_entry(PROJECT, ("recipes", "new"), one_line_each({"head": {"kind": "new"}, "set_apart": ["a"]}), after)
    text = with_entry(text, ("training", "exceptions", "new"), one_line_each({"_": {"batch_size": 8}})["_"])
    added = ["  new:", "    head: {kind: new}", "    set_apart: [a]", "  exceptions:", "    new: {batch_size: 8}"]
    rest = text.splitlines()
    for line in added:
        rest.remove(line)
    assert rest == PROJECT.splitlines()
    names = list(yaml.safe_load(text)["recipes"])
    assert names[names.index(after) + 1] == "new"


def test_comments_stay_with_what_they_are_about() -> None:
    text = with_entry(SMALL, ("recipes", "new"), one_line_each({"z": {"k": 1}}), after="a")
    assert "  a: {x: 1} # first\n  new:\n    z: {k: 1}\n  # about b\n  b:\n" in text
    text = with_entry(SMALL, ("recipes", "new"), one_line_each({"z": {"k": 1}}), after="b")
    assert "    y: [1, 2] # last of b\n  new:\n    z: {k: 1}\n\n# about training\ntraining:\n" in text


def test_an_entry_is_replaced_where_there_is_one() -> None:
    once = with_entry(SMALL, ("recipes", "b"), one_line_each({"z": {"k": 1}}), after="a")
    assert yaml.safe_load(once)["recipes"] == {"a": {"x": 1}, "b": {"z": {"k": 1}}}
    assert "# about b" in once and "# about training\ntraining:" in once
    assert with_entry(once, ("recipes", "b"), one_line_each({"z": {"k": 1}}), after="a") == once


@pytest.mark.parametrize(
    "standing", ["by_recipe: {}", "by_recipe: {old: {k: 1}}", "by_recipe:", "by_recipe:\n    old: {k: 1}"]
)
def test_mappings_of_either_style_take_an_entry_and_give_it_back(standing: str) -> None:
    text = f"training:\n  {standing}\n  rate: 1 # fast\n"
    added = with_entry(text, ("training", "by_recipe", "new"), one_line_each({"_": {"k": 2}})["_"])
    by_recipe = yaml.safe_load(added)["training"]["by_recipe"]
    assert by_recipe == ({"old": {"k": 1}} if "old" in standing else {}) | {"new": {"k": 2}}
    assert "rate: 1 # fast" in added
    left = yaml.safe_load(without_entry(added, ("training", "by_recipe", "new")))["training"]["by_recipe"]
    assert (left or {}) == ({"old": {"k": 1}} if "old" in standing else {})


def test_lines_of_others_stay_as_their_writer_broke_them() -> None:
    others = 'recipes:\n  a: {x: 1,\n    y:  [1,2]} # two lines\n\n\n  b:   {z: "1"}\n'
    added = with_entry(others + "training: {rate: 1} # fast", ("training", "by_recipe", "a"), 2)
    assert added == others + "training: {rate: 1, by_recipe: {a: 2}} # fast\n"


@pytest.mark.parametrize("standing", ["[a, b]", "\n  - a\n  - b", "\n    - a\n    - b # last"])
def test_a_list_of_any_style_is_replaced_as_a_whole(standing: str) -> None:
    text = f"nightly:\n  recipes: {standing}\n  ensembles: []\n# end\n"
    changed = with_entry(text, ("nightly", "recipes"), ["c"])
    assert yaml.safe_load(changed) == {"nightly": {"recipes": ["c"], "ensembles": []}}
    assert changed.endswith("  ensembles: []\n# end\n")


def test_what_is_not_there_is_not_removed() -> None:
    assert without_entry(SMALL, ("training", "by_recipe", "new")) == SMALL


def test_entries_come_and_go_and_a_line_keeps_its_remark() -> None:
    text = "window:\n  days: 6 # of the fit\nnightly:\n  recipes: [a, b] # in order\nold: {c: 1}\n"
    entries = [Entry(("window", "days"), 12), Entry(("nightly", "recipes"), ["a", "b", "c"]), Entry(("old", "c"), None)]
    changed = with_entries(text, entries)
    assert changed == "window:\n  days: 12 # of the fit\nnightly:\n  recipes: [a, b, c] # in order\nold: {}\n"
    assert with_entries(changed, entries) == changed
