"""The code a recipe runs: all that a fit executes lies in its closure, and only its own changes change its hash."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from models.components import REGISTRIES, components_of
from models.recipe import Recipe
from tasks.core.files import read_json
from tasks.predict import predict_days
from tasks.table.source import FeatureDays
from tasks.train.code import recipe_code, recipe_files, write_code
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS
from tests.train.settings import CANDIDATE, RANKED, RECIPE, training

REPOSITORY = Path(__file__).resolve().parents[2]
OTHER = Recipe.model_validate(
    {
        "encoder": {"kind": "packed", "embedding_dim": 4, "history": {"kind": "attention"}},
        "backbone": {"kind": "dcnv2"},
        "trunk": {"kind": "ple", "hidden": [8]},
        "head": {"kind": "cread"},
        "further_heads": {"second": {"head": {"kind": "wlr"}}},
        "tasks": {"watch_time": {}, "skip": {}},
        "balance": {"kind": "pcgrad"},
        "objective": {"kind": "snips"},
        "propensity": {"kind": "naive_bayes"},
        "ranking": {"kind": "jrc"},
        "adversary": {},
        "pretraining": {
            "kind": "distilled",
            "by": "adversary",
            "epochs": 1,
            "rich": 24,
            "sparse": 23,
            "teacher": {"kind": "directau", "epochs": 1},
        },
    }
)


def files_run(work: Callable[[], object]) -> set[Path]:
    """Return the files of `models/` of which a function was called while some work was done."""
    seen: set[str] = set()

    def watch(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            seen.add(frame.f_code.co_filename)

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return {Path(name) for name in seen if Path(name).is_relative_to(REPOSITORY / "models")}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["d2q", "doubly_robust", "ranked", "other"])
def test_whatever_a_fit_and_its_predictions_run_is_in_the_hash(
    name: str, table: Path, candidate_table: Path, features: Path, tmp_path: Path
) -> None:
    recipe = {"d2q": RECIPE, "doubly_robust": CANDIDATE, "ranked": RANKED, "other": OTHER}[name]

    def night() -> None:
        rows = candidate_table if recipe.selection.kind == "candidate" else table
        train(rows, NamedRecipe(name, recipe, training(max_epochs=1)), tmp_path / "bundle", tmp_path / "scratch")
        predict_days(tmp_path / "bundle", FeatureDays(features, DAYS.judge), tmp_path / "judge.parquet")

    executed = files_run(night)
    assert len(executed) > 20
    missing = executed - set(recipe_files(recipe).values())
    assert {path.relative_to(REPOSITORY).as_posix() for path in missing} == set()


def test_components_are_found_at_any_depth_and_with_defaults() -> None:
    kinds = {component.__name__ for component in components_of(OTHER)}
    assert kinds == {
        "PackedEncoder", "AttentionHistory", "NoHistory", "DcnV2", "Ple", "Cread", "Wlr", "PcGrad", "Snips", "NaiveBayes", "Jrc",
        "DirectAu", "Distilled",
        "NoCompression",
    }  # fmt: skip
    every = {component for registry in REGISTRIES.values() for component in registry.values()}
    assert components_of(Recipe()) < every


def test_a_component_that_was_not_chosen_is_not_in_the_closure() -> None:
    assert "models.heads.d2q" in recipe_files(RECIPE)
    assert {"models.heads.d2q", "models.heads.tpm", "models.trunks.mmoe"} & recipe_files(OTHER).keys() == set()
    assert recipe_files(OTHER).keys() & REGISTRIES.keys() == set()


def test_a_model_has_one_file_and_an_ensemble_that_of_its_members(tmp_path: Path) -> None:
    write_code({"d2q": [RECIPE], "other": [OTHER], "both": [RECIPE, OTHER]}, tmp_path / "code")
    found = {path.stem: read_json(path) for path in (tmp_path / "code").iterdir()}
    assert found.keys() == {"d2q", "other", "both"}
    assert len({about["source"] for about in found.values()}) == 3
    assert set(found["both"]["components"]) == {*found["d2q"]["components"], *found["other"]["components"]}
    assert found["both"]["source"] == recipe_code(OTHER, RECIPE)


SCRIPT = """
import json, sys
from pathlib import Path
from models.recipe import Recipe
from tasks.train.code import recipe_code
recipes = {name: Recipe.model_validate(values) for name, values in json.loads(sys.argv[1]).items()}
def codes(): return {name: recipe_code(recipe) for name, recipe in recipes.items()}
found = {"as it is": codes()}
for name in sys.argv[2:]:
    path = Path(name)
    text = path.read_text()
    path.write_text(text + "\\n# changed\\n")
    found[name] = codes()
    path.write_text(text)
print(json.dumps(found))
"""


def codes_of(root: Path, *changed: str) -> dict[str, dict[str, str]]:
    """Return what was changed -> recipe -> hash of its code, in a copy of the project."""
    recipes = json.dumps({"d2q": RECIPE.model_dump(mode="json"), "other": OTHER.model_dump(mode="json")})
    command = [sys.executable, "-c", SCRIPT, recipes, *changed]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_a_change_concerns_the_recipes_that_run_it(tmp_path: Path) -> None:
    for name in ("models", "tasks"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    head, base, unused = "models/heads/wlr.py", "models/ranker.py", "models/heads/tpm.py"
    found = codes_of(tmp_path, head, base, unused)
    before = found["as it is"]
    assert found[head]["other"] != before["other"] and found[head]["d2q"] == before["d2q"]
    assert found[base]["other"] != before["other"] and found[base]["d2q"] != before["d2q"]
    assert found[unused] == before

    heads = tmp_path / "models/heads"
    text = (heads / "wlr.py").read_text().replace('"wlr"', '"newcomer"')
    (heads / "newcomer.py").write_text(text)
    registry = (heads / "__init__.py").read_text()
    registry = registry.replace(
        "from models.heads.wtg", "from models.heads.newcomer import Wlr as New\nfrom models.heads.wtg"
    )
    (heads / "__init__.py").write_text(registry.replace('    "wtg": Wtg,', '    "newcomer": New,\n    "wtg": Wtg,'))
    assert codes_of(tmp_path)["as it is"] == before, "a new head and its line in the registry"
