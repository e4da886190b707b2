"""What holds refreshes together over a reign: the anchor, the champion's age, and the floor of baselines."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.evaluate.comparison import Comparison
from tasks.evaluate.config import EvaluationConfig
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Decision
from tasks.gate.evidence import Against, Increment, Pooled, Reign, Step
from tasks.gate.gate import decide
from tasks.gate.inputs import GateInputs

POLICY, EVALUATION = GatePolicy(), EvaluationConfig()
Night = Callable[..., GateInputs]
Steps = Sequence[tuple[float, float]]


def by_reference(answers: Mapping[str, Comparison]) -> Any:
    """Return a comparison that answers by the name of the reference's table."""

    def compare(candidate: Sequence[Path], reference: Sequence[Path], **_: Any) -> Comparison:
        assert len(candidate) == len(reference)
        return answers[reference[-1].stem]

    return compare


def earlier(steps: Steps, against: Against, reference: str, recipe: str = "old") -> tuple[Increment, ...]:
    """Return the increments of the nights before this one, the latest last."""
    nights = [dt.date(2022, 5, 4) - dt.timedelta(days=len(steps) - i) for i in range(len(steps))]
    return tuple(
        Increment(
            night=night,
            recipe_hash=recipe,
            against=against,
            reference=reference,
            metrics={"xauc": Step(delta=delta, standard_error=error)},
        )
        for night, (delta, error) in zip(nights, steps, strict=True)
    )


def refreshed(
    make: Any, night: Night, table: Any, *, champion: Any, anchor: Any, reign: Reign
) -> tuple[Decision, list[str]]:
    """Decide on a refit of the champion's configuration; `champion`, `anchor`: the paired XAUC of this night."""
    answers = {name: make.comparison({"xauc": xauc}) for name, xauc in (("champion", champion), ("anchor", anchor))}
    inputs = replace(night(), anchor=table("anchor"), reign=reign)
    decision = decide(inputs, POLICY, EVALUATION, by_reference(answers))
    return decision, [check.name for check in decision.challengers[0].failed]


def aged(night: Night, days: int, increments: tuple[Increment, ...] = ()) -> GateInputs:
    """Return inputs with a champion that was fitted so many days ago and began its reign."""
    inputs = night()
    champion = inputs.tonight.champion
    assert champion is not None
    tonight = replace(inputs.tonight, champion=replace(champion, made=inputs.tonight.as_of - dt.timedelta(days=days)))
    return replace(inputs, tonight=tonight, reign=Reign(since=None, anchor="e0", increments=increments))


# ---- anchor


def test_a_refit_not_worse_than_the_champion_but_below_the_anchor_is_refused(
    make: Any, night: Night, table: Any
) -> None:
    reign = Reign(anchor="a0")
    decision, failed = refreshed(
        make, night, table, champion=make.paired("xauc", -0.001), anchor=make.paired("xauc", -0.0045), reign=reign
    )
    assert (decision.verdict, failed) == ("keep", ["anchor"])
    assert "-0.00450 against the reign's anchor over this night" in decision.reason
    kept = {(item.against, item.reference) for item in decision.challengers[0].increments}
    assert kept == {("champion", "e0"), ("anchor", "a0")}
    near, failed = refreshed(
        make, night, table, champion=make.paired("xauc", -0.001), anchor=make.paired("xauc", -0.003), reign=reign
    )
    assert (near.verdict, failed) == ("promote", [])


def test_the_anchor_is_held_over_the_last_week_of_nights(make: Any, night: Night, table: Any) -> None:
    """A night that is too noisy alone is read together with those before it, and only with the last six."""
    noisy = make.paired("xauc", -0.0005, 0.0018)
    alone, failed = refreshed(
        make, night, table, champion=noisy, anchor=make.paired("xauc", -0.0012, 0.0018), reign=Reign(anchor="a0")
    )
    assert failed == ["anchor"]
    long_ago = [(-0.5, 0.0018)] * 20
    reign = Reign(anchor="a0", increments=earlier([*long_ago, *[(-0.0012, 0.0018)] * 6], "anchor", "a0"))
    week, failed = refreshed(
        make, night, table, champion=noisy, anchor=make.paired("xauc", -0.0012, 0.0018), reign=reign
    )
    assert (alone.verdict, week.verdict, failed) == ("keep", "promote", [])


def test_sixty_small_losses_end_inside_one_margin(make: Any, night: Night, table: Any) -> None:
    """Each refit is .0005 worse than the champion it replaces; unanchored, all sixty would pass."""
    level, champion, accepted = 0.0, 0.0, 0
    for _ in range(60):
        level = champion - 0.0005
        decision, _failed = refreshed(
            make,
            night,
            table,
            champion=make.paired("xauc", level - champion),
            anchor=make.paired("xauc", level),
            reign=Reign(anchor="a0"),
        )
        if decision.verdict == "promote":
            champion, accepted = level, accepted + 1
    assert accepted == 6
    assert champion == pytest.approx(-0.003)


# ---- age


def test_a_small_log_says_how_many_nights_it_needs(make: Any, night: Night) -> None:
    answers = by_reference({"champion": make.comparison({"xauc": make.paired("xauc", 0.0, 0.007)})})
    decision = decide(aged(night, days=3), POLICY, EVALUATION, answers)
    assert decision.verdict == "keep"
    (warning,) = decision.challengers[0].warnings
    assert "about 19 nights would" in warning
    assert "gate.max_age (7 days)" in warning


