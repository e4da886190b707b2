"""Bundles of networks and trees that read item codes: later videos are predicted, another tokenizer is refused."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch

from models.serving import history_tensors
from tasks.core.errors import TrainingError
from tasks.core.files import read_json, write_json
from tasks.core.layout import partition
from tasks.evaluate.table import PredictionTable
from tasks.predict import export_model, lacking, load_bundle, load_model, predict_days
from tasks.predict.export_trees import export_trees
from tasks.predict.load_fitted import load_fitted
from tasks.predict.signature import FILE
from tasks.predict.trees import TreeBundle
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.items.config import CodedItems
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.train.batches import Split
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.config import TreesRecipe
from tests.table.small_night import DAYS, FEATURES, write_features
from tests.train.settings import RECIPE, training

pytestmark = pytest.mark.slow
TREES = TreesRecipe(fits=1, max_rounds=20, num_leaves=7, min_data_in_leaf=10, candidates=("log",), tasks=())
LATER = 10**6


def coded(control: Literal["shuffled"] | None = None, history: bool = False) -> TableConfig:
    """Return a table of which trees read little but codes."""
    items = CodedItems(kind="rq", control=control, history=history, levels=2, codewords=8, videos_per_codeword=5)
    return TableConfig(categorical=("user_id", "video_id", "scene"), dense=("duration_log",), items=items)


@pytest.fixture(scope="module")
def coded_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = FEATURES.model_copy(update={"content": True})
    return write_features(tmp_path_factory.mktemp("content_vector"), config=config)


@pytest.fixture(scope="module")
def bundles(coded_features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    build_table(coded_features, coded(), DAYS, folder / "table")
    for name, recipe in (("network", RECIPE), ("trees", TREES)):
        fit = NamedRecipe(name, recipe, training(seeds=(0,), max_epochs=1))
        train(folder / "table", fit, folder / name, folder / "scratch")
    return folder


@pytest.fixture(scope="module")
def of_events(coded_features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a table whose past events carry codes, and of a network that was fitted on it."""
    folder = tmp_path_factory.mktemp("of_events")
    build_table(coded_features, coded(history=True), DAYS, folder / "table")
    fit = NamedRecipe("network", RECIPE, training(seeds=(0,), max_epochs=1))
    train(folder / "table", fit, folder / "network", folder / "scratch")
    return folder


@pytest.mark.parametrize("name", ["network", "trees"])
def test_a_video_that_came_later_is_predicted_by_its_content(bundles: Path, coded_features: Path, name: str) -> None:
    model, source = load_model(bundles / name), FeatureFolder.open(coded_features)
    columns = tuple(dict.fromkeys(["user_id", "video_id", "state_day", *model.row_columns]))
    judge = next(source.chunks(DAYS.judge[0], columns)).filter(pl.col("content_vector").is_not_null())
    later = judge.with_columns(pl.col("video_id") + LATER)
    other = later.with_columns(content_vector=pl.lit([9.0, 9.0, 9.0], dtype=pl.List(pl.Float32)))
    scores = [model.predict(rows, source.past(), "judge")["score"] for rows in (later, other)]
    assert np.isfinite(scores).all() and (scores[0] != scores[1]).mean() > 0.5


@pytest.mark.parametrize("name", ["network", "trees"])
def test_a_bundle_beside_another_tokenizer_is_refused(
    bundles: Path, coded_features: Path, tmp_path: Path, name: str
) -> None:
    """The control's tokenizer has fields of the very same sizes, so nothing but its id tells them apart."""
    build_table(coded_features, coded("shuffled"), DAYS, tmp_path / "table")
    moved = Path(shutil.copytree(bundles / name, tmp_path / name))
    shutil.copytree(tmp_path / "table/preprocessor", moved / "preprocessor", dirs_exist_ok=True)
    with pytest.raises(TrainingError, match=rf"{name} was trained on the item codes of tokenizer \w+ and lies beside"):
        load_model(moved)
    shutil.rmtree(moved / "preprocessor/items")
    with pytest.raises(TrainingError, match="lies beside tokenizer None"):
        load_model(moved)


def test_features_without_content_retire_a_model_that_reads_it(bundles: Path, tmp_path: Path) -> None:
    plain = FeatureDays(write_features(tmp_path), DAYS.judge)
    assert lacking(bundles / "network", plain) == ("content_vector",)


