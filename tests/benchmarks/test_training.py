"""Steps beside plain torch: both sides do the same work, and the guard's number stands where it is recorded."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu import batches
from benchmarks.training import guard
from benchmarks.training.plain import BATCH, DENSE, DWELL, FORGETFUL, Arm, Pace, arms, schema_of
from models.batch import Batch


@pytest.fixture(scope="module")
def sides() -> tuple[Batch, dict[str, Arm]]:
    torch.set_num_threads(1)
    rows, found = arms(schema_of(2_000), (DWELL, DENSE, FORGETFUL), BATCH)
    return next(batches(rows, BATCH)), found


def test_every_side_multiplies_as_much(sides: tuple[Batch, dict[str, Arm]]) -> None:
    batch, taking = sides
    counted = {}
    for name, step in taking.items():
        with FlopCounterMode(display=False) as counter:
            step(batch)
        counted[name] = counter.get_total_flops()
    assert counted[DENSE] == counted[FORGETFUL]
    assert counted[DWELL] == pytest.approx(counted[DENSE], rel=0.02)


def test_the_ratio_is_that_of_turns_taken_together() -> None:
    pace = Pace({DWELL: (100.0, 50.0, 300.0), DENSE: (50.0, 25.0, 100.0)})
    assert pace.ratio(DENSE) == 2.0


def test_a_regression_is_found_and_noise_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = guard.recorded()
    for share, status in ((1 / 1.25, 0), (1 / 1.35, 1)):
        pace = Pace({DWELL: (recorded * share,), DENSE: (1.0,)})
        monkeypatch.setattr(guard, "pace", lambda *_, pace=pace, **__: pace)
        assert guard.main() == status
    assert "training has become slower beside plain torch" in capsys.readouterr().err