@pytest.mark.parametrize(("deltas", "verdict"), [([0.0] * 8, "promote"), ([-0.012] * 8, "keep")])
def test_a_champion_beyond_its_age_is_judged_on_all_nights_since(
    make: Any, night: Night, deltas: list[float], verdict: str
) -> None:
    """No evidence of harm is enough then; evidence of harm is not."""
    increments = earlier([(delta, 0.009) for delta in deltas], "champion", "e0")
    tonight = by_reference({"champion": make.comparison({"xauc": make.paired("xauc", deltas[0], 0.009)})})
    inputs = aged(night, days=9, increments=increments)
    decision = decide(inputs, POLICY, EVALUATION, tonight)
    assert decision.verdict == verdict
    assert decision.champion_age == 9
    young = decide(aged(night, days=7, increments=increments), POLICY, EVALUATION, tonight)
    assert young.verdict == "keep"
    if verdict == "promote":
        assert (decision.kind, decision.challengers[0].rule) == ("refresh_by_age", "refresh_by_age")
        assert "replaces one that is 9 days old and shows no harm" in decision.reason
    else:
        assert [check.name for check in decision.challengers[0].failed] == ["xauc_by_age", "anchor"]
        assert "the champion old stays, 9 days old (gate.max_age is 7)" in decision.reason


def test_enough_nights_since_the_promotion_make_an_ordinary_refresh(make: Any, night: Night) -> None:
    increments = earlier([(0.0, 0.005)] * 9, "champion", "e0")
    tonight = by_reference({"champion": make.comparison({"xauc": make.paired("xauc", 0.0, 0.005)})})
    decision = decide(aged(night, days=10, increments=increments), POLICY, EVALUATION, tonight)
    assert (decision.verdict, decision.kind) == ("promote", "refresh")


def test_nights_needed_are_those_of_a_power_of_eighty_percent() -> None:
    for error, nights in ((0.0018, 2), (0.0033, 5), (0.007, 19), (0.0126, 62)):
        assert Pooled.of([Step(delta=0.0, standard_error=error)]).nights_for(0.004) == nights


# ---- floor


@pytest.mark.parametrize("rule", ["first", "refresh", "upgrade"])
def test_every_rule_owes_every_enabled_baseline(make: Any, night: Night, table: Any, rule: str) -> None:
    champion = None if rule == "first" else "old"
    inputs = night({"new": "old" if rule == "refresh" else "other"}, champion=champion)
    named = {"constant", "duration_table", "item_user_effects"}
    inputs = replace(inputs, baselines={name: table(name) for name in (*named, "lightgbm")})
    answers = {name: make.comparison({"xauc": make.paired("xauc", 0.05)}) for name in (*named, "champion")}
    answers["lightgbm"] = make.comparison({"xauc": make.paired("xauc", -0.003)})
    decision = decide(inputs, POLICY, EVALUATION, by_reference(answers))
    failed = [check for check in decision.challengers[0].failed if check.name != "days"]
    assert [check.name for check in failed] == ["reaches_lightgbm"]
    assert "against the baseline lightgbm over this night" in failed[0].reason
    for policy, holds in (("none", True), ("superior", False)):
        chosen = POLICY.model_copy(update={"baseline_floor": policy})
        verdict = decide(inputs, chosen, EVALUATION, by_reference(answers)).challengers[0]
        assert ("reaches_lightgbm" not in [check.name for check in verdict.failed]) is holds


def test_not_inferior_is_enough_unless_superior_is_asked_for(make: Any, night: Night, table: Any) -> None:
    inputs = replace(night(champion=None), baselines={"constant": table("constant"), "lightgbm": table("lightgbm")})
    answers = {
        "constant": make.comparison({"xauc": make.paired("xauc", 0.05)}),
        "lightgbm": make.comparison({"xauc": make.paired("xauc", 0.0)}),
    }
    policy = POLICY.model_copy(update={"trivial_baselines": ("constant",)})
    assert decide(inputs, policy, EVALUATION, by_reference(answers)).verdict == "promote"
    strict = policy.model_copy(update={"baseline_floor": "superior"})
    refused = decide(inputs, strict, EVALUATION, by_reference(answers))
    assert refused.verdict == "refuse"
    assert "must be above 0; gate.baseline_floor" in refused.reason


def test_the_floor_pools_the_nights_a_configuration_was_judged_on(make: Any, night: Night, table: Any) -> None:
    """One noisy night does not show that a baseline is reached, seven do, whoever was champion on them."""
    inputs = replace(night({"new": "other"}, champion=None), baselines={"constant": table("constant")})
    answers = by_reference({"constant": make.comparison({"xauc": make.paired("xauc", 0.0005, 0.0025)})})
    policy = POLICY.model_copy(update={"trivial_baselines": ()})
    assert decide(inputs, policy, EVALUATION, answers).verdict == "refuse"
    increments = earlier([(0.0005, 0.0025)] * 6, "baseline", "constant", recipe="other")
    pooled = replace(inputs, reign=Reign(increments=increments))
    assert decide(pooled, policy, EVALUATION, answers).verdict == "promote"