def test_exported_trees_carry_the_codebooks_of_their_columns(
    bundles: Path, coded_features: Path, tmp_path: Path
) -> None:
    model = load_model(bundles / "trees")
    assert isinstance(model, TreeBundle)
    folder = tmp_path / "export"
    export_trees(model, 0, folder)
    columns = [column for column in read_json(folder / FILE)["columns"] if column["kind"] == "item"]
    assert [(column["name"], column["level"]) for column in columns] == [("content_1", 1), ("content_2", 2)]
    books, about = pl.read_parquet(folder / "items/codebooks.parquet"), read_json(folder / "items/items.json")
    rows = pl.read_parquet(partition(coded_features / "rows", DAYS.judge[0]), hive_partitioning=False)
    videos = pl.read_parquet(coded_features / "videos.parquet").select("video_id", "content_vector")
    frame = rows.join(videos, on="video_id", how="left", maintain_order="left").drop_nulls("content_vector").head(50)
    left = (np.array(frame["content_vector"].to_list()) - about["mean"]) / about["scale"]
    encoded = model.preprocessor.encode(frame, "judge")["ids"]
    for column in columns:
        book = np.array(books.filter(pl.col("level") == column["level"])["vector"].to_list())
        nearest = ((left[:, None] - book) ** 2).sum(axis=2).argmin(axis=1)
        np.testing.assert_array_equal(model.preprocessor.local_codes(encoded, column["name"]), nearest + 1)
        left = left - book[nearest]


def test_days_are_predicted_by_the_codes_of_past_events_that_the_table_holds(
    of_events: Path, coded_features: Path, tmp_path: Path
) -> None:
    model = load_fitted(of_events / "network")
    split = Split(of_events / "table/judge", (), ("ids", "dense", "duration_s"), model.reads_history)
    stored = split.read(0, split.num_rows)
    assert set(stored.history) == {"feedback", "ratio", "gap", "video_id", "scene", "content_1", "content_2"}
    predict_days(of_events / "network", FeatureDays(coded_features, DAYS.judge), tmp_path / "judge.parquet")
    written = PredictionTable.read("network", [tmp_path / "judge.parquet"]).score(0)
    np.testing.assert_array_equal(written, model.predict_encoded(stored, 0)["score"])
    unread = {
        name: np.full_like(values, model.preprocessor.empty_history()[name][0, 0]) if "content" in name else values
        for name, values in stored.history.items()
    }
    assert (model.predict_encoded(replace(stored, history=unread), 0)["score"] != written).mean() > 0.5


def test_an_exported_network_says_which_codes_past_events_carry(
    of_events: Path, coded_features: Path, tmp_path: Path
) -> None:
    model = load_bundle(of_events / "network")
    export_model(of_events / "network", tmp_path / "model")
    said = read_json(tmp_path / "model" / FILE)["inputs"]
    assert said["history"]["fields"][-2:] == said["ids"][-2:]
    assert [(field["name"], field.get("kind"), field.get("level")) for field in said["history"]["fields"]] == [
        ("video_id", None, None),
        ("scene", None, None),
        ("content_1", "item", 1),
        ("content_2", "item", 2),
    ]
    judge = pl.concat(
        FeatureFolder.open(coded_features).chunks(DAYS.judge[0], ("user_id", "state_day", *model.row_columns))
    )
    rows = model.encode(judge, FeatureFolder.open(coded_features).past(), "judge")
    batch = rows.batch(0, 50)
    program = torch.export.load(tmp_path / "model/program.pt2").module()
    found = program(batch.ids_BF, batch.dense_BN, batch.duration_B, history_tensors(model.rankers[0], batch))
    for name, values in model.predict_encoded(rows, 0).items():
        np.testing.assert_allclose(found[name].numpy(), values[:50], rtol=1e-5)


def test_a_night_whose_past_events_lack_their_video_is_named(
    of_events: Path, coded_features: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(coded_features, tmp_path / "features"))
    about = read_json(other / "schema.json")
    about["history"]["fields"] = ["scene"]
    write_json(other / "schema.json", about)
    assert lacking(of_events / "network", FeatureDays(other, DAYS.judge)) == ("video_id of past events",)
