"""Debiased recipes through the train stage: levels click and candidate, a kill, and what is measured."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.recipe import Recipe
from tasks.core.errors import TrainingError
from tasks.core.files import hash_tree, read_json
from tasks.predict import load_bundle
from tasks.table.past import Past
from tasks.table.source import FeatureFolder
from tasks.train.optimizers import Optimizers
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS
from tests.train.killed_fit import train_until_killed
from tests.train.settings import CANDIDATE, RECIPE, training


def fit(table: Path, folder: Path, recipe: Recipe, **changes: Any) -> pl.DataFrame:
    """Train a recipe and return its curves."""
    train(table, NamedRecipe("small", recipe, training(**changes)), folder / "b", folder / "s")
    return pl.read_csv(folder / "b/curves.csv")


def with_selection(**selection: Any) -> Recipe:
    return Recipe.model_validate(CANDIDATE.model_dump() | {"selection": selection})


@pytest.fixture(scope="module")
def bundle(candidate_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidate")
    train(candidate_table, NamedRecipe("candidate", CANDIDATE, training()), folder / "b", folder / "s")
    return folder / "b"


@pytest.mark.slow
def test_a_recipe_that_learns_from_candidates_leaves_a_bundle_that_predicts(bundle: Path, features: Path) -> None:
    curves, manifest = pl.read_csv(bundle / "curves.csv"), read_json(bundle / "manifest.json")
    assert manifest["recipe"]["selection"] == {
        "kind": "candidate",
        "per_impression": 0.7,
        "shown_per_candidate": None,
    }
    assert manifest["recipe"]["set_apart"] == ["position"]
    assert manifest["frozen_tasks"] == ["hate"]
    assert curves["train_watch_time"][2] < curves["train_watch_time"][0]
    assert curves["validation_xauc"].max() > 0.55
    rows = pl.read_parquet(features / f"rows/day={DAYS.judge[0]}/part.parquet", hive_partitioning=False)
    model = load_bundle(bundle)
    nothing = Past(lambda day: None, FeatureFolder.open(features).catalogue)
    with_slot = model.predict(rows, nothing, "test")["score"]
    without = model.predict(rows.with_columns(position=pl.lit(None, pl.Int16)), nothing, "test")["score"]
    assert (with_slot == without).all(), "what moves exposure only is not read by a task"


@pytest.mark.slow
def test_a_fit_on_candidates_killed_and_run_again_ends_with_the_same_bytes(
    candidate_table: Path, bundle: Path, tmp_path: Path
) -> None:
    """Killed two steps after a checkpoint in the second epoch, amid a pass over the unobserved rows."""
    train_until_killed(candidate_table, tmp_path, 17, "candidate")
    assert list((tmp_path / "s").rglob("progress.json")) and not (tmp_path / "b").exists()
    train(candidate_table, NamedRecipe("candidate", CANDIDATE, training()), tmp_path / "b", tmp_path / "s")
    assert hash_tree(tmp_path / "b") == hash_tree(bundle)


def test_naive_learning_is_the_same_with_and_without_unobserved_rows(candidate_table: Path, tmp_path: Path) -> None:
    """mean_O e needs no unobserved row: batches hold the same impressions, so without dropout the losses are the same."""
    naive = {"trunk": {"kind": "shared_bottom", "hidden": [16], "dropout": 0}, "tower": {"dropout": 0}}
    curves = [
        fit(
            candidate_table, tmp_path / kind, Recipe.model_validate(naive | {"selection": {"kind": kind}}), max_epochs=1
        )
        for kind in ("impression", "candidate")
    ]
    first, second = (frame["train_watch_time"][0] for frame in curves)
    assert second == pytest.approx(first, rel=1e-4)
    losses = [frame["validation_watch_time"][0] for frame in curves]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.slow
def test_objectives_that_use_unobserved_rows_see_them(candidate_table: Path, tmp_path: Path) -> None:
    few = fit(candidate_table, tmp_path / "few", with_selection(kind="candidate", per_impression=0.1), max_epochs=1)
    many = fit(candidate_table, tmp_path / "many", with_selection(kind="candidate", per_impression=3.0), max_epochs=1)
    clicked = fit(candidate_table, tmp_path / "click", with_selection(kind="click"), max_epochs=1)
    losses = [frame["train_watch_time"][0] for frame in (few, many, clicked)]
    assert len(set(losses)) == 3


@pytest.mark.slow
def test_only_impressions_are_ranked_on_the_validation_day(candidate_table: Path, tmp_path: Path) -> None:
    """The XAUC of the curves is that of the bundle's metrics, which never see an unobserved row."""
    curves = fit(candidate_table, tmp_path, CANDIDATE, max_epochs=2, stop_on="xauc", evaluation_rows=130)
    metrics = read_json(tmp_path / "b/validation.json")["0"]
    assert curves["validation_xauc"][metrics["best_epoch"] - 1] == pytest.approx(metrics["xauc"], abs=1e-6)


@pytest.mark.slow
def test_validation_losses_do_not_depend_on_the_order_of_epochs(candidate_table: Path, tmp_path: Path) -> None:
    """With nothing learned, every epoch measures the same rows with the same weights."""
    curves = fit(candidate_table, tmp_path, CANDIDATE, learning_rate=1e-12, weight_decay=0.0)
    assert curves["validation_watch_time"].n_unique() == 1
    assert curves["validation_skip"].n_unique() == 1


def test_tables_are_prepared_for_every_row_of_a_mixed_batch(
    candidate_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that prepares its own rows only would read rows that rested without their decay."""
    prepared: list[int] = []
    prepare = Optimizers.prepare

    def count(self: Optimizers, batch: Any) -> None:
        prepared.append(len(batch))
        prepare(self, batch)

    monkeypatch.setattr(Optimizers, "prepare", count)
    fit(candidate_table, tmp_path, CANDIDATE, max_epochs=1)
    assert prepared == [218] * 11 + [156]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["click", "candidate"])
@pytest.mark.parametrize("objective", ["ips", "dr_jl", "esmm"])
def test_debiased_objectives_train_at_both_levels(
    candidate_table: Path, tmp_path: Path, kind: str, objective: str
) -> None:
    choices = {"selection": {"kind": kind}, "objective": {"kind": objective}, "head": {"kind": "wlr"}}
    recipe = RECIPE.model_dump() | choices
    curves = fit(candidate_table, tmp_path, Recipe.model_validate(recipe), max_epochs=2)
    assert curves.select(pl.all_horizontal(pl.selectors.float().is_finite().all())).item()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"objective": {"kind": "latent_exogenous", "rho_by": "scenes"}, "head": {"kind": "tr_log"}},
            "cannot be built: objective.rho_by 'scenes' is no categorical field",
        ),
        ({"objective": {"kind": "esmm"}, "head": {"kind": "d2q"}}, "cannot be trained: .*esmm.* head .*choose"),
    ],
)
def test_parts_that_do_not_go_together_are_named(
    candidate_table: Path, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    recipe = Recipe.model_validate(CANDIDATE.model_dump() | changed)
    with pytest.raises(TrainingError, match=said):
        train(candidate_table, NamedRecipe("odd", recipe, training(seeds=(0,))), tmp_path / "b", tmp_path / "s")
    assert not (tmp_path / "b").exists()
