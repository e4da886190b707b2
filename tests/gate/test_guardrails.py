"""Each guardrail alone turns a refresh down; at its limit it does not."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from tasks.evaluate.config import EvaluationConfig
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Decision
from tasks.gate.gate import decide
from tasks.gate.inputs import GateInputs

EVALUATION = EvaluationConfig()


@pytest.fixture
def refresh(make: Any, night: Callable[..., GateInputs]) -> Callable[..., Decision]:
    """Return a function that decides on a refresh whose comparison differs from "nothing differs" as named."""

    def run(metrics: dict[str, tuple[float, float]] | None = None, **changes: Any) -> Decision:
        differing = {name: make.paired(name, *values) for name, values in (metrics or {}).items()}
        answers = {"new": make.comparison(differing, **changes)}
        return decide(night(), GatePolicy(), EVALUATION, make.scripted(answers, {}))

    return run


def failed(decision: Decision) -> list[str]:
    return [check.name for check in decision.challengers[0].failed]


def test_nothing_differs_passes(refresh: Callable[..., Decision]) -> None:
    decision = refresh()
    assert decision.verdict == "promote"
    assert decision.kind == "refresh"
    assert decision.winner == "new"


@pytest.mark.parametrize(
    ("name", "harmful", "just_allowed"),
    [
        ("rmse_ratio", (0.009, 0.001), (0.0083, 0.001)),  # upper bound .0106 and .0099 against .01
        ("mae", (0.2, 0.07), (0.2, 0.06)),  # .315 and .299 against .3
        ("xgauc", (-0.0037, 0.001), (-0.0036, 0.001)),  # -.00206 and -.00196 against -.002
        ("gauc_long_view", (-0.0037, 0.001), (-0.0036, 0.001)),
        ("auc_skip", (-0.0037, 0.001), (-0.0036, 0.001)),
        ("xauc_new_user", (-0.0067, 0.001), (-0.0066, 0.001)),
        ("xauc_new_video", (-0.0067, 0.001), (-0.0066, 0.001)),
        ("auc_like", (-0.0117, 0.001), (-0.0116, 0.001)),
    ],
)
def test_each_relative_guardrail_alone(
    refresh: Callable[..., Decision], name: str, harmful: tuple[float, float], just_allowed: tuple[float, float]
) -> None:
    assert failed(refresh({name: harmful})) == [name]
    assert failed(refresh({name: just_allowed})) == []


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        *[(name, -0.02) for name in ("xgauc", "gauc_long_view", "auc_skip")],
        *[(name, -0.03) for name in ("xauc_new_user", "xauc_new_video")],
        ("auc_like", -0.05),
    ],
)
def test_hard_floor_holds_however_noisy_the_day(refresh: Callable[..., Decision], name: str, floor: float) -> None:
    assert failed(refresh({name: (floor, 0.1)})) == [name]
    assert failed(refresh({name: (floor + 0.0001, 0.1)})) == []


@pytest.mark.parametrize(("tre", "expected"), [(0.051, ["tre"]), (-0.051, ["tre"]), (-0.05, []), (math.nan, ["tre"])])
def test_total_calibration(make: Any, refresh: Callable[..., Decision], tre: float, expected: list[str]) -> None:
    assert failed(refresh(candidate_levels=make.levels | {"tre_signed": tre})) == expected


@pytest.mark.parametrize(
    ("dce", "champion", "expected"),
    [
        (0.20, 0.08, []),
        (0.21, 0.08, ["dce_max"]),
        (0.30, 0.25, []),
        (0.31, 0.25, ["dce_max"]),
        (math.nan, 0.1, ["dce_max"]),
    ],
)
def test_calibration_by_duration(
    make: Any, refresh: Callable[..., Decision], dce: float, champion: float, expected: list[str]
) -> None:
    levels = {
        f"{arm}_levels": make.levels | {"dce_max": value}
        for arm, value in (("candidate", dce), ("reference", champion))
    }
    assert failed(refresh(**levels)) == expected


@pytest.mark.parametrize(("positives", "expected"), [(100, ["auc_like"]), (99, [])])
def test_sparse_task_needs_positives(
    make: Any, night: Callable[..., GateInputs], positives: int, expected: list[str]
) -> None:
    like = make.paired("auc_like", -0.06, 0.001, positives=positives)
    answers = make.scripted({"new": make.comparison({"auc_like": like})}, {})
    assert failed(decide(night(), GatePolicy(), EVALUATION, answers)) == expected


def test_undefined_metric_is_no_harm_but_undefined_xauc_is(refresh: Callable[..., Decision]) -> None:
    decision = refresh({"xauc_new_user": (math.nan, math.nan)})
    assert failed(decision) == []
    statuses = {check.name: check.status for check in decision.challengers[0].checks}
    assert statuses["xauc_new_user"] == "not_applicable"
    assert failed(refresh({"xauc": (math.nan, math.nan)})) == ["xauc_margin", "anchor"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, None])
def test_predictions_that_are_not_finite(
    make: Any, night: Callable[..., GateInputs], table: Callable[..., Any], bad: float | None
) -> None:
    inputs = night()
    table("new", bad=[bad])
    decision = decide(inputs, GatePolicy(), EVALUATION, make.scripted({}, {}))
    assert failed(decision) == ["finite"]
    assert "watch_mean_s1 in 1 rows" in decision.reason


def test_challenger_that_lost_a_task(make: Any, night: Callable[..., GateInputs], table: Callable[..., Any]) -> None:
    inputs = night()
    table("new", tasks=("like",))
    decision = decide(inputs, GatePolicy(), EVALUATION, make.scripted({}, {}))
    assert failed(decision) == ["tasks"]
    assert "no longer predicts skip" in decision.reason


def test_warnings_are_recorded_and_decide_nothing(make: Any, refresh: Callable[..., Decision]) -> None:
    decision = refresh(scene_errors={"1": 0.05, "9": 0.4}, tied_share=0.02, score_psi=0.3)
    assert decision.verdict == "promote"
    said = " | ".join(decision.challengers[0].warnings)
    assert "PSI 0.30" in said
    assert "scene 9" in said
    assert "scene 1" not in said
    assert "tied" in said


@pytest.mark.parametrize("name", ["xauc", "auc_long_view"])
@pytest.mark.parametrize("exposure", ["random", "snips"])
def test_harm_under_uniform_exposure(refresh: Callable[..., Decision], exposure: str, name: str) -> None:
    metric = f"{exposure}_{name}"
    assert failed(refresh({metric: (-0.0117, 0.001)})) == [metric]  # upper bound -.01006 against -.01
    assert failed(refresh({metric: (-0.0116, 0.001)})) == []
    assert failed(refresh({metric: (-0.05, 0.1)})) == [metric]
    assert failed(refresh({metric: (-0.0499, 0.1)})) == []


def test_random_rows_decide_where_they_can_be_trusted(refresh: Callable[..., Decision]) -> None:
    """Reweighted rows are biased where noise is correlated: they are recorded, and decide only in want of better."""
    harmful, harmless = (-0.04, 0.001), (0.001, 0.001)
    decision = refresh({"random_xauc": harmless, "snips_xauc": harmful})
    assert failed(decision) == []
    assert decision.challengers[0].compared[0].delta("snips_xauc") is not None
    assert failed(refresh({"random_xauc": harmful, "snips_xauc": harmless})) == ["random_xauc"]
    assert failed(refresh({"random_xauc": (math.nan, math.nan), "snips_xauc": harmful})) == ["snips_xauc"]


def test_without_a_trusted_estimate_uniform_exposure_is_not_checked(refresh: Callable[..., Decision]) -> None:
    checks = {check.name: check for check in refresh().challengers[0].checks}
    assert checks["random_xauc"].status == checks["random_auc_long_view"].status == "not_applicable"
    assert "no trusted estimate" in checks["random_xauc"].reason
