"""The ensemble stage and what it leaves: one self-contained model of several recipes."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from scipy.stats import rankdata

from models.recipe import Recipe
from models.serving import history_tensors
from tasks.core.errors import TrainingError
from tasks.core.files import hash_tree
from tasks.core.layout import partition
from tasks.ensemble.stage import build_ensemble
from tasks.evaluate.metrics.pairwise import xauc
from tasks.evaluate.table import PredictionTable
from tasks.inference.onnx import ONNX, RELATIVE, write_onnx
from tasks.predict import Bundle, Ensemble, export_model, load_bundle, load_ensemble, load_model, predict_days
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.config import TreesRecipe
from tests.ensemble.conftest import RECIPES, settings
from tests.table.small_night import DAYS, rewrite_rows

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(blend: Path) -> Ensemble:
    return load_ensemble(blend)


def rows_of(features: Path, when: object) -> pl.DataFrame:
    return pl.read_parquet(partition(features / "rows", when), hive_partitioning=False)


@pytest.fixture(scope="module")
def judge(features: Path) -> pl.DataFrame:
    return rows_of(features, DAYS.judge[0])


@pytest.fixture(scope="module")
def histories(features: Path):
    return FeatureFolder.open(features).past()


def test_the_score_is_the_mean_percentile_in_the_validation_day(
    model: Ensemble, members: Mapping[str, Path], features: Path, judge: pl.DataFrame, histories: object
) -> None:
    """Brute force: on the validation day a percentile is the mid-rank; on another day that day has no say."""
    validation = rows_of(features, DAYS.validation)
    for seed in (0, 1):
        alone = [load_bundle(path) for path in members.values()]
        scores = [bundle.predict(validation, histories, "v", seed)["score"] for bundle in alone]
        ranks = [(rankdata(score) - 0.5) / len(score) for score in scores]
        found = model.predict(validation, histories, "v", seed)["score"]
        np.testing.assert_allclose(found, np.mean(ranks, axis=0), atol=2e-3)
        later = [bundle.predict(judge, histories, "j", seed)["score"] for bundle in alone]
        percentiles = [
            np.interp(new, np.sort(old), np.sort(rank)) for new, old, rank in zip(later, scores, ranks, strict=True)
        ]
        judged = model.predict(judge, histories, "j", seed)["score"]
        np.testing.assert_allclose(judged, np.mean(percentiles, axis=0), atol=2e-3)


def test_probabilities_are_averaged_over_the_members_that_have_the_task(
    model: Ensemble, members: Mapping[str, Path], judge: pl.DataFrame, histories: object
) -> None:
    first, second = (load_bundle(path).predict(judge, histories, "j", 1) for path in members.values())
    found = model.predict(judge, histories, "j", 1)
    assert model.tasks == ("skip", "long_view")
    np.testing.assert_allclose(found["p_skip"], (first["p_skip"] + second["p_skip"]) / 2)
    np.testing.assert_array_equal(found["p_long_view"], first["p_long_view"])
    assert "p_hate" not in found
    assert model.manifest.frozen_tasks == ("hate",)


def test_seconds_are_calibrated_on_the_validation_day(model: Ensemble, features: Path, histories: object) -> None:
    validation = rows_of(features, DAYS.validation)
    watch_s = np.minimum(validation["watch_ms"], validation["duration_ms"]).to_numpy() / 1000
    duration_s = validation["duration_ms"].to_numpy() / 1000
    found = model.predict(validation, histories, "v")
    assert found["watch_mean"].sum() == pytest.approx(watch_s.sum(), rel=0.02)
    for name in ("watch_mean", "watch_median"):
        assert ((found[name] >= 0) & (found[name] <= duration_s + 1e-4)).all()


def test_a_row_is_scored_alike_whatever_stands_beside_it(
    model: Ensemble, judge: pl.DataFrame, histories: object
) -> None:
    whole = model.predict(judge, histories, "judge")
    for begin, end in ((0, 1), (100, 240)):
        part = model.predict(judge[begin:end], histories, "judge")
        for name, values in part.items():
            np.testing.assert_allclose(values, whole[name][begin:end], rtol=1e-4)


def test_members_with_equal_preprocessors_encode_once_and_others_for_themselves(
    model: Ensemble, judge: pl.DataFrame, histories: object
) -> None:
    assert model.encoders == (("first", "second"),)
    shared = model.encode(judge, histories, "j")
    assert shared["first"] is shared["second"]
    apart = Ensemble(model.manifest, model.calibrations, model.members, (("first",), ("second",)))
    alone = apart.encode(judge, histories, "j")
    assert alone["first"] is not alone["second"]
    for name, values in apart.predict_encoded(alone, 0).items():
        np.testing.assert_array_equal(values, model.predict_encoded(shared, 0)[name])


def test_it_reads_of_the_table_what_dvc_yaml_declares_and_bytes_repeat(
    table: Path, members: Mapping[str, Path], blend: Path, tmp_path: Path
) -> None:
    """The judge day is not among it."""
    stage = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]["ensemble"]
    declared = [Path(path).relative_to("data/table") for path in stage["deps"] if path.startswith("data/table/")]
    other = tmp_path / "table"
    for path in declared:
        (other / path).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (table / path).is_dir() else shutil.copyfile
        copy(table / path, other / path)
    assert declared and not (other / "judge").exists()
    build_ensemble(other, "blend", members, settings(), tmp_path / "again")
    assert hash_tree(tmp_path / "again") == hash_tree(blend)


def test_the_bundle_predicts_another_night_without_its_members_or_its_table(
    blend: Path, members: Mapping[str, Path], features: Path, tmp_path: Path
) -> None:
    """Moved elsewhere and read by what reads a champion; labels of the day do not reach its predictions."""
    moved = Path(shutil.copytree(blend, tmp_path / "registry/entry/bundle"))
    relabelled = Path(shutil.copytree(features, tmp_path / "features"))
    rewrite_rows(relabelled, DAYS.judge[0], [pl.col("watch_ms") // 5, (1 - pl.col("skip")).cast(pl.Int8).alias("skip")])
    for folder, name in ((features, "a"), (relabelled, "b")):
        predict_days(moved, FeatureDays(folder, DAYS.judge), tmp_path / f"{name}.parquet")
    found = PredictionTable.read("blend", [tmp_path / "a.parquet"])
    assert (found.seeds, found.tasks) == ((0, 1), ("skip", "long_view"))
    columns = [f"{name}_s{seed}" for seed in (0, 1) for name in ("score", "watch_mean", "p_skip")]
    a, b = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in "ab")
    assert a.select(columns).equals(b.select(columns))
    assert not a["y_s"].equals(b["y_s"])


def test_the_seed_with_the_best_validation_xauc_serves(blend: Path, features: Path, histories: object) -> None:
    numbers = json.loads((blend / "validation.json").read_text())
    model = load_model(blend)
    assert model.serving_seed == max((0, 1), key=lambda seed: numbers[str(seed)]["xauc"])
    validation = rows_of(features, DAYS.validation)
    watch_s = np.minimum(validation["watch_ms"], validation["duration_ms"]).to_numpy() / 1000
    served = model.predict(validation, histories, "v")["score"]
    assert xauc(watch_s, served).value == pytest.approx(numbers[str(model.serving_seed)]["xauc"], abs=1e-3)


def test_trees_are_a_member_like_any_other(
    table: Path, members: Mapping[str, Path], judge: pl.DataFrame, histories: object, tmp_path: Path
) -> None:
    trees = TreesRecipe(fits=1, max_rounds=15, num_leaves=7, min_data_in_leaf=10, tasks=("skip",), positive_floor=0)
    train(table, NamedRecipe("trees", trees, settings()), tmp_path / "trees", tmp_path / "scratch")
    together = {"second": members["second"], "trees": tmp_path / "trees"}
    build_ensemble(table, "both", together, settings(), tmp_path / "both")
    model = load_model(Path(shutil.move(tmp_path / "both", tmp_path / "moved")))
    assert (model.seeds, model.tasks) == ((0, 1), ("skip",))
    network, boosted = (load_model(path).predict(judge, histories, "j", 1) for path in together.values())
    found = model.predict(judge, histories, "j", 1)
    np.testing.assert_allclose(found["p_skip"], (network["p_skip"] + boosted["p_skip"]) / 2)
    export_model(tmp_path / "moved", tmp_path / "model", seed=1)
    said = {
        name: {
            output: torch.from_numpy(values)
            for output, values in load_model(path).predict(judge, histories, "j", 1).items()
        }
        for name, path in together.items()
    }
    joined = torch.export.load(tmp_path / "model/program.pt2").module()
    served = joined(said, torch.from_numpy(judge["duration_ms"].to_numpy() / 1000))
    assert list(served) == list(found)
    for name, values in found.items():
        np.testing.assert_allclose(served[name].numpy(), values, rtol=1e-6)


@pytest.mark.slow
def test_a_network_trees_and_what_joins_them_are_the_same_as_onnx(
    table: Path, members: Mapping[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    trees = TreesRecipe(fits=1, max_rounds=15, num_leaves=7, min_data_in_leaf=10, tasks=("skip",), positive_floor=0)
    train(table, NamedRecipe("trees", trees, settings()), tmp_path / "trees", tmp_path / "scratch")
    together = {"second": members["second"], "trees": tmp_path / "trees"}
    build_ensemble(table, "both", together, settings(), tmp_path / "both")
    export_model(tmp_path / "both", tmp_path / "model", seed=1)
    differences = write_onnx(tmp_path / "model", tmp_path / "onnx")
    assert differences.keys() == {"", *together} and max(differences.values()) < RELATIVE
    written = {file.relative_to(tmp_path / "onnx").as_posix() for file in (tmp_path / "onnx").rglob("*.onnx")}
    assert written == {ONNX, f"members/second/{ONNX}", f"members/trees/{ONNX}"}
    assert (tmp_path / "onnx/members/trees/score-0.txt").is_file()


def test_only_common_seeds_count(table: Path, members: Mapping[str, Path], tmp_path: Path) -> None:
    recipe = Recipe.model_validate(RECIPES["first"])
    for seeds in ((1, 2), (7,)):
        name = f"third{len(seeds)}"
        train(table, NamedRecipe(name, recipe, settings(seeds=seeds)), tmp_path / name, tmp_path / "scratch")
    build_ensemble(table, "b", {"first": members["first"], "x": tmp_path / "third2"}, settings(), tmp_path / "b")
    assert load_model(tmp_path / "b").seeds == (1,)
    with pytest.raises(TrainingError, match=r"no seed in common \(first: 0, 1; x: 7\)"):
        build_ensemble(table, "b", {"first": members["first"], "x": tmp_path / "third1"}, settings(), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_members_of_another_table_are_refused(features: Path, members: Mapping[str, Path], tmp_path: Path) -> None:
    build_table(features, TableConfig(duration_buckets=4), DAYS, tmp_path / "table")
    with pytest.raises(TrainingError, match=r"member first was fitted on another table: run train@first again"):
        build_ensemble(tmp_path / "table", "b", members, settings(), tmp_path / "b")


def test_a_changed_member_is_an_error(blend: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(blend, tmp_path / "b"))
    (broken / "members/second/weights-seed0.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"member second is missing or is not the one that was calibrated"):
        load_model(broken)


def test_an_ensemble_is_not_taken_for_a_recipe(blend: Path, members: Mapping[str, Path]) -> None:
    with pytest.raises(TrainingError, match="is an ensemble of first, second, not one recipe"):
        load_bundle(blend)
    with pytest.raises(TrainingError, match="is the bundle of one recipe, not an ensemble"):
        load_ensemble(members["first"])


def test_exported_members_and_what_joins_them_are_what_serves(
    blend: Path, model: Ensemble, judge: pl.DataFrame, histories: object, tmp_path: Path
) -> None:
    export_model(blend, tmp_path / "model")
    said = {}
    for name, member in model.members.items():
        assert isinstance(member, Bundle)
        program = torch.export.load(tmp_path / "model/members" / name / "program.pt2").module()
        batch = member.encode(judge, histories, "j").batch(0, 9)
        history = history_tensors(member.rankers[model.serving_seed], batch)
        said[name] = program(batch.ids_BF, batch.dense_BN, batch.duration_B, history)
    found = torch.export.load(tmp_path / "model/program.pt2").module()(said, batch.duration_B.double())
    served = model.predict(judge, histories, "j")
    assert list(found) == list(served)
    for output, values in served.items():
        np.testing.assert_allclose(found[output].numpy(), values[:9], rtol=1e-4)
