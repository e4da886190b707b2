"""Widths by group from the fit to the files: dropped numbers are never trained, never stored, and counted as reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import load_file

from models.compression.placed import compressed_tables
from models.encoders.grouped import GroupedTable, classes, kept_by_class
from models.encoders.packed import PackedConfig
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.core.errors import ConfigError, TrainingError
from tasks.core.files import read_json
from tasks.predict import export_model, load_bundle, predict_days
from tasks.table.source import FeatureDays
from tasks.table.training_table import TrainingTable
from tasks.train.fit import SeedFit
from tasks.train.problem import FitProblem, open_problem
from tasks.train.row_use import reads_per_day
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS
from tests.train.settings import RECIPE, training
from tests.train.test_compression import exported_scores

pytestmark = pytest.mark.slow
WIDTHS = {
    "user_id": {"bounds": [8.0], "kept": [[1], [0, 1, 2, 3]]},
    "video_id": {"bounds": [4.0, 8.0], "kept": [[], [0, 3], [0, 1, 3]]},
}
BLOCK = RECIPE.model_dump(mode="json")
NARROW = Recipe.model_validate(BLOCK | {"encoder": BLOCK["encoder"] | {"widths": WIDTHS}})


def kept_of(table: TrainingTable) -> np.ndarray:
    """Return which numbers every row keeps, [N, D]."""
    assert isinstance(NARROW.encoder, PackedConfig)
    widths = NARROW.encoder.widths
    kept = kept_by_class(table.schema, widths, 4)
    class_N = classes(table.schema, widths, reads_per_day(table))
    return np.array([[number in kept[row_class] for number in range(4)] for row_class in class_N])


@pytest.fixture(scope="module")
def bundles(table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return bundles of the narrow recipe, by compression."""
    folder = tmp_path_factory.mktemp("narrow")
    for kind in ("none", "int8_row"):
        recipe = Recipe.model_validate(NARROW.model_dump(mode="json") | {"compression": {"kind": kind}})
        train(table, NamedRecipe("narrow", recipe, training(max_epochs=2)), folder / kind, folder / "scratch")
    return {kind: folder / kind for kind in ("none", "int8_row")}


@pytest.mark.parametrize(("kind", "of_number", "of_row"), [("none", 4, 0), ("int8_row", 1, 2)])
def test_files_hold_what_groups_keep_and_nothing_else(
    bundles: dict[str, Path], table: Path, kind: str, of_number: int, of_row: int
) -> None:
    """Bytes of the files: of every kept number, a class per row, where every 32nd row begins, the lists and the headers."""
    kept_ND = kept_of(TrainingTable.open(table))
    rows, classes_ = len(kept_ND), 1 + 2 + 3
    assert 0 < kept_ND.sum() < kept_ND.size and kept_ND[:, 2].sum() > 0
    folder = bundles[kind] / "tables-seed0"
    entry = read_json(folder / "manifest.json")["tables"]["encoder.table"]
    on_disk = sum(path.stat().st_size for path in folder.glob("*.npy"))
    lists = rows + 8 * -(-rows // 32) + 2 * classes_ * 4
    assert on_disk == entry["ledger"]["total"]
    assert on_disk == of_number * kept_ND.sum() + of_row * rows + lists + 128 * len(entry["files"])
    assert entry["kind"] == "mixed_dim"
    assert "encoder.table.weight" not in load_file(bundles[kind] / "weights-seed0.safetensors")


def test_every_reader_predicts_from_the_files(bundles: dict[str, Path], features: Path, tmp_path: Path) -> None:
    bundle = load_bundle(bundles["none"])
    predict_days(bundles["none"], FeatureDays(features, DAYS.judge), tmp_path / "judge.parquet")
    scores = pl.read_parquet(tmp_path / "judge.parquet")["score_s0"].to_numpy()
    export_model(bundles["none"], tmp_path / "model")
    said = exported_scores(bundle, features, tmp_path / "model/program.pt2")
    assert np.array_equal(said, scores[:200].astype(np.float32)) and np.ptp(scores) > 0


def test_a_fit_keeps_its_zeros_and_the_twin_whose_mask_is_gone_fills_them(table: Path, tmp_path: Path) -> None:
    """The files read back as the fitted weights; non-zeros are within the budget and the share dropped is that counted."""
    opened = TrainingTable.open(table)
    problem, kept_ND = open_problem(opened, NARROW), kept_of(opened)
    weights = fitted(problem, tmp_path / "masked")
    weight_ND = weights["encoder.table.weight"].numpy()
    assert np.count_nonzero(weight_ND) <= kept_ND.sum()
    assert not weight_ND[~kept_ND].any()
    counted, reported = (weight_ND == 0).mean(), 1 - kept_ND.mean()
    assert f"{counted:.1%}" == f"{reported:.1%}"
    (stored,) = compressed_tables(problem.fitted_ranker(weights)).values()
    assert np.array_equal(stored.rows(torch.arange(len(weight_ND))).numpy(), weight_ND)

    loose = MaskedOnce(**{name: getattr(problem, name) for name in problem.__dataclass_fields__})
    filled = fitted(loose, tmp_path / "unmasked")
    assert np.count_nonzero(filled["encoder.table.weight"].numpy()) > 1.2 * kept_ND.sum()
    with pytest.raises(TrainingError, match=r"numbers that their groups drop are not 0: they were trained"):
        problem.fitted_ranker(filled)


class MaskedOnce(FitProblem):
    """Deliberately wrong: zeros are set before the first step, and nothing keeps them."""

    def ranker(self) -> Ranker:
        ranker = super().ranker()
        table = ranker.encoder.table
        assert isinstance(table, GroupedTable)
        plain = torch.nn.Embedding(*table.weight.shape, sparse=True, _weight=table.weight.detach().clone())
        ranker.set_submodule("encoder.table", plain)
        return ranker


def fitted(problem: FitProblem, folder: Path) -> dict[str, torch.Tensor]:
    fit = SeedFit(problem, 0, training(max_epochs=2), folder)
    while not fit.stopping.exhausted:
        fit.epoch()
    return dict(fit.result().weights)


def test_a_resumed_fit_groups_rows_as_before(table: Path, tmp_path: Path) -> None:
    problem, config = open_problem(TrainingTable.open(table), NARROW), training(max_epochs=2)
    whole = fitted(problem, tmp_path / "whole")
    SeedFit(problem, 0, config, tmp_path / "killed").epoch()
    again = SeedFit(problem, 0, config, tmp_path / "killed")
    again.resume()
    again.epoch()
    assert all(torch.equal(again.result().weights[name], value) for name, value in whole.items())


def test_a_field_that_is_not_encoded_and_several_processes_are_refused(table: Path, tmp_path: Path) -> None:
    other = {"no_field": WIDTHS["user_id"]}
    recipe = Recipe.model_validate(BLOCK | {"encoder": BLOCK["encoder"] | {"widths": other}})
    with pytest.raises(TrainingError, match=r"cannot be built: encoder\.widths names 'no_field'"):
        replace(open_problem(TrainingTable.open(table), recipe)).ranker()
    with pytest.raises(ConfigError, match=r"cannot be fitted by 2 processes: encoder\.widths"):
        train(table, NamedRecipe("narrow", NARROW, training(processes=2)), tmp_path / "b", tmp_path / "s")
