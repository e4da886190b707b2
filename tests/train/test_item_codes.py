"""Bundles of networks and trees that read item codes: later videos are predicted, another tokenizer is refused."""

import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import TrainingError
from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.predict import lacking, load_model
from tasks.predict.export_trees import export_trees
from tasks.predict.signature import FILE
from tasks.predict.trees import TreeBundle
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.items.config import CodedItems
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.config import TreesRecipe
from tests.table.small_night import DAYS, FEATURES, write_features
from tests.train.settings import RECIPE, training

pytestmark = pytest.mark.slow
TREES = TreesRecipe(fits=1, max_rounds=20, num_leaves=7, min_data_in_leaf=10, candidates=("log",), tasks=())
LATER = 10**6


def coded(control: Literal["shuffled"] | None = None) -> TableConfig:
    """Return a table of which trees read little but codes."""
    items = CodedItems(kind="rq", control=control, levels=2, codewords=8, videos_per_codeword=5)
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


@pytest.mark.parametrize("name", ["network", "trees"])
def test_a_video_that_came_later_is_predicted_by_its_content(bundles: Path, coded_features: Path, name: str) -> None:
    model, source = load_model(bundles / name), FeatureFolder.open(coded_features)
    columns = tuple(dict.fromkeys(["user_id", "video_id", "state_day", *model.row_columns]))
    judge = next(source.chunks(DAYS.judge[0], columns)).filter(pl.col("content_vector").is_not_null())
    later = judge.with_columns(pl.col("video_id") + LATER)
    other = later.with_columns(content_vector=pl.lit([9.0, 9.0, 9.0], dtype=pl.List(pl.Float32)))
    scores = [model.predict(rows, source.history, "judge")["score"] for rows in (later, other)]
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
