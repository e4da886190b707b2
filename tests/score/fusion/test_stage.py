"""The score stage with a fusion: lists in the order of the fused score, and a file that says what it buys."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
from fsspec.core import url_to_fs
from pydantic import TypeAdapter

from models.recipe import Recipe
from tasks.core.arithmetic import CAPABILITY
from tasks.core.cluster import HERE, ClusterAddress, ClusterConfig, Environment, LocalCluster
from tasks.core.errors import MachineError
from tasks.core.files import hash_file, hash_tree, read_json
from tasks.core.identities import SCHEMA
from tasks.core.predictions import bound_metadata
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.metrics.ranked_lists import tie_hash
from tasks.evaluate.night import MeasuredNight
from tasks.features.build import build_features
from tasks.predict import predict_days
from tasks.score import scoring
from tasks.score.config import ScoreConfig
from tasks.score.fusion.config import FusionChoice
from tasks.score.fusion.serving import ServingFusion
from tasks.score.stage import Serving, score
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays
from tasks.train.run import NamedRecipe, train
from tests.core.test_arithmetic import x86_only
from tests.far_workers import far_workers, hidden_while_workers_run
from tests.table.small_night import DAYS, FEATURES, write_validated
from tests.table.test_traits import add_traits
from tests.train.settings import training

pytestmark = pytest.mark.slow

TASKS = {"watch_time": {}, "skip": {"positive_floor": 0}, "long_view": {"positive_floor": 0}}
EVALUATION = EvaluationConfig(replicates=100, minimum_segment_rows=20)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of users who told something of themselves, which no model here reads."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("night")
    add_traits(write_validated(root / "validated"))
    build_features(root / "validated", FEATURES, DAYS, root / "features", HERE)
    return root / "features"


@pytest.fixture(scope="module")
def bundle(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fit")
    build_table(features, TableConfig(), DAYS, root / "table")
    recipe = Recipe.model_validate({"tasks": TASKS})
    train(root / "table", NamedRecipe("small", recipe, training(max_epochs=2)), root / "small", root / "scratch")
    predict_days(root / "small", FeatureDays(features, DAYS.judge), root / "judge.parquet")
    return root / "small"


@pytest.fixture(scope="module")
def scored(bundle: Path, features: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that runs the stage with a fusion and an optional other judge table."""
    identities = tmp_path_factory.mktemp("identities")
    pl.DataFrame(schema=SCHEMA).write_parquet(identities / "tables.parquet")

    def run(
        name: str,
        fusion: dict[str, Any],
        judged: Path | None = None,
        cluster: ClusterConfig = HERE,
        chunk_pairs: int = 1000,
    ) -> Path:
        choice = TypeAdapter(FusionChoice).validate_python(fusion)
        config = ScoreConfig(pool_size=10, top_k=3, fusion=choice).model_copy(update={"chunk_pairs": chunk_pairs})
        out = tmp_path_factory.mktemp(name) / "scores"
        model = Serving(bundle, judged or bundle.parent / "judge.parquet")
        score(MeasuredNight(features, DAYS, EVALUATION), model, config, out, identities, cluster=cluster)
        return out

    return run


@pytest.fixture(scope="module")
def fused(scored: Callable[..., Path]) -> Path:
    return scored("fused", {"kind": "additive", "k": 2, "trials": 30, "caution": 0.0, "sweep": [0.0, 1.0]})


