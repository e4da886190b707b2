"""Vectors learned from the watches of the fit days, and fits that begin with them or read them: on a planted match of two factors."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.encoders.history.base import EMBEDDING_STD
from models.pretraining.base import Pretraining
from models.recipe import Recipe
from tasks.candidates.stage import servable_videos
from tasks.core.errors import TrainingError
from tasks.core.files import read_json
from tasks.predict import predict_days
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays
from tasks.table.training_table import TrainingTable
from tasks.table.watches import Watches
from tasks.train.fit import SeedFit, fit_seed
from tasks.train.pretraining import pretrain
from tasks.train.problem import open_problem
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS, FEATURES, write_features
from tests.train.settings import training

pytestmark = pytest.mark.slow

SEEDS = (0, 1)
CONFIG = training(seeds=SEEDS, max_epochs=8, learning_rate=1e-2)
DIRECTAU = {"kind": "directau", "epochs": 30, "watched": "valid_play"}
METRIC = {"kind": "metric", "epochs": 30, "watched": "valid_play"}
GACN = {"kind": "gacn", "epochs": 2, "watched": "valid_play", "neighbours": 5}


def recipe(pretraining: dict[str, Any] | None) -> Recipe:
    """Return a recipe that reads nothing but who and what, and multiplies their vectors."""
    return Recipe.model_validate(
        {
            "encoder": {"kind": "packed", "embedding_dim": 8},
            "backbone": {"kind": "deepfm"},
            "trunk": {"kind": "shared_bottom", "hidden": [32]},
            "head": {"kind": "vr_mse"},
            "pretraining": pretraining,
        }
    )


@pytest.fixture(scope="module")
def matched_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a night of 25 rows a user on whom to show a video depends on how two factors of both match."""
    config = FEATURES.model_copy(update={"content": True})
    return write_features(tmp_path_factory.mktemp("matched"), config=config, matched=3.0)


