"""Slots of content beside who watched a video: recall of watched and of new videos over the share of content in a score.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded. Shapes: N users of the judge day, W videos
watched on the fit days, which stand before all others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.representation.retrieval import Retrieval, days_of, recall_of
from models.retrieval.watched import NONE
from tasks.candidates.audience import Later
from tasks.candidates.config import (
    CoOccurrenceConfig,
    LightGcnConfig,
    MetricConfig,
    PopularityConfig,
    ProposerConfig,
    SetRecConfig,
)
from tasks.candidates.measure import Proposed, statistics
from tasks.candidates.proposers.base import Proposer
from tasks.candidates.proposers.setrec import Mixing, SetRecSlots
from tasks.candidates.registry import PROPOSERS
from tasks.candidates.stage import validation_judge, with_new_videos
from tasks.evaluate.estimate import Draw, average, difference
from tasks.evaluate.resampling import Resampler
from tasks.table.watches import Watches

FILE = Path(__file__).resolve().parent / "setrec.yaml"
VECTORS = LightGcnConfig(loss="bpr", width=32, max_epochs=30, patience=5)
SLOTS = SetRecConfig(vectors=VECTORS, width=32, hidden=64, history=6, learning_rate=0.003, max_epochs=20, patience=4)
RIVALS: Mapping[str, tuple[ProposerConfig, bool]] = {
    "popularity": (PopularityConfig(), False),
    "co_occurrence": (CoOccurrenceConfig(), False),
    "lightgcn under bpr": (VECTORS, False),
    "metric, new videos too": (MetricConfig(width=32, max_epochs=30, patience=5), True),
}
"""Rival -> its block, and whether it reads the content of new videos too."""
PLAIN, MIXED, CONTROL = "collaborative slot (beta 0)", "setrec", "setrec, content permuted"
SHOWN = ("recall", "watched", "new", "tail", "Gini")
RULE = (
    "Rule, set before the run: slots of content help if the interval over users of their difference in recall of new videos to the "
    "collaborative slot alone is above 0, with content permuted less than a fifth of that is kept, and the interval of the difference in "
    "recall of all, from which places that new videos take are lost, is above 0 too. They are worth a fit of their own if recall of all is above that of every rival."
)


@dataclass(frozen=True, eq=False)
class SlotDays(Retrieval):
    """The days of one source, whose catalogue ends with the videos that came between the fit days and the judge day."""

    @cached_property
    def reaching(self) -> Watches:
        """Of the fit days, over that catalogue."""
        return with_new_videos(self.watches, self.table, self.features)

    def fit(self, config: ProposerConfig, reaches_new: bool) -> Proposer:
        """Fit one proposer on either catalogue."""
        watches = self.reaching if reaches_new else self.watches
        return PROPOSERS[config.kind].fit(watches, config, validation_judge(watches, self.table, self.config.watched))

    def measured_parts(self, proposer: Proposer, reaches_new: bool) -> dict[str, Draw]:
        """Return recall of all, of watched and of new videos on the judge day, and how evenly it proposes."""
        watches = self.reaching if reaches_new else self.watches
        later = Later.of(watches, self.table, self.config.watched, "judge", ("fit", "validation"))
        k = self.config.length
        proposed = Proposed(proposer.propose(later.audience, k), later)
        known_P = (later.video_P != NONE) & (later.video_P < int((watches.watchers > 0).sum()))
        head = round(self.config.head_share * self.watches.num_videos)
        found = statistics(proposed, self.reaching, head)
        return Resampler(len(later.audience), self.evaluation.replicates, self.evaluation.seed).draw(
            {
                "recall": found[f"proposed_recall@{k}"],
                "watched": recall_of(proposed, known_P),
                "new": recall_of(proposed, ~known_P),
                "tail": recall_of(proposed, (later.video_P >= head) | (later.video_P == NONE)),
                "Gini": found[f"proposed_gini@{k}"],
            }
        )


def run(options: Options) -> list[Table]:
    """Simulate the days and measure every arm and every beta."""
    found = days_of(FILE, options)
    return measured(SlotDays(found.table, found.features), options.seeds, short=options.quick)


def measured(days: SlotDays, seeds: Sequence[int], short: bool = False) -> list[Table]:
    """Fit every arm with every seed.

    Args:
        days: what on.
        seeds: one fit each.
        short: whether fits are over soon.
    """
    torch.set_num_threads(days.config.threads)
    brief = {"max_epochs": 1, "width": 4} if short else {}
    found: dict[str, list[dict[str, Draw]]] = {}
    for name, (config, reaches_new) in RIVALS.items():
        fits = (
            [config.model_copy(update={"seed": seed, **brief}) for seed in seeds]
            if hasattr(config, "seed")
            else [config]
        )
        found[name] = [days.measured_parts(days.fit(fit, reaches_new), reaches_new) for fit in fits]
    curve: dict[tuple[str, float], list[dict[str, Draw]]] = {}
    chosen = []
    for seed in seeds:
        for name, permuted in ((MIXED, False), (CONTROL, True)):
            vectors = VECTORS.model_copy(update={"seed": seed, **brief})
            config = SLOTS.model_copy(update={"vectors": vectors, "permuted": permuted, "seed": seed, **brief})
            fitted = days.fit(config, True)
            assert isinstance(fitted, SetRecSlots)
            found.setdefault(name, []).append(days.measured_parts(fitted, True))
            for beta in config.betas:
                drawn = days.measured_parts(fitted.mixed(Mixing(beta, beta)), True)
                curve.setdefault((name, beta), []).append(drawn)
            said = ", ".join(f"{what} {beta:g}" for what, beta in fitted.chosen.items())
            chosen.append(f"{name}, seed {seed}: {said}")
    found[PLAIN] = curve[MIXED, 0.0]
    notes = [_about(days), f"Chosen on the validation day: {'; '.join(chosen)}.", RULE, _verdict(found, days)]
    return [_arms(days, found, notes), _curve(days, curve)]


def _arms(days: SlotDays, found: Mapping[str, Sequence[Mapping[str, Draw]]], notes: Sequence[str]) -> Table:
    lines, numbers, level = [], {}, days.evaluation.confidence
    for name in (*RIVALS, PLAIN, MIXED, CONTROL):
        drawn, cells = found[name], [name]
        for of in SHOWN[:3]:
            values = [one[of].result.value for one in drawn]
            cells.append(mean_sd(values) if len(values) > 1 else f"{values[0]:.4f}")
            delta = difference([one[of] for one in drawn], [one[of] for one in found[PLAIN]], level)
            cells.append("" if name == PLAIN else f"{delta.value:+.4f} [{delta.low:+.4f}, {delta.high:+.4f}]")
        means = {of: average([one[of] for one in drawn], level) for of in SHOWN}
        cells += [f"{means[of].value:.4f}" for of in SHOWN[3:]]
        lines.append(cells)
        numbers[name] = {
            of: {"per_seed": estimate.per_seed, "low": estimate.low, "high": estimate.high}
            for of, estimate in means.items()
        }
    k = days.config.length
    columns = [
        "proposer",
        f"recall@{k}",
        "to beta 0",
        "of watched videos",
        "to beta 0",
        "of new videos",
        "to beta 0",
        "tail recall",
        "Gini",
    ]
    return Table("Slots on simulated days of planted taste", columns, lines, notes, numbers)


def _curve(days: SlotDays, curve: Mapping[tuple[str, float], Sequence[Mapping[str, Draw]]]) -> Table:
    lines, numbers = [], {}
    for beta in dict.fromkeys(beta for _, beta in curve):
        values = {
            f"{of}, {name}": [drawn[of].result.value for drawn in curve[name, beta]]
            for name in (MIXED, CONTROL)
            for of in ("watched", "new")
        }
        lines.append([f"{beta:g}", *(mean_sd(of) for of in values.values())])
        numbers[f"{beta:g}"] = values
    columns = ["beta", "watched videos", "new videos", "watched, content permuted", "new, content permuted"]
    note = "The same beta for watched and for new videos, the same fits; measured on the judge day, where nothing is chosen."
    return Table(f"Recall@{days.config.length} over beta", columns, lines, [note], numbers)


def _verdict(found: Mapping[str, Sequence[Mapping[str, Draw]]], days: SlotDays) -> str:
    def over(name: str, other: str, of: str) -> tuple[float, float, float]:
        draws, rivals = ([one[of] for one in found[arm]] for arm in (name, other))
        delta = difference(draws, rivals, days.evaluation.confidence)
        return delta.value, delta.low, delta.high

    gain = over(MIXED, PLAIN, "new")
    holds = {
        "new videos gain": gain[1] > 0,
        "permuted keeps less than a fifth": over(CONTROL, PLAIN, "new")[0] < gain[0] / 5,
        "all gain": over(MIXED, PLAIN, "recall")[1] > 0,
        **{f"recall above {rival}": over(MIXED, rival, "recall")[1] > 0 for rival in RIVALS},
    }
    return "Verdict: " + "; ".join(f"{what}: {'yes' if is_so else 'no'}" for what, is_so in holds.items()) + "."


def _about(days: SlotDays) -> str:
    watches, later = (
        days.reaching,
        Later.of(days.reaching, days.table, days.config.watched, "judge", ("fit", "validation")),
    )
    watched = int((watches.watchers > 0).sum())
    new = int(((later.video_P == NONE) | (later.video_P >= watched)).sum())
    return (
        f"{watches.user_P.size:,} watched pairs ({days.config.watched}) of {watches.num_users:,} users and {watched:,} videos of the fit days; "
        f"{watches.num_new:,} videos that the fit days did not show were uploaded before the judge day. Of {later.row_P.size:,} later watches {new:,} are of videos that nobody "
        f"watched on the fit days, {int((later.video_P == NONE).sum()):,} of them out of everybody's reach. Whole catalogue, nothing sampled. Mean ± sd "
        "over fits; intervals over users."
    )
