"""The gate's self-tests through the real comparison, on a world whose truth is known.

Source: docs/methods/metrics.md#self-tests.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.predictions import bound_metadata
from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Decision
from tasks.gate.evidence import Reign
from tasks.gate.gate import decide, gate
from tasks.gate.inputs import Contender, GateInputs, JudgeDay

POLICY, EVALUATION = GatePolicy(), EvaluationConfig(replicates=200)
AS_OF = dt.date(2022, 5, 4)
Model = Callable[..., Path]


def judged(candidate: Path, champion: Path, recipe: str = "old") -> Decision:
    day = JudgeDay(AS_OF, (Contender("new", recipe, candidate),), Contender("old", "old", champion, entry="e0"))
    return decide(GateInputs(day), POLICY, EVALUATION)


def failed(decision: Decision) -> set[str]:
    return {check.name for check in decision.challengers[0].failed}


def test_champion_against_itself_passes_as_refresh(model: Model) -> None:
    champion = model("champion")
    decision = judged(champion, champion)
    assert (decision.verdict, decision.kind) == ("promote", "refresh")
    xauc = decision.challengers[0].compared[0].delta("xauc")
    assert xauc is not None
    assert (xauc.value, xauc.standard_error) == (0.0, 0.0)


def last_night(tables: Sequence[tuple[Path, Path]], policy: GatePolicy) -> GateInputs:
    """Judge a challenger on one night after the other, each of which hands its increments on; return the last one's inputs."""
    days: list[JudgeDay] = []
    reign = Reign(since=AS_OF, anchor="e0")
    for number, (candidate, champion) in enumerate(tables):
        night = AS_OF + dt.timedelta(days=number)
        days.append(
            JudgeDay(night, (Contender("new", "new", candidate),), Contender("old", "old", champion, entry="e0"))
        )
        inputs = GateInputs(days[-1], evidence=tuple(days[:-1]), reign=reign)
        if number < len(tables) - 1:
            increments = decide(inputs, policy, EVALUATION).challengers[0].increments
            reign = reign.model_copy(update={"increments": (*reign.increments, *increments)})
    return inputs


@pytest.mark.slow
def test_champion_against_itself_is_refused_as_upgrade(model: Model) -> None:
    tables = [model("champion", day=day, seeds=(0, 1, 2)) for day in range(2)]
    policy = POLICY.model_copy(update={"upgrade_days": 2})
    decision = decide(last_night([(path, path) for path in tables], policy), policy, EVALUATION)
    assert failed(decision) == {"superior"}


def test_another_fit_of_equal_quality_passes(model: Model) -> None:
    assert judged(model("refit"), model("champion")).verdict == "promote"


@pytest.mark.slow
def test_better_recipe_is_an_upgrade_and_the_reverse_is_not(model: Model) -> None:
    tables = [(model("good", 0.2, day, (0, 1, 2)), model("poor", 0.9, day, (0, 1, 2))) for day in range(3)]
    policy = POLICY.model_copy(update={"upgrade_days": 3})
    inputs = last_night(tables, policy)
    decision = decide(inputs, policy, EVALUATION)
    assert (decision.winner, decision.kind) == ("new", "upgrade")
    assert decision.challengers[0].compared[1].rows == 3 * 7_500
    reversal = decide(inputs.swapped("new"), policy, EVALUATION)
    assert reversal.verdict == "keep"
    assert {"superior", "xauc_margin", "xgauc_margin"} <= failed(reversal)


def test_noise_of_one_standard_deviation_is_refused(model: Model) -> None:
    def noisy(outputs: dict[str, Any], rng: Any) -> dict[str, Any]:
        score = outputs["score"]
        return outputs | {"score": score + score.std() * rng.normal(0, 1, len(score))}

    assert "xauc_margin" in failed(judged(model("noisy", change=noisy), model("champion")))


def test_calibrated_mean_as_score_is_refused_on_xauc(model: Model) -> None:
    def mean_as_score(outputs: dict[str, Any], _rng: Any) -> dict[str, Any]:
        return outputs | {"score": outputs["watch_mean"]}

    decision = judged(model("champion", change=mean_as_score), model("champion-true"))
    assert "xauc_margin" in failed(decision)
    assert not {"rmse_ratio", "tre", "mae"} & failed(decision)


def test_harm_that_only_random_exposure_shows_is_refused(model: Model, tmp_path: Path) -> None:
    """A score that is noise on videos at large, and as good as ever on what the product shows."""
    tables = []
    for name, harmed in (("refit", True), ("champion", False)):
        frame = pl.read_parquet(model(name))
        at_random = pl.int_range(pl.len()) % 10 == 0
        noise = pl.Series(range(frame.height)).shuffle(seed=3) / frame.height
        score = pl.when(at_random & harmed).then(noise).otherwise("score_s0")
        policy = pl.when(at_random).then(pl.lit("random")).otherwise("policy")
        tables.append(tmp_path / f"{name}.parquet")
        frame.with_columns(score_s0=score, policy=policy).write_parquet(tables[-1])
    decision = judged(*tables)
    assert failed(decision) == {"random_xauc"}
    assert judged(tables[1], tables[1]).verdict == "promote"


def test_swapped_mean_and_median_are_refused(model: Model) -> None:
    def swapped(outputs: dict[str, Any], _rng: Any) -> dict[str, Any]:
        return outputs | {"watch_mean": outputs["watch_median"], "watch_median": outputs["watch_mean"]}

    assert {"rmse_ratio", "tre"} & failed(judged(model("swapped", change=swapped), model("champion")))


def test_shuffled_labels_show_no_skill(model: Model, tmp_path: Path) -> None:
    def constant(outputs: dict[str, Any], _rng: Any) -> dict[str, Any]:
        return outputs | {"score": outputs["score"] * 0}

    shuffled = []
    for name, path in (("real", model("champion")), ("constant", model("constant", change=constant))):
        frame = pl.read_parquet(path)
        order = pl.Series(range(frame.height)).shuffle(seed=5)
        shuffled.append(tmp_path / f"{name}.parquet")
        labels = frame["y_s"].gather(order)  # of other rows, so some lie beyond the duration
        frame.with_columns(y_s=labels).write_parquet(shuffled[-1], metadata=bound_metadata(False))
    xauc = compare([shuffled[0]], [shuffled[1]], EVALUATION).metrics["xauc"]
    assert xauc.reference == pytest.approx(0.5)
    assert abs(xauc.candidate - 0.5) < 3 * xauc.standard_error


def test_decision_is_a_pure_function(model: Model, tmp_path: Path) -> None:
    day = JudgeDay(AS_OF, (Contender("new", "old", model("refit")),), Contender("old", "old", model("champion")))
    results = [gate(GateInputs(day), POLICY, EVALUATION, tmp_path / name) for name in ("a", "b")]
    assert results[0].decision.read_bytes() == results[1].decision.read_bytes()
    assert results[0].reason == results[1].reason
