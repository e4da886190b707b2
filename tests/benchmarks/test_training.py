"""Steps beside plain torch: both sides do the same work, and the guard's number stands where it is recorded."""

import os
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu import SCHEMA, batches
from benchmarks.parts.part import Options
from benchmarks.parts.turns import DWELL, Pace
from benchmarks.training import environment, guard, peers
from benchmarks.training.plain import BATCH, DENSE, EXPERTS, FORGETFUL, HIDDEN, RECIPE, StepOn, arms, schema_of
from benchmarks.training.rivals import RIVALS
from models.batch import Batch


@pytest.fixture(scope="module")
def sides() -> tuple[Batch, dict[str, StepOn]]:
    torch.set_num_threads(1)
    rows, found = arms(schema_of(2_000), (DWELL, DENSE, FORGETFUL), BATCH)
    return next(batches(rows, BATCH)), found


def multiplied(sides: tuple[Batch, dict[str, StepOn]]) -> dict[str, int]:
    batch, taking = sides
    counted = {}
    for name, step in taking.items():
        with FlopCounterMode(display=False) as counter:
            step(batch)
        counted[name] = counter.get_total_flops()
    return counted


def test_every_side_multiplies_as_much_but_for_a_gradient_nobody_reads(
    sides: tuple[Batch, dict[str, StepOn]],
) -> None:
    counted, first_layers = multiplied(sides), EXPERTS * (HIDDEN[0] + len(RECIPE["tasks"]))
    of_dense_features = 2 * BATCH * SCHEMA.num_dense * first_layers
    assert counted[DENSE] == counted[FORGETFUL]
    assert counted[DWELL] == pytest.approx(counted[DENSE] - of_dense_features, rel=0.01)


def test_the_ratio_is_that_of_turns_taken_together() -> None:
    pace = Pace({DWELL: (100.0, 50.0, 300.0), DENSE: (50.0, 25.0, 100.0)})
    assert pace.ratio(DENSE) == 2.0


def test_the_interval_of_a_median_holds_it_in_95_of_100_turns() -> None:
    for turns, expected in ((3, (1.0, 3.0)), (6, (1.0, 6.0)), (9, (2.0, 8.0)), (15, (4.0, 12.0))):
        pace = Pace({DWELL: tuple(float(turn) for turn in range(turns, 0, -1)), DENSE: (1.0,) * turns})
        assert pace.interval(DENSE) == expected  # order statistics of the sign test


def test_peers_that_are_not_installed_are_not_measured_and_it_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = Options(tmp_path, (0,), tmp_path, quick=True)
    monkeypatch.delenv(environment.VARIABLE, raising=False)
    assert peers.run(options) == []
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path))
    assert peers.run(options) == []
    unnamed, empty = capsys.readouterr().err.splitlines()
    assert "names no environment" in unnamed
    assert f"{tmp_path} holds no bin/python" in empty and "python -m benchmarks.training.environment" in empty


@pytest.mark.slow
@pytest.mark.skipif(environment.VARIABLE not in os.environ, reason="the peers have an environment of their own")
@pytest.mark.parametrize("rival", RIVALS)
def test_a_peer_multiplies_as_much_as_plain_torch(rival: str, sides: tuple[Batch, dict[str, StepOn]]) -> None:
    python = environment.found()
    assert python is not None
    _, products = peers.contest(python, rival, ids=2_000, turns=1, steps=1, kernel=peers.NIGHTLY)
    counted = multiplied(sides)
    assert products == pytest.approx(counted[DENSE] / counted[DWELL], rel=0.02)


def test_a_regression_is_found_and_noise_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = guard.recorded()
    for share, status in ((1 / 1.25, 0), (1 / 1.35, 1)):
        pace = Pace({DWELL: (recorded * share,), DENSE: (1.0,)})
        monkeypatch.setattr(guard, "pace", lambda *_, pace=pace, **__: pace)
        assert guard.main() == status
    assert "training has become slower beside plain torch" in capsys.readouterr().err