@pytest.fixture(scope="module")
def matched(matched_features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TableConfig(
        categorical=("user_id", "video_id"), dense=("duration_log",), rare_fields=("user_id",), min_count=2
    )
    build_table(matched_features, config, DAYS, out := tmp_path_factory.mktemp("table") / "table")
    return out


def begin_with(table: Path, pretraining: dict[str, Any] | None, seed: int = 0) -> dict[str, Tensor]:
    """Return what a fit begins with."""
    problem = open_problem(TrainingTable.open(table), recipe(pretraining))
    torch.manual_seed(seed)
    ranker = problem.ranker()
    if problem.watched is not None:
        pretrain(ranker, problem.watched, seed)
    return {name: value.clone() for name, value in ranker.state_dict().items()} | {"drawn next": torch.rand(3)}


def test_vectors_help_where_taste_is_of_low_rank_and_data_few_and_dealt_ones_do_not(
    matched: Path, tmp_path: Path
) -> None:
    arms: dict[str, dict[str, Any] | None] = {
        "none": None,
        "initialise": {**DIRECTAU, "spread": 0.3},
        "join": {**DIRECTAU, "use": "join"},
        "metric": {**METRIC, "use": "join"},
        "shuffled": {**DIRECTAU, "use": "join", "shuffled": True},
    }
    found = {}
    for name, pretraining in arms.items():
        train(matched, NamedRecipe(name, recipe(pretraining), CONFIG), tmp_path / name, tmp_path / "scratch")
        of_seed = read_json(tmp_path / name / "validation.json")
        found[name] = float(np.mean([of_seed[str(seed)]["xauc"] for seed in SEEDS]))
    assert found["join"] > found["none"] + 0.02, found
    assert found["metric"] > found["none"] + 0.08, found
    assert found["initialise"] > found["none"] + 0.02, found
    assert found["shuffled"] < found["none"] + 0.01, found


def test_rows_of_what_was_watched_begin_with_the_vectors_and_all_else_as_without(matched: Path) -> None:
    plain, begun = begin_with(matched, None), begin_with(matched, DIRECTAU)
    assert plain.keys() == begun.keys()
    changed = {name for name in plain if not torch.equal(plain[name], begun[name])}
    assert changed == {"encoder.table.weight"}, "torch's own generator is not moved either"
    opened = TrainingTable.open(matched)
    watches = Watches.of_table(opened, "valid_play")
    moved = (plain["encoder.table.weight"] != begun["encoder.table.weight"]).any(dim=1).nonzero().flatten()
    ids, watched_B = (
        opened.column("fit", "ids"),
        np.asarray(opened.column("fit", "labels"))[:, opened.tasks.index("valid_play")] == 1,
    )
    known = np.setdiff1d(np.unique(ids[watched_B][:, :2]), opened.schema.offsets)
    assert moved.tolist() == known.tolist()
    assert watches.user_P.size < watched_B.sum() and known.size < opened.schema.num_rows - len(opened.schema.offsets)
    for begin, end in zip(opened.schema.offsets, opened.schema.offsets[1:], strict=False):
        rows = moved[(moved >= begin) & (moved < end)]
        spread = begun["encoder.table.weight"][rows].square().mean().sqrt()
        assert float(spread) == pytest.approx(EMBEDDING_STD, rel=1e-5)
    shuffled = begin_with(matched, {**DIRECTAU, "shuffled": True})["encoder.table.weight"][moved]
    dealt = begun["encoder.table.weight"][moved]
    assert not torch.equal(shuffled, dealt)
    torch.testing.assert_close(shuffled.norm(dim=1).sort().values, dealt.norm(dim=1).sort().values)


def test_positives_are_those_of_the_candidates_stage_and_of_no_later_day(
    matched: Path, matched_features: Path, tmp_path: Path
) -> None:
    opened = TrainingTable.open(matched)
    proposers, mine = (
        Watches.of_table(opened, "long_view", servable_videos(matched_features)),
        open_problem(opened, recipe({"kind": "directau"})).watched,
    )
    assert mine is not None
    for name in ("user_id_U", "video_id_V", "user_P", "video_P", "time_P"):
        assert np.array_equal(getattr(mine.watches, name), getattr(proposers, name))
    alone = Path(shutil.copytree(matched, tmp_path / "table"))
    for split in ("validation", "judge"):
        for file in (alone / split).rglob("*.npy"):
            values = np.load(file)
            np.save(file, np.zeros_like(values))
    for pretraining in (DIRECTAU, METRIC, GACN):
        plain, before, after = (
            begin_with(table, asked)["encoder.table.weight"]
            for table, asked in ((matched, None), (matched, pretraining), (alone, pretraining))
        )
        assert torch.equal(before, after) and not torch.equal(before, plain)


def test_a_joined_fit_is_the_same_again_and_goes_on_without_learning_vectors_anew(
    matched: Path, matched_features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, joined = training(max_epochs=2), recipe({**METRIC, "use": "join"})
    problem = open_problem(TrainingTable.open(matched), joined)
    whole = fit_seed(problem, 0, config, tmp_path / "whole")
    begun = SeedFit(problem, 0, config, tmp_path / "begun")
    begun.epoch()
    train(matched, NamedRecipe("joined", joined, config), tmp_path / "bundle", tmp_path / "scratch")
    begins = begin_with(matched, {**METRIC, "use": "join"})["encoder.pretrained.vector_RD"]

    def refuse(*_: object) -> None:
        raise AssertionError("vectors are learned once, before the first step")

    monkeypatch.setattr(Pretraining, "learn", refuse)
    resumed = fit_seed(problem, 0, config, tmp_path / "begun")
    for weights in (resumed.weights, load_file(tmp_path / "bundle/weights-seed0.safetensors")):
        assert weights.keys() == whole.weights.keys()
        assert all(torch.equal(weights[name], value) for name, value in whole.weights.items())
    vectors = whole.weights["encoder.pretrained.vector_RD"]
    assert torch.equal(vectors, begins), "no step moves them"
    assert float(vectors.square().sum(dim=1).gt(0).float().mean()) > 0.9
    predict_days(tmp_path / "bundle", FeatureDays(matched_features, DAYS.judge), tmp_path / "judge.parquet")


@pytest.mark.parametrize(
    ("pretraining", "categorical", "said"),
    [
        ({"kind": "directau"}, ("user_id",), "does not encode 'video_id': add it to table.categorical"),
        (
            {"kind": "metric"},
            None,
            "pretraining by 'metric': the table holds no content of videos: set features.content",
        ),
        (
            {"kind": "directau", "watched": "follow"},
            None,
            "nothing was watched on the fit days: choose another pretraining.watched",
        ),
    ],
)
def test_what_cannot_be_learned_is_refused_in_words(
    features: Path,
    table: Path,
    tmp_path: Path,
    pretraining: dict[str, Any],
    categorical: tuple[str, ...] | None,
    said: str,
) -> None:
    if categorical is not None:
        build_table(features, TableConfig(categorical=categorical), DAYS, table := tmp_path / "table")
    if pretraining.get("watched") == "follow":
        table = Path(shutil.copytree(table, tmp_path / "unwatched"))
        labels = np.load(table / "fit/labels.npy")
        np.save(table / "fit/labels.npy", np.zeros_like(labels))
    with pytest.raises(TrainingError, match=said):
        open_problem(TrainingTable.open(table), recipe(pretraining))
