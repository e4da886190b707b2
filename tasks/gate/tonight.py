"""What this night's tables say of a challenger: its paired comparisons, and the increments that a ledger keeps of them."""

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
        baselines: against every enabled baseline, by name.
        increments: all of these, and a refit of the champion's configuration against the anchor of its reign, to be kept; those of a night whose data broke expectations count tonight only.
    """

    challenger: Contender
    finite: Check
    champion: Comparison | None = None
    baselines: Mapping[str, Comparison] = field(default_factory=dict)
    increments: tuple[Increment, ...] = ()


def compare_tonight(challenger: Contender, inputs: GateInputs, paired: Paired) -> Tonight:
    """Compare a challenger with champion, anchor and baselines."""
    finite = finite_check(non_finite(challenger.predictions))
    if finite.status == "failed":
        return Tonight(challenger, finite)
    champion, own = inputs.tonight.champion, [challenger.predictions]
    found: list[tuple[Against, str, Comparison]] = []
    against_champion = None
    if champion is not None:
        against_champion = paired(own, [champion.predictions])
        found.append(("champion", champion.entry or "", against_champion))
        if inputs.anchor is not None and champion.recipe_hash == challenger.recipe_hash:
            found.append(("anchor", inputs.reign.anchor or "", paired(own, [inputs.anchor])))
    baselines = {name: paired(own, [path]) for name, path in inputs.baselines.items()}
    found += [("baseline", name, comparison) for name, comparison in baselines.items()]
    increments = tuple(Increment.of(inputs.tonight.as_of, challenger.recipe_hash, *item) for item in found)
    return Tonight(challenger, finite, against_champion, baselines, increments)
