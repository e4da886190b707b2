"""The curve from a fitted bundle: its points are the bundle's predictions at every t, on rows exposed either way."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.objectives.proxy_priors import ProxyPriors
from models.recipe import Recipe
from tasks.core.files import read_json
from tasks.core.layout import partition
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.calibration import quantile_edges
from tasks.evaluate.metrics.pairwise import xauc
from tasks.evaluate.night import MeasuredNight
from tasks.predict import Bundle, load_bundle, predict_days
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.trade_off.curves import FILE
from tasks.trade_off.trade_off import GRID, trade_off
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS, write_features
from tests.train.settings import training

pytestmark = pytest.mark.slow

CONFIG = EvaluationConfig(replicates=100, minimum_segment_rows=20)
PLAIN: dict[str, Any] = {
    "tasks": {"watch_time": {}, "long_view": {"positive_floor": 1}},
    "encoder": {"kind": "packed", "embedding_dim": 4},
    "head": {"kind": "vr_mse"},
}
DIAL = PLAIN | {"objective": {"kind": "proxy_priors", "trade_off": 0.25}, "set_apart": ["duration_bucket", "scene"]}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def bundles(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a bundle that has a dial, one without, and the judge table of each."""
    root = tmp_path_factory.mktemp("bundles")
    build_table(features, TableConfig(), DAYS, root / "table")
    for name, recipe in (("dial", DIAL), ("plain", PLAIN)):
        settings = training(seeds=(0, 1), max_epochs=2)
        train(root / "table", NamedRecipe(name, Recipe.model_validate(recipe), settings), root / name, root / "scratch")
        predict_days(root / name, FeatureDays(features, DAYS.judge), root / "predictions" / name / "judge.parquet")
    return root


@pytest.fixture(scope="module")
def curves(features: Path, bundles: Path) -> Any:
    out = bundles / "predictions/dial"
    assert trade_off(MeasuredNight(features, DAYS, CONFIG), bundles / "dial", out) == out / FILE
    return read_json(out / FILE)


@pytest.fixture(scope="module")
def rows(features: Path) -> pl.DataFrame:
    return pl.read_parquet(partition(features / "rows", DAYS.judge[0]), hive_partitioning=False)


def raw(bundle: Bundle, rows: pl.DataFrame, features: Path, seed: int, t: float) -> dict[str, Any]:
    for objective in bundle.rankers[seed].objectives.values():
        assert isinstance(objective, ProxyPriors)
        objective.trade_off = t
    return bundle.predict_raw(bundle.encode(rows, FeatureFolder.open(features).past(), "judge"), seed)


@pytest.mark.parametrize("exposure", ["logged", "random"])
def test_points_are_the_predictions_at_every_t(
    exposure: str, curves: Any, bundles: Path, features: Path, rows: pl.DataFrame
) -> None:
    bundle, part = load_bundle(bundles / "dial"), curves["exposures"][exposure]
    table = pl.read_parquet(bundles / "predictions/dial/judge.parquet")
    chosen = (table["policy"] == "random").to_numpy() == (exposure == "random")
    watch, duration_s = table["y_s"].to_numpy()[chosen], table["duration_ms"].to_numpy() / 1000
    group = np.searchsorted(quantile_edges(duration_s, 10), duration_s, side="right")[chosen]
    assert part["rows"] == chosen.sum()
    for point, t in zip(part["targets"]["watch_time"], GRID, strict=True):
        accuracy, bias = [], []
        for seed in (0, 1):
            found = raw(bundle, rows, features, seed, t)
            accuracy.append(xauc(watch, found["score"][chosen]).value)
            error = found["mean"][chosen] - watch
            gap, size = np.array([(error[group == g].mean(), (group == g).sum()) for g in np.unique(group)]).T
            bias.append(np.sqrt(np.average((gap - np.average(gap, weights=size)) ** 2, weights=size)))
        assert point["trade_off"] == t
        assert point["accuracy"]["value"] == pytest.approx(np.mean(accuracy))
        assert point["bias"]["value"] == pytest.approx(np.mean(bias))
        assert point["bias"]["low"] < point["bias"]["high"]


def test_t_makes_a_difference_and_the_served_one_is_written_down(curves: Any) -> None:
    assert (curves["served"], curves["role"], curves["mean"], curves["seeds"]) == (0.25, "judge", "mean", [0, 1])
    assert set(curves["exposures"]["logged"]["targets"]) == {"watch_time", "long_view"}
    for points in curves["exposures"]["logged"]["targets"].values():
        assert len({point["accuracy"]["value"] for point in points}) == len(GRID)


def test_the_served_point_is_what_the_night_predicts(curves: Any, bundles: Path) -> None:
    table = pl.read_parquet(bundles / "predictions/dial/judge.parquet").filter(pl.col("policy") != "random")
    expected = np.mean([xauc(table["y_s"].to_numpy(), table[f"score_s{seed}"].to_numpy()).value for seed in (0, 1)])
    point = curves["exposures"]["logged"]["targets"]["watch_time"][GRID.index(0.25)]
    assert point["accuracy"]["value"] == pytest.approx(expected)


def test_a_recipe_without_a_dial_has_no_curve(bundles: Path, features: Path) -> None:
    out = bundles / "predictions/plain"
    assert trade_off(MeasuredNight(features, DAYS, CONFIG), bundles / "plain", out) is None
    assert not (out / FILE).exists()


def test_few_random_rows_give_no_curve(bundles: Path, features: Path) -> None:
    config = CONFIG.model_copy(update={"minimum_segment_rows": 400})
    trade_off(MeasuredNight(features, DAYS, config), bundles / "dial", bundles / "predictions/dial")
    assert set(read_json(bundles / "predictions/dial" / FILE)["exposures"]) == {"logged"}