def test_workers_of_a_cluster_give_the_same_bytes(scored: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts to a share, and several shares, of which the last is smaller."""
    monkeypatch.setattr(scoring, "PARTS_OF_A_SHARE", 2)
    fusion = {"kind": "additive", "k": 2, "trials": 30, "caution": 0.0, "sweep": [0.0, 1.0]}
    here, there = (
        scored(name, fusion, cluster=cluster, chunk_pairs=70)
        for name, cluster in (("here", HERE), ("there", LocalCluster(workers=2)))
    )
    assert pq.ParquetFile(here / "scores.parquet").num_row_groups > 4
    assert hash_tree(there) == hash_tree(here)


def test_so_do_workers_that_reach_the_files_through_a_bucket_alone(
    scored: Callable[..., Path], features: Path, bucket: str, tmp_path: Path
) -> None:
    with far_workers(tmp_path) as address, hidden_while_workers_run(features) as times:
        far = ClusterAddress(address=address, storage=bucket)
        there = scored("far", {"kind": "none"}, cluster=far, chunk_pairs=70)
    assert len(times) == 1
    files, folder = url_to_fs(bucket)
    sent = {path.rpartition("/")[2] for path in files.find(folder)}
    assert hash_file(features / "users.parquet") in sent
    assert hash_file(features / "traits.parquet") not in sent
    assert hash_tree(there) == hash_tree(scored("near", {"kind": "none"}, chunk_pairs=70))


@x86_only
def test_a_worker_that_computes_with_other_kernels_is_refused(
    scored: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    Environment.here()
    monkeypatch.setenv(CAPABILITY, "default")  # this process has loaded others; workers start with these
    with pytest.raises(
        MachineError, match=r"a worker .* has ATEN_CPU_CAPABILITY default instead of avx2, .* start it again"
    ):
        scored("named", {"kind": "none"}, cluster=LocalCluster(workers=1))
    monkeypatch.undo()
    monkeypatch.setattr(scoring, "kernels", lambda: "AVX512")  # as of another processor, for which the same are named
    with pytest.raises(MachineError, match=r"a worker .* computes with AVX2 kernels, the stage with AVX512"):
        scored("other", {"kind": "none"}, cluster=LocalCluster(workers=1))


def test_without_a_fusion_nothing_is_said_of_one(scored: Callable[..., Path], fused: Path) -> None:
    plain = scored("plain", {"kind": "none"})
    assert {path.name for path in plain.iterdir()} == {"scores.parquet", "top_k.parquet", "model", "summary.json"}
    without = pl.read_parquet(plain / "scores.parquet")
    assert "fused" not in without.columns
    assert pl.read_parquet(fused / "scores.parquet").drop("fused").equals(without)
    assert (plain / "summary.json").read_bytes() == (fused / "summary.json").read_bytes()


def test_lists_are_in_the_order_of_the_fused_score(fused: Path) -> None:
    pairs, lists = (pl.read_parquet(fused / f"{name}.parquet") for name in ("scores", "top_k"))
    for user, mine in pairs.group_by("user_id"):
        expected = mine.sort(["fused", "video_id"], descending=[True, False])["video_id"].head(3).to_list()
        assert lists.filter(pl.col("user_id") == user[0]).sort("rank")["video_id"].to_list() == expected


def test_the_file_holds_what_served(fused: Path) -> None:
    found = read_json(fused / "fusion.json")
    pairs = pl.read_parquet(fused / "scores.parquet")
    serving = ServingFusion.model_validate(found["fusion"])
    predictions = {
        name: pairs[name].cast(pl.Float64).to_numpy() for name in ("score", "watch_mean", "p_skip", "p_long_view")
    }
    again = serving(predictions, np.ones(len(pairs)))
    np.testing.assert_allclose(again, pairs["fused"].to_numpy(), atol=1e-3)
    assert found["tasks"] == [
        {"name": "watch_time", "sign": 1}, {"name": "skip", "sign": -1}, {"name": "long_view", "sign": 1}
    ]  # fmt: skip
    assert found["days"] == {"fitted": [str(DAYS.validation)], "judged": [str(DAYS.judge[0])]}
    assert found["fitted"]["trials"] == 30
    assert found["fitted"]["utility"] >= found["fitted"]["plain_utility"]


def test_the_sweep_is_judged_against_the_plain_score(fused: Path, bundle: Path) -> None:
    """By hand: WT@2 of the plain score on logged rows of the judge day, and paired differences that add up."""
    found = read_json(fused / "fusion.json")
    part = found["exposures"]["logged"]
    judge = pl.read_parquet(bundle.parent / "judge.parquet").filter(pl.col("policy") != "random")
    assert part["rows"] == judge.height
    keys = [judge[name].to_numpy() for name in ("user_id", "video_id", "event_time_ms")]
    judge = judge.with_columns(tie=tie_hash(*keys, found["config"]["seed"]))
    top = judge.sort([f"score_s{found['seed']}", "tie"], descending=[True, False]).group_by("user_id").head(2)
    by_hand = top.group_by("user_id").agg(pl.col("y_s").mean(), pl.col("skip").mean())
    assert part["plain"]["wt@2"]["value"] == pytest.approx(by_hand["y_s"].mean())
    assert part["plain"]["skip@2"]["value"] == pytest.approx(by_hand["skip"].mean())
    assert [one["skip"] for one in part["sweep"]] == [0.0, 10.0]
    for one in part["sweep"]:
        for name, estimate in one["metrics"].items():
            assert estimate["delta"] == pytest.approx(estimate["value"] - part["plain"][name]["value"], abs=1e-8)
            assert estimate["delta_low"] <= estimate["delta"] <= estimate["delta_high"]


def test_the_judge_day_chooses_nothing_and_bytes_repeat(
    scored: Callable[..., Path], fused: Path, bundle: Path, tmp_path: Path
) -> None:
    settings = {"kind": "additive", "k": 2, "trials": 30, "caution": 0.0, "sweep": [0.0, 1.0]}
    assert hash_tree(scored("again", settings)) == hash_tree(fused)
    judge = pl.read_parquet(bundle.parent / "judge.parquet")
    changed = judge.with_columns(pl.col("y_s").reverse(), (1 - pl.col("skip")).alias("skip"))
    changed.write_parquet(tmp_path / "j.parquet", metadata=bound_metadata(False))  # labels of other rows
    other = scored("other", settings, tmp_path / "j.parquet")
    before, after = (read_json(folder / "fusion.json") for folder in (fused, other))
    assert after["fusion"] == before["fusion"]
    assert after["exposures"] != before["exposures"]
    assert (other / "top_k.parquet").read_bytes() == (fused / "top_k.parquet").read_bytes()


def test_a_night_that_serves_nothing_has_no_fusion(features: Path, tmp_path: Path) -> None:
    config = ScoreConfig(fusion=TypeAdapter(FusionChoice).validate_python({"kind": "monotone"}))
    score(MeasuredNight(features, DAYS, EVALUATION), None, config, tmp_path / "scores", tmp_path)
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["summary.json"]
