"""A ranking term through the train stage: what the record says, a kill, and a weight of 0."""

from pathlib import Path

import polars as pl
import pytest

from models.recipe import Recipe
from tasks.core.errors import TrainingError
from tasks.core.files import hash_tree
from tasks.train.run import NamedRecipe, train
from tests.train.killed_fit import train_until_killed
from tests.train.settings import RANKED, RECIPE, training


@pytest.fixture(scope="module")
def bundle(candidate_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranking")
    train(candidate_table, NamedRecipe("ranking", RANKED, training()), folder / "b", folder / "s")
    return folder / "b"


@pytest.mark.slow
def test_the_record_says_the_terms_share_of_the_gradient(bundle: Path) -> None:
    curves = pl.read_csv(bundle / "curves.csv")
    shares, factors = curves["watch_time/ranking_share"], curves["watch_time/ranking_factor"]
    assert shares[0] == pytest.approx(0.1 / 1.1, rel=1e-3), "the weight of the recipe, in the epoch it was measured in"
    assert len(set(factors)) == 1, "kept from then on"
    assert factors[0] > 0


@pytest.mark.slow
def test_a_ranked_fit_killed_and_run_again_ends_with_the_same_bytes(
    candidate_table: Path, bundle: Path, tmp_path: Path
) -> None:
    """Killed in the first epoch, while the scale is measured, and in the third, when it stands."""
    for steps in (7, 20):
        train_until_killed(candidate_table, tmp_path, steps, "ranking")
    train(candidate_table, NamedRecipe("ranking", RANKED, training()), tmp_path / "b", tmp_path / "s")
    assert hash_tree(tmp_path / "b") == hash_tree(bundle)


@pytest.mark.slow
def test_weight_0_gives_the_bytes_of_the_plain_recipe(table: Path, tmp_path: Path) -> None:
    without = Recipe.model_validate(RECIPE.model_dump() | {"ranking": {"kind": "pairs", "weight": 0.0}})
    for name, recipe in (("plain", RECIPE), ("without", without)):
        train(table, NamedRecipe("small", recipe, training(max_epochs=2)), tmp_path / name, tmp_path / "s")
        (tmp_path / name / "manifest.json").unlink()  # says what the recipe is
    assert hash_tree(tmp_path / "plain") == hash_tree(tmp_path / "without")


@pytest.mark.slow
def test_pairs_of_too_uneven_weight_end_the_fit(candidate_table: Path, tmp_path: Path) -> None:
    recipe = RANKED.model_dump() | {"ranking": {"kind": "pairs", "estimand": "candidates", "min_gap": 300.0}}
    named = NamedRecipe("ranking", Recipe.model_validate(recipe), training(max_epochs=1))
    with pytest.raises(
        TrainingError,
        match=r"ranking\.estimand: candidates weighs pairs so unevenly .* worth 0 equal ones, .* nothing was written",
    ):
        train(candidate_table, named, tmp_path / "b", tmp_path / "s")
    assert not (tmp_path / "b").exists()
