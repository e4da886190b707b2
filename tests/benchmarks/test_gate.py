"""The simulated lives of the gate: running sums against the product, banked comparisons against real ones, and one promise."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gate import bank, refreshes
from benchmarks.gate.__main__ import PARTS, main
from benchmarks.gate.bank import EVALUATION, NOISE, changed, pooled, reversed_comparison
from benchmarks.gate.former import superior_by_pool
from benchmarks.gate.lives import YEAR, Banks, draw
from benchmarks.gate.paths import Increments, autocorrelation_path, closed, superior, variance_path
from benchmarks.gate.promotions import Cell, Settings, by_night, first_promotions, over_worlds
from benchmarks.gate.refreshes import Refits
from benchmarks.gate.verdicts import evidence_of, upgraded
from benchmarks.gate.world import BASE, NightLog
from tasks.evaluate.compare import compare
from tasks.gate.config import GatePolicy
from tasks.gate.evidence_process import autocorrelation, rejected, variance_of_sum

POLICY = GatePolicy()
S = np.array([0.0018, 0.005])


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Banks:
    """Return a bank of one night and six equal models."""
    return Banks(tmp_path_factory.mktemp("bank"), nights=1, equal=6)


def increments(worlds: int, challengers: int, nights: int, seed: int, gain: float = 0.0) -> Increments:
    """Return worlds whose differences last from night to night, the first challenger better by `gain`."""
    rng = np.random.default_rng(seed)
    delta = rng.normal(0, S[:, None], (worlds, challengers, 2, nights))
    delta[..., 1:] += 0.3 * delta[..., :-1]
    delta[:, 0] += gain
    return Increments(delta, S[:, None] * rng.uniform(0.9, 1.1, delta.shape))


# ---- running sums against the product


def test_variance_and_autocorrelation_are_those_of_every_prefix() -> None:
    delta, error = (array[0, 0] for array in increments(1, 1, 60, seed=1))
    variances, correlations = variance_path(delta, error), autocorrelation_path(delta)
    for metric in range(2):
        for nights in range(1, 61):
            prefix = delta[metric, :nights], error[metric, :nights]
            assert variances[metric, nights - 1] == pytest.approx(variance_of_sum(*prefix).value, rel=1e-9)
            assert correlations[metric, nights - 1] == pytest.approx(autocorrelation(prefix[0]), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_closed_testing_is_that_of_the_gate(seed: int) -> None:
    values = np.exp(np.random.default_rng(seed).normal(3, 2, (1, 40, 6)))
    found = closed(values, 0.04)
    for night in range(40):
        named = rejected({str(k): float(values[0, night, k]) for k in range(6)}, 0.04)
        assert {str(k) for k in np.flatnonzero(found[0, night])} == named
    assert 0 < found.sum() < found.size


@pytest.mark.parametrize(
    ("challengers", "gain", "policy"),
    [(1, 0.0015, POLICY), (4, 0.002, POLICY), (3, 0.003, GatePolicy(upgrade_days=10, autocorrelation_limit=0.1))],
)
def test_running_sums_call_better_whom_weigh_calls_better(challengers: int, gain: float, policy: GatePolicy) -> None:
    nights = increments(6, challengers, 45, seed=challengers, gain=gain)
    found = superior(nights, policy)
    for world in range(6):
        for night in range(4, 45, 4):
            product = [upgraded(one, policy) for one in evidence_of(nights, world, night, policy)]
            assert found[world, night].tolist() == product, (world, night)
    assert found.any()
    assert not found.all()


def test_the_former_rule_is_holm_over_a_pool_of_seven_nights() -> None:
    nights = increments(3, 2, 12, seed=4, gain=0.001)
    found = superior_by_pool(nights, POLICY)
    assert not found[:, :6].any()
    for world, night, challenger in ((w, n, k) for w in range(3) for n in range(6, 12) for k in range(2)):
        week = slice(night - 6, night + 1)
        mean = nights.delta_WKTN[world, challenger, :, week].mean(axis=-1)
        error = np.sqrt((nights.error_WKTN[world, challenger, :, week] ** 2).sum(axis=-1)) / 7
        p_values = [0.5 * math.erfc(z / math.sqrt(2)) for z in mean / error]
        kept = (mean - POLICY.bound_z * error >= [-POLICY.pooled_xauc_margin, -POLICY.pooled_xgauc_margin]).all()
        assert found[world, night, challenger] == (2 * min(p_values) <= 0.05 and kept)
    assert found.any()


# ---- the bank against real comparisons


@pytest.mark.slow
def test_a_reversed_comparison_is_the_one_of_exchanged_tables(tmp_path: Path) -> None:
    log = NightLog.draw(200)
    one, other = (log.write_model(tmp_path / f"{i}.parquet", NOISE, (200, i)) for i in range(2))
    there, back = compare([one], [other], EVALUATION), compare([other], [one], EVALUATION)
    assert (there.rows, there.users) == (5_250, 2_100)
    found = reversed_comparison(there)
    assert found.candidate_levels == back.candidate_levels
    for name, metric in back.metrics.items():
        assert found.metrics[name].value == pytest.approx(metric.value, abs=1e-12)
        assert found.metrics[name].standard_error == pytest.approx(metric.standard_error, rel=1e-2)
    better = changed(there, 0.001, scale=2)
    assert better.metrics["xauc"].value == pytest.approx(2 * there.metrics["xauc"].value + 0.001)
    assert better.metrics["mae"] == there.metrics["mae"]


@pytest.mark.slow
def test_a_week_pooled_from_single_nights_is_near_the_comparison_of_its_rows(tmp_path: Path) -> None:
    """Users overlap between nights; the rows of one user on two nights are nearly independent, as fits are made anew."""
    sides: tuple[list[Path], list[Path]] = ([], [])
    for number in range(300, 307):
        log = NightLog.draw(number)
        for side, tables in enumerate(sides):
            tables.append(log.write_model(tmp_path / f"{number}-{side}.parquet", NOISE, (number, side)))
    nights = [compare([one], [other], EVALUATION) for one, other in zip(*sides, strict=True)]
    near, real = pooled(nights), compare(*sides, EVALUATION)
    assert nights[0].users < real.users <= BASE
    for name in ("xauc", "xgauc", "mae", "auc_skip"):
        assert near.metrics[name].standard_error == pytest.approx(real.metrics[name].standard_error, rel=0.15)
        assert abs(near.metrics[name].value - real.metrics[name].value) < real.metrics[name].standard_error


@pytest.mark.slow
def test_better_models_have_their_gain_and_equal_ones_none(banks: Banks) -> None:
    found = banks.of("none")
    for gain in bank.GAINS:
        model = found.better(gain)
        mean = found.deltas[:, model, :6].mean(axis=(0, 1))
        assert mean == pytest.approx([gain, gain * bank.XGAUC_PER_XAUC])
    assert found.deltas[:, :6, :6].sum(axis=(1, 2)) == pytest.approx(0)
    assert found.typical_errors == pytest.approx([0.0018, 0.005], rel=0.1)


# ---- promises


@pytest.mark.slow
def test_equal_challengers_are_seldom_promoted_in_a_year(banks: Banks) -> None:
    settings = Settings(banks, worlds=200)
    cells = [Cell(5), Cell(5, rule="former")]
    now, before = over_worlds(first_promotions, cells, settings)
    assert np.mean(by_night(now, YEAR)) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert np.mean(by_night(before, 60)) > 0.7


@pytest.mark.slow
def test_a_better_challenger_is_promoted_and_worlds_are_the_same_ones_each_time(banks: Banks) -> None:
    (found,) = over_worlds(first_promotions, [Cell(5, gain=0.003)], Settings(banks, worlds=20))
    assert np.mean([one is not None and one.challenger == 0 and one.night <= 60 for one in found]) > 0.9
    assert found == over_worlds(first_promotions, [Cell(5, gain=0.003)], Settings(banks, worlds=20))[0]


@pytest.mark.slow
def test_small_losses_end_near_one_margin(banks: Banks) -> None:
    settings = Settings(banks, worlds=3)
    cells = [Refits(-0.0005), Refits(-0.0005, "former")]
    now, before = over_worlds(refreshes.refreshed, cells, settings)
    assert all(one.level_N[-1] > -2 * POLICY.anchor_margin for one in now)
    assert all(one.level_N[-1] < -0.03 for one in before)


@pytest.mark.slow
def test_days_that_last_are_added_with_the_size_of_a_standard_error(banks: Banks) -> None:
    plain, lasting = (
        draw(banks, days, 40, 2, np.random.default_rng(6)).increments.delta_WKTN for days in ("none", "ar6")
    )
    added = lasting - plain
    assert added.std(axis=(0, 1, 3)) == pytest.approx(banks.of("none").typical_errors, rel=0.1)
    following = np.corrcoef(added[..., 1:].ravel(), added[..., :-1].ravel())[0, 1]
    assert following == pytest.approx(0.6, abs=0.1)


# ---- the command


@pytest.mark.slow
def test_a_quick_run_goes_through_every_part(banks: Banks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--processes", "1", "--scratch", str(banks.folder), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert all(f"{name}: " in said for name in PARTS)
    assert not list(tmp_path.glob("*.md"))


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["unknown"])
    assert "false_promotions" in capsys.readouterr().err
