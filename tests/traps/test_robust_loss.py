"""A robust loss read as a mean (docs/methods/metrics.md#traps): what it says is too little, and the guard sees that."""

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from models.calibration.mean import MeanCalibrator
from models.calibration.rows import CalibrationRows, CalibratorConfig
from models.heads.base import TrainLabels
from models.heads.robust_regression import VrPseudoHuber, VrPseudoHuberConfig
from tasks.evaluate.metrics import calibration, point
from tasks.evaluate.metrics.groups import Groups
from tasks.gate.config import GatePolicy
from tasks.gate.guardrails import level_checks
from tests.gate.conftest import LEVELS, comparison
from tests.traps.twins import tells_apart

ROWS = 20_000
WATCH_S = stats.lognorm(s=1, scale=np.exp(2.5)).ppf((np.arange(ROWS) + 0.5) / ROWS)
DURATION_S = np.full(ROWS, WATCH_S.max() + 1)
BEND_S = 10.0


def best_constant() -> float:
    """Return the seconds at which the product's pseudo-Huber loss of all rows is least."""
    config = VrPseudoHuberConfig(bend_s=BEND_S)
    head = VrPseudoHuber(config, VrPseudoHuber.fit_state(config, TrainLabels(WATCH_S, DURATION_S)))
    target_B = torch.from_numpy(WATCH_S) / 20

    def loss(seconds: float) -> float:
        return head.row_loss(torch.tensor(seconds / 20).double(), target_B).mean().item()

    return float(optimize.minimize_scalar(loss, bounds=(5, 40), method="bounded").x)


def test_trap_9_the_guard_refuses_a_robust_loss_as_a_mean_and_takes_it_calibrated() -> None:
    constant_s = best_constant()
    assert constant_s == pytest.approx(14.1, abs=0.2)
    assert WATCH_S.mean() == pytest.approx(20.1, abs=0.1)
    users = Groups(np.arange(ROWS), ROWS)
    predicted_B = np.full(ROWS, constant_s)
    fitting = np.arange(ROWS) % 2 == 0
    day = CalibrationRows(predicted_B[fitting], WATCH_S[fitting], DURATION_S[fitting], users.code_B[fitting])
    calibrator = MeanCalibrator.fit(day, np.empty(0), "2024-03-01", CalibratorConfig(variant="global"))
    judged = ~fitting
    one = Groups(np.zeros(judged.sum(), np.int64), 1)
    units = users.subset(np.flatnonzero(judged))

    def check(seconds_B: np.ndarray) -> None:
        levels = LEVELS | {
            "tre_signed": point.tre_signed(WATCH_S[judged], seconds_B, units).value,
            "dce_max": calibration.dce_max(WATCH_S[judged], seconds_B, one, units).value,
        }
        found = level_checks(comparison(candidate_levels=levels), GatePolicy(), against_champion=False)
        assert [of.name for of in found if of.status == "failed"] == []

    tells_apart(check, calibrator.apply(predicted_B[judged], DURATION_S[judged]), predicted_B[judged])


def test_trap_9_a_robust_head_offers_no_mean() -> None:
    config = VrPseudoHuberConfig(bend_s=BEND_S)

    class ReadAsAMean(VrPseudoHuber):
        """Answers with what it has: something between the median and the mean."""

        def decode_mean(self, out_BO: torch.Tensor, duration_B: torch.Tensor) -> torch.Tensor:
            return self.decode_median(out_BO, duration_B)

    def check(kind: type[VrPseudoHuber]) -> None:
        head = kind(config, kind.fit_state(config, TrainLabels(WATCH_S, DURATION_S)))
        assert head.decode_mean(torch.zeros(2, 1), torch.ones(2)) is None

    tells_apart(check, VrPseudoHuber, ReadAsAMean)
