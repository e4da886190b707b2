"""First champion, refresh and upgrade: what each asks for, and what decides between several that pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tasks.core.errors import ConfigError, ContractError
from tasks.evaluate.config import EvaluationConfig
from tasks.gate.config import GatePolicy
from tasks.gate.decision import Decision, Retired, headline, load_decision, write_decision
from tasks.gate.evidence import Step
from tasks.gate.gate import decide
from tasks.gate.inputs import GateInputs, configuration_hash
from tasks.gate.tables import pool

POLICY, EVALUATION = GatePolicy(), EvaluationConfig()
Night = Callable[..., GateInputs]


def failed(decision: Decision, name: str = "new") -> list[str]:
    return [check.name for check in decision.challenger(name).failed]


# ---- first champion


def better(make: Any, delta: float = 0.05, **changes: Any) -> Any:
    return make.comparison({"xauc": make.paired("xauc", delta, 0.002)}, **changes)


def test_first_night_says_so_and_promotes(make: Any, night: Night) -> None:
    decision = decide(night(champion=None), POLICY, EVALUATION, make.scripted({"new": better(make)}, {}))
    assert (decision.verdict, decision.kind, decision.winner) == ("promote", "first", "new")
    assert decision.champion is None
    assert "no champion yet" in decision.reason
    assert [compared.reference for compared in decision.challengers[0].compared] == list(POLICY.trivial_baselines)


def test_first_night_refuses_without_interval_above_every_baseline(make: Any, night: Night) -> None:
    decision = decide(night(champion=None), POLICY, EVALUATION, make.scripted({"new": better(make, 0.003)}, {}))
    assert (decision.verdict, decision.kind, decision.winner) == ("refuse", None, None)
    assert failed(decision) == [f"beats_{name}" for name in POLICY.trivial_baselines]
    assert "no challenger was good enough" in decision.reason


@pytest.mark.parametrize(("delta", "verdict"), [(0.05, "promote"), (0.003, "refuse")])
def test_a_champion_that_cannot_be_scored_leaves_the_rule_of_a_first_one(
    make: Any, night: Night, delta: float, verdict: str
) -> None:
    retired = Retired(entry="feedfacefeedface", lacks=("{x}", *"abcdefg"))
    inputs = replace(night(champion=None), retired=retired)
    decision = decide(inputs, POLICY, EVALUATION, make.scripted({"new": better(make, delta)}, {}))
    assert (decision.verdict, decision.champion, decision.pinned) == (verdict, None, "feedfacefeedface")
    assert decision.retired == retired == Decision.model_validate(decision.as_json()).retired
    assert decision.reason.startswith(
        "the champion feedfacefeedface is retired: it was trained with {x}, a, b, c, d and 3 more columns, which"
    )


def test_first_night_absolute_guardrails(make: Any, night: Night) -> None:
    levels = make.levels
    answer = better(make, candidate_levels=levels | {"dce_max": 0.21}, reference_levels=levels | {"dce_max": 0.9})
    decision = decide(night(champion=None), POLICY, EVALUATION, make.scripted({"new": answer}, {}))
    assert failed(decision) == ["dce_max"]  # a bad baseline does not loosen the limit


def test_first_night_needs_every_trivial_baseline(make: Any, night: Night) -> None:
    inputs = night(champion=None)
    inputs = replace(inputs, baselines={k: v for k, v in inputs.baselines.items() if k != "constant"})
    decision = decide(inputs, POLICY, EVALUATION, make.scripted({"new": better(make)}, {}))
    assert failed(decision) == ["beats_constant"]
    assert "baselines.enabled" in decision.reason


def test_first_night_takes_the_best_on_the_validation_day_not_on_the_judge_day(make: Any, night: Night) -> None:
    inputs = night({"a": "ra", "b": "rb", "c": "rc"}, champion=None)
    scores = {"a": 0.61, "b": 0.62, "c": 0.62}
    contenders = tuple(replace(c, validation_xauc=scores[c.name]) for c in inputs.tonight.challengers)
    inputs = replace(inputs, tonight=replace(inputs.tonight, challengers=contenders))
    answers = {"a": better(make, 0.09), "b": better(make, 0.04), "c": better(make, 0.08)}
    decision = decide(inputs, POLICY, EVALUATION, make.scripted(answers, {}))
    assert decision.winner == "b"  # c ties with it and stands later in params.yaml
    assert "a, c passed too" in decision.reason


# ---- data


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ({"rows": 4_999}, "rows", "rows: needs 5000, has 4999"),
        ({"users": 1_999}, "users", "users: needs 2000, has 1999"),
    ],
)
def test_too_little_data_keeps_the_champion(
    make: Any, night: Night, change: dict[str, int], name: str, said: str
) -> None:
    decision = decide(night(), POLICY, EVALUATION, make.scripted({"new": make.comparison(**change)}, {}))
    assert (decision.verdict, decision.kind) == ("keep", "keep")
    assert failed(decision) == [name]
    assert said in decision.reason


def test_failed_expectations_decide_nothing(make: Any, night: Night) -> None:
    inputs = night()
    inputs = replace(inputs, tonight=replace(inputs.tonight, expectations_passed=False))
    decision = decide(inputs, POLICY, EVALUATION, make.scripted({}, {}))
    assert decision.verdict == "keep"
    assert failed(decision) == ["expectations"]


def test_missing_table_is_named(make: Any, night: Night) -> None:
    inputs = night()
    inputs.tonight.challengers[0].predictions.unlink()
    with pytest.raises(ContractError, match=r"new\.parquet, which does not exist"):
        decide(inputs, POLICY, EVALUATION, make.scripted({}, {}))


# ---- refresh


@pytest.mark.parametrize(
    ("days", "delta", "expected"),
    [
        (1, -0.0031, []),  # lower bound -.0039 against -.004
        (1, -0.0033, ["xauc_margin", "anchor"]),  # the champion began its reign itself
        (3, -0.0031, []),
        (4, -0.0011, []),  # four judge days: -.0019 against -.002
        (4, -0.0013, ["xauc_margin"]),
    ],
)
def test_refresh_margin_of_xauc(make: Any, night: Night, days: int, delta: float, expected: list[str]) -> None:
    answer = make.comparison({"xauc": make.paired("xauc", delta)}, days=tuple(f"2022-05-0{i + 1}" for i in range(days)))
    assert failed(decide(night(), POLICY, EVALUATION, make.scripted({"new": answer}, {}))) == expected


def test_pooled_refresh_needs_non_inferiority_on_xgauc(make: Any, night: Night) -> None:
    answer = make.comparison({"xgauc": make.paired("xgauc", 0.0, 0.003)}, days=("1", "2", "3", "4"))
    assert failed(decide(night(), POLICY, EVALUATION, make.scripted({"new": answer}, {}))) == ["xgauc_margin"]
    one_day = make.comparison({"xgauc": make.paired("xgauc", 0.0, 0.003)})
    assert failed(decide(night(), POLICY, EVALUATION, make.scripted({"new": one_day}, {}))) == []


# ---- upgrade


def upgrade(make: Any, night: Night, xauc: Any = None, xgauc: Any = None, earlier: int = 6, **judge: Any) -> Decision:
    """Decide on nights that all say what this one says."""
    metrics = {"xauc": xauc or make.paired("xauc", 0.01), "xgauc": xgauc or make.paired("xgauc", 0.0)}
    nightly = {name: (paired.value, paired.standard_error) for name, paired in metrics.items()}
    answers = make.scripted({"new": make.comparison(metrics, **judge)}, {"new": make.comparison(metrics, rows=70_000)})
    return decide(night({"new": "other"}, earlier=earlier, nightly=nightly), POLICY, EVALUATION, answers)


def test_scores_of_different_recipes_are_not_compared_as_distributions(make: Any, night: Night) -> None:
    """One may rank by percentiles, the other by seconds."""
    assert not upgrade(make, night, score_psi=12.0).challengers[0].warnings


def test_upgrade_on_one_superior_and_one_not_inferior(make: Any, night: Night) -> None:
    decision = upgrade(make, night)
    assert (decision.verdict, decision.kind, decision.winner) == ("promote", "upgrade", "new")
    assert [compared.scope for compared in decision.challengers[0].compared] == ["judge", "pooled"]
    assert decision.evidence == tuple(f"evidence-{ago}" for ago in range(6, 0, -1))


@pytest.mark.parametrize("earlier", [0, 1, 5])
def test_upgrade_needs_seven_days(make: Any, night: Night, earlier: int) -> None:
    decision = upgrade(make, night, earlier=earlier)
    assert decision.verdict == "keep"
    assert failed(decision) == ["days"]
    assert f"needs 7 judge days, has {earlier + 1}" in decision.reason


def test_guardrails_pool_only_sound_nights_of_the_same_two_recipes(night: Night, table: Any) -> None:
    inputs = night({"new": "other"}, earlier=6)
    first, second, third, fourth, *rest = inputs.evidence
    assert first.champion is not None
    assert third.champion is not None
    assert inputs.tonight.champion is not None
    reseeded = replace(third.champion, predictions=table("reseeded", seeds=(0, 1, 2, 3)))
    days = (
        replace(first, champion=replace(first.champion, recipe_hash="yet another")),
        replace(second, expectations_passed=False),
        replace(third, champion=reseeded),
        replace(fourth, challengers=()),
        *rest,
    )
    sound = pool(replace(inputs, evidence=days), inputs.challenger("new"), inputs.tonight.champion, nights=7)
    assert sound.nights == 3


def test_upgrade_needs_three_seeds_each(make: Any, night: Night, table: Any) -> None:
    inputs = night({"new": "other"})
    table("new", seeds=(0, 1))
    decision = decide(inputs, POLICY.model_copy(update={"upgrade_days": 1}), EVALUATION, make.scripted({}, {}))
    assert failed(decision) == ["seeds"]
    assert "needs 3 seeds each, has 2 (challenger) and 3 (champion)" in decision.reason


def test_upgrade_is_refused_on_a_tie_of_evidence_and_says_how_much_is_missing(make: Any, night: Night) -> None:
    decision = upgrade(make, night, xauc=make.paired("xauc", 0.0), xgauc=make.paired("xgauc", 0.0))
    assert decision.verdict == "keep"
    assert failed(decision) == ["superior"]
    assert "7 nights of evidence, and no number would do" in decision.reason
    weak = upgrade(make, night, xauc=make.paired("xauc", 0.001, 0.0018), xgauc=make.paired("xgauc", 0.002, 0.0018))
    assert failed(weak) == ["superior"]
    evidence = weak.challengers[0].evidence
    assert evidence is not None
    assert evidence.nights_needed is not None
    assert f"7 nights of evidence, about {evidence.nights_needed - 7} more needed" in weak.reason


def test_upgrade_is_refused_when_the_other_metric_may_be_worse(make: Any, night: Night) -> None:
    assert failed(upgrade(make, night, xgauc=make.paired("xgauc", -0.0035, 0.001))) == ["xgauc_margin"]
    decision = upgrade(make, night, xauc=make.paired("xauc", -0.0019), xgauc=make.paired("xgauc", 0.02))
    assert failed(decision) == ["xauc_margin"]


def test_a_good_first_week_of_one_in_twenty_needs_more_than_of_one(make: Any, night: Night) -> None:
    """Two nights of luck among many challengers are no evidence: the threshold grows with those judged."""
    nightly = {"xauc": (0.0035, 0.0018), "xgauc": (0.0, 0.0018)}
    good = make.comparison({"xauc": make.paired("xauc", *nightly["xauc"])})
    thresholds = {}
    for others in (0, 19):
        names = {"new": "other"} | {f"n{i}": f"r{i}" for i in range(others)}
        inputs = night(names, earlier=6, nightly=nightly)
        equal = Step(delta=0.0, standard_error=0.0018)
        increments = tuple(
            i if i.recipe_hash == "other" else i.model_copy(update={"metrics": {"xauc": equal, "xgauc": equal}})
            for i in inputs.reign.increments
        )
        inputs = replace(inputs, reign=inputs.reign.model_copy(update={"increments": increments}))
        verdict = decide(inputs, POLICY, EVALUATION, make.scripted({"new": good}, {"new": good})).challenger("new")
        assert verdict.evidence is not None
        thresholds[others] = verdict.evidence.threshold
    assert thresholds == pytest.approx({0: 25, 19: 500})


def test_this_nights_model_must_be_calibrated_itself(make: Any, night: Night) -> None:
    assert failed(upgrade(make, night, candidate_levels=make.levels | {"tre_signed": 0.2})) == ["tre"]


def test_upgrade_goes_before_refresh(make: Any, night: Night) -> None:
    nightly = {"xauc": (0.01, 0.0005), "xgauc": (0.0, 0.0005)}
    inputs = night({"same": "old", "new": "other"}, earlier=6, nightly=nightly)
    contenders = tuple(replace(c, validation_xauc=0.9 if c.name == "same" else 0.1) for c in inputs.tonight.challengers)
    inputs = replace(inputs, tonight=replace(inputs.tonight, challengers=contenders))
    pooled = make.comparison({"xauc": make.paired("xauc", 0.01)})
    decision = decide(inputs, POLICY, EVALUATION, make.scripted({"new": pooled}, {"new": pooled}))
    assert (decision.winner, decision.kind) == ("new", "upgrade")
    assert "same passed too" in decision.reason


# ---- the decision as a value


def test_decision_survives_json_and_names_itself_by_content(make: Any, night: Night, tmp_path: Any) -> None:
    nan = float("nan")
    answers = make.scripted({"new": make.comparison({"auc_like": make.paired("auc_like", nan, nan)})}, {})
    decision = decide(night(), POLICY, EVALUATION, answers)
    path = write_decision(tmp_path / "gate", decision)
    assert load_decision(tmp_path / "gate") == decision
    assert load_decision(tmp_path / "gate").id == decision.id
    assert "NaN" not in path.read_text()
    assert str(tmp_path) not in path.read_text()
    again = decide(night(), POLICY.model_copy(update={"tre": 0.06}), EVALUATION, answers)
    assert again.id != decision.id
    assert headline(decision) == {"promoted": float(decision.verdict == "promote")}


def test_damaged_or_missing_decision_is_named(tmp_path: Any) -> None:
    with pytest.raises(ContractError, match="run the stage gate first"):
        load_decision(tmp_path)
    (tmp_path / "decision.json").write_text("{}")
    with pytest.raises(ContractError, match=r"decision\.json is not what the stage gate writes today"):
        load_decision(tmp_path)


def test_force_needs_a_reason_and_stays_marked(make: Any, night: Night) -> None:
    refused = decide(night(), POLICY, EVALUATION, make.scripted({"new": make.comparison(rows=10)}, {}))
    with pytest.raises(ConfigError, match="needs a reason"):
        refused.forced("new", "  ")
    with pytest.raises(ConfigError, match="no challenger 'nwe'"):
        refused.forced("nwe", "because")
    forced = refused.forced("new", "the outage cost us the logs")
    assert (forced.verdict, forced.kind, forced.winner) == ("promote", "forced", "new")
    assert forced.forced_reason == "the outage cost us the logs"
    assert "rows: needs 5000" in forced.reason
    assert forced.id != refused.id


def test_roles_swapped(make: Any, night: Night) -> None:
    nightly = {"xauc": (-0.01, 0.0005), "xgauc": (0.0, 0.0005)}
    inputs = night({"new": "other", "third": "x"}, earlier=6, nightly=nightly)
    swapped = inputs.swapped("new")
    assert [contender.name for contender in swapped.tonight.challengers] == ["old"]
    assert swapped.tonight.champion is not None
    assert swapped.tonight.champion.name == "new"
    assert all(day.champion is not None and day.champion.recipe_hash == "other" for day in swapped.evidence)
    pooled = make.comparison({"xauc": make.paired("xauc", 0.01)})
    decision = decide(swapped, POLICY, EVALUATION, make.scripted({"champion": pooled}, {"champion": pooled}))
    assert (decision.winner, decision.kind) == ("old", "upgrade")
    with pytest.raises(ConfigError, match="no champion to swap"):
        night(champion=None).swapped("new")


def test_challengers_must_be_there_and_differ(night: Night) -> None:
    inputs = night()
    with pytest.raises(ConfigError, match="at least one challenger"):
        replace(inputs, tonight=replace(inputs.tonight, challengers=()))
    with pytest.raises(ConfigError, match="must differ"):
        replace(inputs, tonight=replace(inputs.tonight, challengers=inputs.tonight.challengers * 2))


def test_configuration_hash_leaves_seeds_out() -> None:
    recipe = {"head": {"kind": "d2q", "groups": 10}}
    assert configuration_hash(recipe, {"seeds": (0,), "epochs": 3}) == configuration_hash(
        recipe, {"seeds": (0, 1), "epochs": 3}
    )
    assert configuration_hash(recipe, {"epochs": 3}) != configuration_hash(recipe, {"epochs": 4})
    assert configuration_hash(recipe) != configuration_hash({"head": {"kind": "d2q", "groups": 30}})
