"""Every significant loss is listed, ranked, and with how many differences were looked at."""

from dataclasses import replace

import pytest

from tasks.evaluate.multiplicity import holm, p_value
from tasks.gate.decision import Decision
from tasks.report.formatting import p_text, tone_of
from tasks.report.inputs import Artifacts
from tasks.report.losses import PairedLosses
from tasks.report.sections.scores import Concentration, Lists
from tasks.report.sections.summary import top


def with_loss(decision: Decision, value: float, low: float, high: float) -> Decision:
    """Return the decision with a planted difference of the winner's in AUC of likes."""
    planted = {"value": value, "low": low, "high": high, "standard_error": (high - low) / 3.92}

    def changed(verdict_name: str, deltas: tuple) -> tuple:  # type: ignore[type-arg]
        mine = verdict_name == decision.winner
        return tuple(d.model_copy(update=planted) if mine and d.name == "auc_like" else d for d in deltas)

    verdicts = tuple(
        verdict.model_copy(
            update={
                "compared": tuple(
                    pair.model_copy(update={"deltas": changed(verdict.name, pair.deltas)}) for pair in verdict.compared
                )
            }
        )
        for verdict in decision.challengers
    )
    return decision.model_copy(update={"challengers": verdicts})


@pytest.mark.slow
def test_a_promoted_loss_in_a_sparse_task_comes_first(read: dict[str, Artifacts]) -> None:
    night = read["later"]
    decision = with_loss(night.decision, -0.0188, -0.0324, -0.0052)
    found = PairedLosses.of(decision)
    first = found.ranked[0]
    assert (first.challenger, first.reference, first.delta.name) == ("d2q", "champion", "auc_like")
    attention = top(replace(night, decision=decision), None).attention
    minus = "\N{MINUS SIGN}"
    said = f"AUC like {minus}0.0188 [{minus}0.0324, {minus}0.0052], p {p_text(first.adjusted)}"
    assert f"d2q is promoted and loses to champion (d2q) in 1 metric: {said}." in attention
    assert not any("d2q is promoted and loses" in line for line in top(night, None).attention)


def test_all_differences_of_the_night_are_the_family(read: dict[str, Artifacts]) -> None:
    decision = read["later"].decision
    deltas = {
        (verdict.name, pair.reference, delta.name): delta
        for verdict in decision.challengers
        for pair in verdict.compared
        if pair.scope == "judge"
        for delta in pair.deltas
        if delta.value is not None and delta.standard_error is not None
    }
    found = PairedLosses.of(decision)
    assert found.differences == len(deltas) > 30
    lost = {key for key, delta in deltas.items() if tone_of(delta.name, delta.low, delta.high) == "bad"}
    assert {(loss.challenger, loss.reference, loss.delta.name) for loss in found.ranked} == lost
    adjusted = holm({key: p_value(d.value or 0, d.standard_error or 0) for key, d in deltas.items()})
    assert all(loss.adjusted == adjusted[loss.challenger, loss.reference, loss.delta.name] for loss in found.ranked)
    assert any(f"Of the {len(deltas)} differences" in line for line in top(read["later"], None).attention)


def test_lists_that_are_alike_are_named_where_there_was_a_choice(read: dict[str, Artifacts]) -> None:
    night = read["later"]

    def said(everywhere: int, pool: int) -> str:
        lists = Lists((), 12, Concentration(40, everywhere, 0.98, 4.5), {}, ())
        scores = night.scores.model_copy(update={"pool": pool})
        return " ".join(top(replace(night, scores=scores), lists).attention)

    assert (
        "Lists are much alike: 10 videos take a place in at least 90% of the 40 lists; the ten most listed take 98.0"
        in said(10, 100)
    )
    assert "have 4.5 of 5 videos in common; drawn from the pool at random they would have 0.2." in said(10, 100)
    assert "much alike" not in said(0, 100)
    assert "much alike" not in said(5, 5), "a pool no longer than the lists leaves no choice"
