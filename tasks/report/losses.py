"""Every significant loss of a challenger: over all metrics and tasks of a comparison, ranked, with how many were looked at."""

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.evaluate.multiplicity import holm, p_value
from tasks.gate.compared import Delta
from tasks.gate.decision import Decision
from tasks.report.formatting import interval, measure, number, p_text, plural, tone_of
from tasks.report.inputs import Artifacts


@dataclass(frozen=True)
class PairedLoss:
    """A difference whose own interval says that the challenger is worse.

    Attributes:
        challenger: who loses.
        reference: to whom.
        delta: the difference, on this night's judge rows.
        adjusted: its p-value among all differences of the night's challengers.
    """

    challenger: str
    reference: str
    delta: Delta
    adjusted: float


@dataclass(frozen=True)
class PairedLosses:
    """The losses of a night.

    Attributes:
        ranked: the winner's first, then the surest.
        differences: how many were looked at.
    """

    ranked: tuple[PairedLoss, ...]
    differences: int

    @classmethod
    def of(cls, decision: Decision) -> "PairedLosses":
        """Look through every paired difference that the gate took on this night's judge rows.

        The family of Holm's rule is all of them, whichever way they point (docs/methods/metrics.md#any-two-models).
        """
        found = {
            (verdict.name, pair.reference, delta.name): delta
            for verdict in decision.challengers
            for pair in verdict.compared
            if pair.scope == "judge"
            for delta in pair.deltas
            if delta.value is not None and delta.standard_error is not None
        }
        own = {key: p_value(delta.value or 0.0, delta.standard_error or 0.0) for key, delta in found.items()}
        adjusted = holm(own)
        lost = [key for key, delta in found.items() if tone_of(delta.name, delta.low, delta.high) == "bad"]
        lost.sort(key=lambda key: (key[0] != decision.winner, own[key], key))
        return cls(tuple(PairedLoss(*key[:2], found[key], adjusted[key]) for key in lost), len(found))


def losses_in_words(artifacts: Artifacts) -> Iterator[str]:
    """Yield one sentence per challenger and reference, the model that was promoted first, and what to make of them."""
    decision = artifacts.decision
    found = PairedLosses.of(decision)
    pairs = dict.fromkeys((loss.challenger, loss.reference) for loss in found.ranked)
    for challenger, reference in pairs:
        lost = [loss for loss in found.ranked if (loss.challenger, loss.reference) == (challenger, reference)]
        promoted = " is promoted and" if challenger == decision.winner else ""
        said = "; ".join(map(_loss, lost))
        yield f"{challenger}{promoted} loses to {artifacts.label(reference)} in {plural(len(lost), 'metric')}: {said}."
    if found.ranked:
        level = artifacts.focus.metrics.config.confidence
        yield (
            f"These are all losses whose own {level:.0%} interval leaves zero out, the surest first. Of the "
            f"{found.differences} differences looked at about {found.differences * (1 - level) / 2:.0f} would by chance alone; "
            "p is adjusted for all of them (Holm)."
        )


def _loss(loss: PairedLoss) -> str:
    delta, how = loss.delta, measure(loss.delta.name)
    bounds = interval(delta.low, delta.high, how, signed=True)
    return f"{how.label} {number(delta.value, how, signed=True)} {bounds}, p {p_text(loss.adjusted)}"
