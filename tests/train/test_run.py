import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file

from models.recipe import Recipe
from tasks.core.errors import ConfigError, ContractError, TrainingError
from tasks.core.files import hash_tree, read_json
from tasks.core.layout import partition
from tasks.predict import load_fitted
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.train.config import TrainingConfig
from tasks.train.fit import SeedFit
from tasks.train.order import shard_visits
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS, rewrite_rows
from tests.train.killed_fit import train_until_killed
from tests.train.settings import RECIPE, training


@pytest.fixture(scope="module")
def bundle(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    train(table, NamedRecipe("small", RECIPE, training(seeds=(0, 1))), folder / "small", folder / "scratch")
    return folder / "small"


@pytest.mark.slow
def test_a_bundle_holds_everything_and_says_what_it_is(bundle: Path) -> None:
    assert sorted(path.name for path in bundle.iterdir()) == [
        "calibrators.json",
        "curves.csv",
        "head_state.safetensors",
        "manifest.json",
        "preprocessor",
        "validation.json",
        "weights-seed0.safetensors",
        "weights-seed1.safetensors",
    ]
    manifest, validation = read_json(bundle / "manifest.json"), read_json(bundle / "validation.json")
    assert manifest["seeds"] == [0, 1]
    assert manifest["frozen_tasks"] == ["hate"]
    serving = min(manifest["validation_loss"], key=manifest["validation_loss"].get)
    assert manifest["serving_seed"] == int(serving)
    assert validation["0"]["xauc"] > 0.55
    assert Recipe.model_validate(manifest["recipe"]) == RECIPE


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bst", "din", "gru4rec", "hstu", "sasrec", "sine"])
def test_a_recipe_may_name_a_sequence_model_for_its_history(table: Path, tmp_path: Path, kind: str) -> None:
    encoder = {"kind": "packed", "embedding_dim": 4, "history": {"kind": kind}}
    recipe = Recipe.model_validate(RECIPE.model_dump() | {"encoder": encoder})
    train(table, NamedRecipe(kind, recipe, training(seeds=(0,))), tmp_path / "bundle", tmp_path / "scratch")
    assert read_json(tmp_path / "bundle/validation.json")["0"]["xauc"] > 0.55
    assert read_json(tmp_path / "bundle/manifest.json")["recipe"]["encoder"]["history"]["kind"] == kind


@pytest.mark.slow
def test_a_backbone_may_read_events_without_a_history_encoder(table: Path, tmp_path: Path) -> None:
    parts = {
        "encoder": {"kind": "packed", "embedding_dim": 4, "history": {"kind": "none"}},
        "backbone": {"kind": "onetrans", "width": 8, "num_heads": 2, "num_tokens": 3},
    }
    recipe = Recipe.model_validate(RECIPE.model_dump() | parts)
    train(table, NamedRecipe("onetrans", recipe, training(seeds=(0,))), tmp_path / "bundle", tmp_path / "scratch")
    assert read_json(tmp_path / "bundle/validation.json")["0"]["xauc"] > 0.55
    assert load_fitted(tmp_path / "bundle").reads_history


def test_curves_hold_one_row_per_seed_and_epoch_and_no_clock(bundle: Path) -> None:
    curves = pl.read_csv(bundle / "curves.csv")
    assert curves.select("seed", "epoch").rows() == [(s, e) for s in (0, 1) for e in (1, 2, 3)]
    assert {"train_watch_time", "validation_watch_time", "train_skip", "validation_xauc"} <= set(curves.columns)
    assert not any("second" in name or "time_s" in name for name in curves.columns)
    assert curves["train_watch_time"][2] < curves["train_watch_time"][0]


def test_checkpoints_are_gone_after_success(bundle: Path) -> None:
    assert not list((bundle.parent / "scratch").rglob("*.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [(19, 30)])
def test_a_fit_killed_twice_and_run_again_ends_with_the_same_bytes(
    table: Path, bundle: Path, tmp_path: Path, steps: tuple[int, ...]
) -> None:
    """Killed between checkpoints in the second epoch of seed 0, then in seed 1; three processes share the work."""
    for left in steps:
        train_until_killed(table, tmp_path, left, "small")
        assert not (tmp_path / "b").exists()
    standing = sorted(path.parent.name for path in (tmp_path / "s").rglob("progress.json"))
    assert standing == ["seed0", "seed1"]
    train(table, NamedRecipe("small", RECIPE, training(seeds=(0, 1))), tmp_path / "b", tmp_path / "s")
    assert hash_tree(tmp_path / "b") == hash_tree(bundle)


@pytest.mark.slow
def test_a_checkpoint_of_another_configuration_is_not_used(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: SeedFit, steps: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SeedFit, "_close_epoch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(table, NamedRecipe("small", RECIPE, training()), tmp_path / "b", tmp_path / "s")
    assert list((tmp_path / "s").rglob("state.safetensors"))
    changed = training(learning_rate=1e-3)
    train(table, NamedRecipe("small", RECIPE, changed), tmp_path / "resumed", tmp_path / "s")
    train(table, NamedRecipe("small", RECIPE, changed), tmp_path / "fresh", tmp_path / "other")
    assert hash_tree(tmp_path / "resumed") == hash_tree(tmp_path / "fresh")


@pytest.mark.slow
def test_the_judge_day_changes_nothing(features: Path, bundle: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(features, tmp_path / "features"))
    rewrite_rows(
        changed, DAYS.judge[0], [pl.col("watch_ms") // 3, pl.col("user_id") + 7, pl.lit(1, pl.Int8).alias("skip")]
    )
    build_table(changed, TableConfig(), DAYS, tmp_path / "table")
    train(tmp_path / "table", NamedRecipe("small", RECIPE, training(seeds=(0, 1))), tmp_path / "b", tmp_path / "s")
    assert hash_tree(tmp_path / "b") == hash_tree(bundle)


@pytest.mark.slow
def test_validation_labels_do_not_reach_weights_or_label_state(features: Path, bundle: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(features, tmp_path / "features"))
    rewrite_rows(changed, DAYS.validation, pl.col("watch_ms") // 2)
    build_table(changed, TableConfig(), DAYS, tmp_path / "table")
    train(tmp_path / "table", NamedRecipe("small", RECIPE, training(seeds=(0,))), tmp_path / "b", tmp_path / "s")
    same = (tmp_path / "b/head_state.safetensors").read_bytes() == (bundle / "head_state.safetensors").read_bytes()
    assert same
    ours, theirs = (
        pl.read_csv(tmp_path / "b/curves.csv"),
        pl.read_csv(bundle / "curves.csv").filter(pl.col("seed") == 0),
    )
    assert ours["train_watch_time"].to_list() == theirs["train_watch_time"].to_list()
    assert ours["validation_watch_time"].to_list() != theirs["validation_watch_time"].to_list()


@pytest.mark.slow
def test_early_stopping_keeps_the_best_epoch(table: Path, tmp_path: Path) -> None:
    config = training(max_epochs=30, patience=2, learning_rate=0.05)
    train(table, NamedRecipe("small", RECIPE, config), tmp_path / "b", tmp_path / "s")
    curves, manifest = pl.read_csv(tmp_path / "b/curves.csv"), read_json(tmp_path / "b/manifest.json")
    losses = curves["validation_watch_time"].to_list()
    assert len(losses) < 30
    assert manifest["best_epoch"]["0"] == int(np.argmin(losses)) + 1 == len(losses) - 2
    assert manifest["validation_loss"]["0"] == min(losses)


@pytest.mark.slow
def test_stopping_on_xauc(table: Path, tmp_path: Path) -> None:
    train(table, NamedRecipe("small", RECIPE, training(stop_on="xauc")), tmp_path / "b", tmp_path / "s")
    curves, manifest = pl.read_csv(tmp_path / "b/curves.csv"), read_json(tmp_path / "b/manifest.json")
    assert manifest["best_epoch"]["0"] == int(curves["validation_xauc"].arg_max() or 0) + 1


def test_a_loss_that_is_not_finite_stops_the_fit_and_keeps_the_old_bundle(
    table: Path, bundle: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(table, tmp_path / "table"))
    dense = np.load(broken / "fit/dense.npy")
    dense[1000:, 0] = np.nan
    np.save(broken / "fit/dense.npy", dense)
    out = Path(shutil.copytree(bundle, tmp_path / "b"))
    with pytest.raises(TrainingError, match=r"seed 0, epoch 1, step \d+: .*watch_time.*Lower training.learning_rate"):
        train(broken, NamedRecipe("small", RECIPE, training()), out, tmp_path / "s")
    assert hash_tree(out) == hash_tree(bundle)


@pytest.mark.slow
def test_the_step_that_is_not_finite_is_named_and_no_checkpoint_holds_its_weights(table: Path, tmp_path: Path) -> None:
    """Steps 6 to 10 are looked at together; a checkpoint was due after the fifth and the tenth."""
    broken = Path(shutil.copytree(table, tmp_path / "table"))
    dense = np.load(broken / "fit/dense.npy")
    order = np.concatenate([visit.begin + visit.order for visit in shard_visits(len(dense), 400, 0, 0)])
    dense[order[7 * 128 + 3], 0] = np.nan
    np.save(broken / "fit/dense.npy", dense)
    with pytest.raises(TrainingError, match=r"seed 0, epoch 1, step 8: the loss is not finite: .*watch_time.*nan"):
        train(broken, NamedRecipe("small", RECIPE, training()), tmp_path / "b", tmp_path / "s")
    (kept,) = (tmp_path / "s").rglob("state.safetensors")
    assert all(value.isfinite().all() for name, value in load_file(kept).items() if name.startswith("model."))
    assert read_json(kept.parent / "progress.json")["step"] == 5


def test_a_label_that_the_table_lacks_is_named(table: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(table, tmp_path / "table"))
    about = (changed / "table.json").read_text().replace('"skip",', "")
    (changed / "table.json").write_text(about)
    with pytest.raises(TrainingError, match="learns skip, but"):
        train(changed, NamedRecipe("small", RECIPE, training()), tmp_path / "b", tmp_path / "s")


def test_a_recipe_with_history_needs_history_fields(features: Path, tmp_path: Path) -> None:
    build_table(features, TableConfig(categorical=("user_id", "hour")), DAYS, tmp_path / "table")
    with pytest.raises(TrainingError, match=r"reads a history, but .* see table\.categorical"):
        train(tmp_path / "table", NamedRecipe("small", RECIPE, training()), tmp_path / "b", tmp_path / "s")


@pytest.mark.slow
def test_bfloat16_learns_about_as_well(table: Path, bundle: Path, tmp_path: Path) -> None:
    result = train(table, NamedRecipe("small", RECIPE, training(precision="bfloat16")), tmp_path / "b", tmp_path / "s")
    assert result.xauc == pytest.approx(read_json(bundle / "validation.json")["0"]["xauc"], abs=0.03)


def test_cuda_that_is_not_there_is_an_error(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"training\.device is cuda"):
        train(table, NamedRecipe("small", RECIPE, training(device="cuda")), tmp_path / "b", tmp_path / "s")


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"holds no table\.json: run `dwell prepare` and `dvc repro table`"):
        train(tmp_path, NamedRecipe("small", RECIPE, training()), tmp_path / "b", tmp_path / "s")


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,)])
def test_impossible_seeds_are_refused(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="seeds"):
        TrainingConfig(seeds=seeds)


@pytest.mark.slow
def test_a_refused_calibrator_is_reported(table: Path, tmp_path: Path) -> None:
    config = training(calibration=training().calibration.model_copy(update={"min_rows": 10**6}))
    result = train(table, NamedRecipe("small", RECIPE, config), tmp_path / "b", tmp_path / "s")
    assert result.refused == (0,)
    assert "1000000" in read_json(tmp_path / "b/manifest.json")["calibration_refused"]["0"]


@pytest.mark.slow
def test_weighing_objectives_get_the_propensity_of_every_row(table: Path, tmp_path: Path) -> None:
    recipe = {"objective": {"kind": "ips"}, "propensity": {"kind": "logged"}}
    train(table, NamedRecipe("ips", Recipe.model_validate(recipe), training()), tmp_path / "b", tmp_path / "s")
    train(table, NamedRecipe("naive", Recipe(), training()), tmp_path / "n", tmp_path / "s")
    assert (tmp_path / "b/propensity.safetensors").exists()
    weighted, plain = (pl.read_csv(tmp_path / name / "curves.csv")["train_watch_time"][0] for name in ("b", "n"))
    logged = open_columns(table / "fit")["exposure_probability"]
    assert weighted > 1.2 * plain, f"weights 1/p with mean p {logged.mean():.2f} must raise the loss"


def test_features_of_the_fit_days_only_are_read(table: Path, bundle: Path, features: Path) -> None:
    manifest = read_json(bundle / "manifest.json")
    fit_rows = sum(
        pl.read_parquet(partition(features / "rows", day), hive_partitioning=False).height for day in DAYS.fit
    )
    assert manifest["rows"]["fit"] == fit_rows
    assert manifest["days"] == {"fit": [str(day) for day in DAYS.fit], "validation": [str(DAYS.validation)]}
