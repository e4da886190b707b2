"""What this night's tables say of a challenger: its paired comparisons, and the increments that a ledger keeps of them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tasks.evaluate.comparison import Comparison
from tasks.gate.decision import Check
from tasks.gate.evidence import Against, Increment
from tasks.gate.guardrails import finite_check
from tasks.gate.inputs import Contender, GateInputs
from tasks.gate.tables import non_finite


class Paired(Protocol):
    """The paired comparison, its settings bound."""

    def __call__(self, candidate: Sequence[Path], reference: Sequence[Path]) -> Comparison: ...


@dataclass(frozen=True)
class Tonight:
    """One challenger on this night's judge rows.

    Attributes:
        challenger: it.
        finite: whether its predictions can be used; nothing is compared where they cannot.
        champion: against the champion; None where there is none.
        anchor: a refit of the champion's configuration against the entry that began its reign.
        baselines: against every enabled baseline, by name.
        increments: all of these, to be kept; those of a night whose data broke expectations count tonight only.
    """

    challenger: Contender
    finite: Check
    champion: Comparison | None = None
    anchor: Comparison | None = None
    baselines: Mapping[str, Comparison] = field(default_factory=dict)
    increments: tuple[Increment, ...] = ()


def compare_tonight(challenger: Contender, inputs: GateInputs, paired: Paired) -> Tonight:
    """Compare a challenger with champion, anchor and baselines."""
    finite = finite_check(non_finite(challenger.predictions))
    if finite.status == "failed":
        return Tonight(challenger, finite)
    champion, anchor, reign = inputs.tonight.champion, inputs.anchor, inputs.reign
    own = [challenger.predictions]
    against_champion = paired(own, [champion.predictions]) if champion else None
    is_refit = champion is not None and champion.recipe_hash == challenger.recipe_hash
    against_anchor = None
    if is_refit and champion is not None:
        against_anchor = paired(own, [anchor]) if anchor else against_champion
    baselines = {name: paired(own, [path]) for name, path in inputs.baselines.items()}
    found: list[tuple[Against, str, Comparison]] = []
    if champion is not None and against_champion is not None:
        found.append(("champion", champion.entry or "", against_champion))
    if anchor is not None and against_anchor is not None:
        found.append(("anchor", reign.anchor or "", against_anchor))
    found += [("baseline", name, comparison) for name, comparison in baselines.items()]
    increments = tuple(_increment(inputs.tonight.as_of, challenger, *item) for item in found)
    return Tonight(challenger, finite, against_champion, against_anchor, baselines, increments)


def _increment(
    night: dt.date, challenger: Contender, against: Against, reference: str, comparison: Comparison
) -> Increment:
    return Increment.of(night, challenger.recipe_hash, against, reference, comparison)
