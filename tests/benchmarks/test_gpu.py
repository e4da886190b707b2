"""The card's benchmark, run on the CPU; and its refusal where there is no card."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from models.recipe import Recipe
from tasks.train.config import TrainingConfig
from tasks.train.device import Device


def test_without_a_card_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path / "results")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: torch") and "sees no CUDA device" in said.err and said.out == ""
    assert not (tmp_path / "results").exists()


@pytest.fixture(autouse=True)
def few_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields of the benchmark with a thousandth of the users and videos."""
    sizes = tuple((name, max(size // 1000, 4)) for name, size in gpu.SCHEMA.fields)
    monkeypatch.setattr(gpu, "SCHEMA", gpu.SCHEMA.model_copy(update={"fields": sizes}))


@pytest.mark.slow
def test_the_same_steps_run_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "REPEATS", 1)
    asked = ["--device", "cpu", "--rows", "512", "--batch", "128", "256", "--steps", "2", "--out", str(tmp_path)]
    assert gpu.main(asked) == 0
    written = json.loads((tmp_path / "results.json").read_text())
    assert [of["batch"] for of in written["results"]] == [128, 256]
    for of in written["results"]:
        assert 0 < of["slowest"] <= of["samples_per_second"] <= of["fastest"]
        assert 0 < of["bandwidth_share"] < 1 and 0 < of["flops_share"] < 1, "a step beats no floor"
    assert capsys.readouterr().out.splitlines()[2].startswith("| 128 |")
    assert "| 256 |" in (tmp_path / "results.md").read_text()


def test_the_operations_of_a_step_are_those_of_its_layers() -> None:
    """One hidden layer and one output: forward 2 B K N each, backward as much for weights and for inputs that learn."""
    recipe = Recipe.model_validate(
        {"encoder": {"kind": "packed", "embedding_dim": 4}, "trunk": {"kind": "shared_bottom", "hidden": [8]},
         "tower": {"hidden": []}, "head": {"kind": "vr_mse"}}
    )  # fmt: skip
    rows = gpu.encoded_rows(256, (), "cpu")
    learned, dense = 4 * gpu.SCHEMA.num_fields, gpu.SCHEMA.num_dense
    expected = 2 * (3 * learned * 8 + 2 * dense * 8 + 3 * 8 * 1)
    assert gpu.flops_per_row(recipe, gpu.labels_of(rows), rows, TrainingConfig()) == expected


def test_the_least_bytes_of_a_step_are_counted_by_hand() -> None:
    recipe = Recipe.model_validate({"encoder": {"kind": "packed", "embedding_dim": 4}, "head": {"kind": "vr_mse"}})
    rows = gpu.encoded_rows(256, (), "cpu")
    ranker = gpu.built(recipe, gpu.labels_of(rows), Device("cpu", bfloat16=False, compiled=False))
    batch = rows.batch(0, 2)
    assert batch.history is not None
    ids = {int(i) for part in (batch.ids_BF, *batch.history.fields.values()) for i in part.flatten()}
    dense = sum(parameter.numel() for parameter in ranker.parameters()) - ranker.schema.num_rows * 4
    fields, features, events = gpu.SCHEMA.num_fields, gpu.SCHEMA.num_dense, gpu.SCHEMA.history_length
    # int64 ids and codes, one byte a mask; four float32 and one byte of a row.
    of_row = 8 * fields + 4 * features + events * (8 * (len(gpu.SCHEMA.history_fields) + 3) + 1) + 3 * 4 + 1
    assert gpu.least_bytes(batch, ranker) == 2 * of_row + 4 * (9 * 4 * len(ids) + 10 * dense)
    assert torch.equal(batch.observed_B, torch.ones(2))
