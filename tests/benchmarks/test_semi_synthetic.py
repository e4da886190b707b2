"""The semi-synthetic part runs, hides what it must, and its fit loop learns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.debias.exposed_log import World, expose, read_world
from benchmarks.debias.in_memory import Rows, fit, scores
from benchmarks.debias.semi_synthetic import METHODS, QUICK_ROWS, REGIMES, estimated_propensity, run, winners
from benchmarks.parts.part import Options
from models.recipe import Recipe
from models.schema import InputSchema
from tasks.evaluate.metrics.pairwise import xauc
from tasks.train.config import TrainingConfig


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def world(shared_data: Callable[[str], Path]) -> World:
    return read_world(shared_data("KuaiRand-Pure"), 40_000)


@pytest.mark.slow
def test_the_estimated_propensity_is_near_the_true_one(world: World) -> None:
    exposure = expose(world, REGIMES[0], seed=0)
    estimated = estimated_propensity(exposure, seed=0)
    assert np.corrcoef(estimated, exposure.propensity)[0, 1] > 0.97
    assert np.abs(estimated - exposure.propensity).mean() < 0.04


def test_hidden_outcomes_cannot_leak(world: World) -> None:
    observed = np.arange(len(world)) % 3 == 0
    schema = InputSchema(fields=(("user_id", int(world.fields["user_id"].max()) + 1),))
    rows = Rows.of(world.fields, schema, world.watch_s, world.duration_s, observed, np.full(len(world), 0.3))
    assert (rows.watch_B[~torch.from_numpy(observed)] == 0).all()
    np.testing.assert_allclose(rows.watch_B[torch.from_numpy(observed)].numpy(), world.watch_s[observed], rtol=1e-6)


def test_the_loop_learns_what_an_item_is_worth() -> None:
    draw = np.random.default_rng(0)
    item = draw.integers(0, 20, 6_000)
    watch_s = np.exp(0.1 * item + draw.normal(0, 0.3, 6_000))
    schema = InputSchema(fields=(("video_id", 20),))
    parts = [
        Rows.of({"video_id": item[i]}, schema, watch_s[i], np.full(3_000, 60.0), np.ones(3_000, bool), np.ones(3_000))
        for i in (slice(3_000), slice(3_000, 6_000))
    ]
    recipe = Recipe.model_validate({"head": {"kind": "tr_log"}})
    training = TrainingConfig(batch_size=256, learning_rate=1e-2, max_epochs=4)
    rankers = [fit(recipe, schema, *parts, training, seed=3) for _ in range(2)]
    found = [scores(ranker, parts[1]) for ranker in rankers]
    assert xauc(watch_s[3_000:], found[0]).value > 0.9
    np.testing.assert_array_equal(*found)


@pytest.mark.slow
def test_the_quick_variant_runs(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    data = shared_data("KuaiRand-Pure").parent
    summary, *tables = run(Options(data, seeds=(0,), scratch=tmp_path, quick=True))
    assert [row[0] for row in summary.rows] == ["known causes, mild", "hidden cause, no exclusion"]
    for table in tables:
        assert [row[0] for row in table.rows] == [method.name for method in METHODS]
        assert all(len(row) == len(table.columns) for row in table.rows)
        (description,) = table.numbers["exposure"]
        assert 0.2 < description["exposed"] < 0.4
        assert QUICK_ROWS / 2 < len(read_world(data / "KuaiRand-Pure", QUICK_ROWS)) < 2 * QUICK_ROWS


def test_better_is_what_chance_does_not_do() -> None:
    """A gain in every draw is named, one that varies is not; what is hidden from no one is no rival."""
    draw = np.random.default_rng(0)
    noise = {method.name: draw.normal(0, 0.001, 5) for method in METHODS}
    gain = noise | {"DR, true p": noise["DR, true p"] + 0.01, "all rows (unattainable)": np.full(5, 0.02)}
    assert winners(gain, 4).split(" +")[0] == "DR, true p"
    assert ";" not in winners(gain, 4)
    assert winners(noise, 4) == "none"
