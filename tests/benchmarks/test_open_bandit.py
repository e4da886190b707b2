"""The Open Bandit part on the real logs: the reference figures of docs/methods/debias.md#off-policy-evaluation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.debias.open_bandit import BanditLog, read_logs, run, seen_from, share_target, uniform_target
from benchmarks.parts.part import Options
from tasks.core.errors import SourceError
from tasks.evaluate.policy_value import PolicyLog, PolicyValueConfig, estimate_value
from tasks.evaluate.policy_value.reward_models import action_means

Logs = tuple[BanditLog, BanditLog]
FAST = PolicyValueConfig(replicates=400)


@pytest.fixture(scope="module")
def logs(shared_data: Callable[[str], Path]) -> Logs:
    return read_logs(shared_data("open_bandit"))


def percent(log: PolicyLog, name: str, **changes: object) -> list[float]:
    found = estimate_value(log, FAST.model_copy(update=changes), (name,))[0]
    return [100 * found.value, 100 * found.low, 100 * found.high]


def seen(log: BanditLog, target: np.ndarray) -> PolicyLog:
    return seen_from(log, target, action_means(34, 500), FAST)


def test_on_policy_values(logs: Logs) -> None:
    assert percent(logs[0].on_policy, "ips") == pytest.approx([0.460, 0.33, 0.60], abs=0.02)
    assert percent(logs[1].on_policy, "ips") == pytest.approx([0.690, 0.53, 0.85], abs=0.02)


def test_uniform_policy_from_the_bts_log(logs: Logs) -> None:
    log = seen(logs[1], uniform_target(logs[1]))
    np.testing.assert_allclose(log.weight_B, 1 / (34 * logs[1].propensity_B))
    values = {value.estimator: value for value in estimate_value(log, FAST, ("ips", "snips"))}
    assert 100 * values["ips"].value == pytest.approx(0.301, abs=0.0005)
    assert 100 * values["snips"].value == pytest.approx(0.319, abs=0.0005)
    assert [100 * values["snips"].low, 100 * values["snips"].high] == pytest.approx([0.18, 0.49], abs=0.025)
    used = values["ips"].diagnostics
    assert (used.mean_weight, used.max_weight) == pytest.approx((0.943, 178), rel=0.002)
    assert (round(used.effective_rows), used.rows, used.positives) == (656, 10_000, 69)


def test_uniform_policy_from_the_bts_log_clipped(logs: Logs) -> None:
    log = seen(logs[1], uniform_target(logs[1]))
    config = FAST.model_copy(update={"clips": (10.0,)})
    values = {value.estimator: value for value in estimate_value(log, config, ("ips_clipped", "snips_clipped"))}
    assert 100 * values["ips_clipped"].value == pytest.approx(0.301, abs=0.0005)
    assert 100 * values["snips_clipped"].value == pytest.approx(0.383, abs=0.0005)
    used = values["snips_clipped"].diagnostics
    assert (used.mean_weight, used.max_weight) == pytest.approx((0.785, 10), abs=0.0005)
    assert round(used.effective_rows) == 1844


def test_bts_from_the_uniform_log(logs: Logs) -> None:
    log = seen(logs[0], share_target(logs[0], logs[1]))
    values = {value.estimator: value for value in estimate_value(log, FAST, ("ips", "snips"))}
    assert 100 * values["ips"].value == pytest.approx(0.566, abs=0.0005)
    assert 100 * values["snips"].value == pytest.approx(0.574, abs=0.0005)
    used = values["ips"].diagnostics
    assert (used.mean_weight, used.max_weight) == pytest.approx((0.985, 7.5), abs=0.03)
    assert round(used.effective_rows) == 2869


@pytest.mark.slow
def test_the_part_shows_every_estimator_in_both_directions_and_what_clicks_can_show(
    shared_data: Callable[[str], Path], tmp_path: Path
) -> None:
    shared_data("open_bandit")
    root = shared_data(".")
    tables = run(Options(root, (0,), tmp_path, quick=True))
    assert [table.title for table in tables] == [
        "Open Bandit, men: clicks per row on-policy",
        "Open Bandit, men: uniform policy from the BTS log",
        "Open Bandit, men: BTS from the uniform log",
    ]
    for table in tables[1:]:
        labels = {row[0] for row in table.rows}
        assert {"IPS", "SNIPS", "SNIPS, clipped at 10", "DM, ridge", "DR, ridge", "DRos, item means"} <= labels
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert any("not which is best" in note for note in table.notes)
    dr = tables[1].numbers["DR, ridge"]
    assert dr["error"]["low"] < dr["error"]["value"] < dr["error"]["high"]


def test_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"random/men/men\.csv does not exist"):
        read_logs(tmp_path)
