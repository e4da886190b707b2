"""Proposers on simulated days of planted taste: recall of later watches over the whole catalogue, against floors and controls.

The rule of the verdict stands in `RULE`, written before anything was run that is recorded. Shapes: N users of the judge day.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from benchmarks.parts.cells import mean_sd
from benchmarks.parts.part import Options, Table
from benchmarks.parts.protocol import protocol_of
from models.retrieval.seater import Seater
from models.retrieval.watched import NONE
from tasks.candidates.audience import Later
from tasks.candidates.config import (
    CandidatesConfig,
    CoOccurrenceConfig,
    DirectAuConfig,
    FittedVectors,
    LightGcnConfig,
    PopularityConfig,
    ProposerConfig,
    RandomConfig,
    SasRecConfig,
    SeaterConfig,
)
from tasks.candidates.measure import Proposed, statistics
from tasks.candidates.proposers.base import Proposer
from tasks.candidates.proposers.seater import SeaterWalk
from tasks.candidates.registry import PROPOSERS
from tasks.candidates.stage import servable_videos, validation_judge
from tasks.core.layout import Workspace
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, average, difference
from tasks.evaluate.metrics.user_statistics import UserSums
from tasks.evaluate.resampling import Resampler
from tasks.protocol.run import ProtocolRun
from tasks.table.training_table import TrainingTable
from tasks.table.watches import Flags, Watches

FILE = Path(__file__).resolve().parent / "retrieval.yaml"
FLOOR, WALK = "popularity", "seater"
SHOWN = ("proposed_recall", "proposed_tail_recall", "proposed_gini", "proposed_coverage")
RULE = (
    "Rule, set before the run: a proposer beats the floors if the interval over users of its difference in recall to popularity, and its "
    "difference to co-occurrence, are above 0; it must beat random, and its own control with shuffled users. A tree of like videos is worth "
    "something if recall of the walk down it is above that of the same walk down a tree hung by chance, with its interval, and the walk is worth "
    "its place if its recall is above that of SASRec, which scores every video, and of DirectAU."
)
_QUICK = {
    "sources": {
        "simulator": {
            "impressions_per_day": 1500,
            "users": 150,
            "videos": 150,
            "new_users_per_day": 3,
            "new_videos_per_day": 5,
        }
    }
}


@dataclass(frozen=True)
class Arm:
    """One proposer.

    Attributes:
        config: its block.
        shuffled: whether the watches of the fit days are dealt to users at random before the fit: the control.
        seeded: whether another seed gives another fit.
    """

    config: ProposerConfig
    shuffled: bool = False
    seeded: bool = True


ARMS: Mapping[str, Arm] = {
    "random": Arm(RandomConfig()),
    FLOOR: Arm(PopularityConfig(), seeded=False),
    "co_occurrence": Arm(CoOccurrenceConfig(), seeded=False),
    "directau": Arm(DirectAuConfig()),
    "directau, users shuffled": Arm(DirectAuConfig(), shuffled=True),
    "lightgcn": Arm(LightGcnConfig()),
    "lightgcn under bpr": Arm(LightGcnConfig(loss="bpr")),
    "sasrec": Arm(SasRecConfig()),
    WALK: Arm(SeaterConfig()),
    f"{WALK}, tree by chance": Arm(SeaterConfig(tree="random")),
}
RIVALS = ("sasrec", "directau", f"{WALK}, tree by chance")
"""What the walk down a tree is held against."""
BRANCHINGS = range(8, 25)


@dataclass(frozen=True, eq=False)
class FittedArm:
    """One arm fitted with one seed.

    Attributes:
        proposer: fitted.
        draws: metric of the judge days -> its draw.
        videos_per_s: videos proposed in a second of one processor.
    """

    proposer: Proposer
    draws: dict[str, Draw]
    videos_per_s: float


@dataclass(frozen=True, eq=False)
class Retrieval:
    """The days of one source, on which arms are fitted and measured.

    Attributes:
        table: the night's.
        features: data/features.
        config: what a watch is, and how many videos are proposed.
        evaluation: how uncertainty is drawn.
    """

    table: TrainingTable
    features: Path
    config: CandidatesConfig = field(default_factory=CandidatesConfig)
    evaluation: EvaluationConfig = field(default_factory=lambda: EvaluationConfig(replicates=500))

    @cached_property
    def watches(self) -> Watches:
        """Of the fit days."""
        return Watches.of_table(self.table, self.config.watched, servable_videos(self.features))

    @cached_property
    def later(self) -> Later:
        """Of the judge days."""
        return Later.of(self.watches, self.table, self.config.watched, "judge", ("fit", "validation"))

    def draws(self, arm: Arm, seed: int) -> dict[str, Draw]:
        """Fit one arm with one seed and return its metrics on the judge days."""
        return self.fitted(arm, seed).draws

    def fitted(self, arm: Arm, seed: int) -> "FittedArm":
        """Fit one arm with one seed and measure it on the judge days."""
        watches = shuffled(self.watches, seed) if arm.shuffled else self.watches
        config = arm.config.model_copy(update={"seed": seed}) if arm.seeded else arm.config
        if isinstance(config, SeaterConfig):
            config = config.model_copy(update={"branching": branching_of(watches.num_videos)})
        judge = validation_judge(watches, self.table, self.config.watched)
        proposer = PROPOSERS[config.kind].fit(watches, config, judge)
        began = time.process_time()
        proposed = Proposed(proposer.propose(self.later.audience, self.config.length), self.later)
        seconds = time.process_time() - began
        head = round(self.config.head_share * watches.num_videos)
        found = statistics(proposed, watches, head)
        of_tail = (self.later.video_P >= head) | (self.later.video_P == NONE)
        shown = {name: found[f"{name}@{self.config.length}"] for name in SHOWN}
        drawn = self._resampler.draw(shown | {"proposed_tail_recall": recall_of(proposed, of_tail)})
        return FittedArm(proposer, drawn, len(self.later.audience) * self.config.length / seconds)

    @cached_property
    def _resampler(self) -> Resampler:
        return Resampler(len(self.later.audience), self.evaluation.replicates, self.evaluation.seed)

    def measured(self, title: str, seeds: Sequence[int], arms: Mapping[str, Arm] = ARMS) -> Table:
        """Fit every arm with every seed and put it into a table."""
        torch.set_num_threads(self.config.threads)
        fits = {
            name: [self.fitted(arm, seed) for seed in (seeds if arm.seeded else seeds[:1])]
            for name, arm in arms.items()
        }
        found = {name: [fit.draws for fit in of_arm] for name, of_arm in fits.items()}
        lines, numbers = [], {}
        for name, drawn in found.items():
            recalls = [of["proposed_recall"] for of in drawn]
            cells = [
                mean_sd([draw.result.value for draw in recalls])
                if arms[name].seeded
                else f"{recalls[0].result.value:.4f}"
            ]
            cells += ["" if name == other else self._over(found, name, other) for other in (FLOOR, "co_occurrence")]
            means = {of: average([one[of] for one in drawn], self.evaluation.confidence) for of in SHOWN}
            cells += [f"{means[of].value:.4f}" for of in SHOWN[1:]]
            videos_per_s = float(np.median([fit.videos_per_s for fit in fits[name]]))
            lines.append([name, *cells, f"{videos_per_s:,.0f}"])
            estimates = {
                of: {"per_seed": estimate.per_seed, "low": estimate.low, "high": estimate.high}
                for of, estimate in means.items()
            }
            numbers[name] = {**estimates, "videos_per_s": videos_per_s}
        k = self.config.length
        columns = ["proposer", f"recall@{k}", "to popularity", "to co-occurrence", "tail recall", "Gini", "coverage"]
        notes = [self.about(), RULE, _RATES]
        if WALK in found:
            differences = ", ".join(f"{other} {self._over(found, WALK, other)}" for other in RIVALS if other in found)
            notes.append(f"Recall of {WALK} to that of {differences}.")
            notes += sorted(
                {tree_facts(fit.proposer.model) for fit in fits[WALK] if isinstance(fit.proposer, SeaterWalk)}
            )
        notes += [
            f"Chosen on the validation day by {name}, fit by fit: {said}."
            for name, of_arm in fits.items()
            if (said := "; ".join(_chosen(fit.proposer) for fit in of_arm if fit.proposer.chosen))
        ]
        return Table(title, [*columns, "videos/CPU-s"], lines, notes, numbers)

    def _over(self, found: Mapping[str, Sequence[Mapping[str, Draw]]], name: str, other: str) -> str:
        """Return the difference in recall of one arm to another."""
        recalls, others = ([one["proposed_recall"] for one in found[arm]] for arm in (name, other))
        delta = difference(recalls, others, self.evaluation.confidence)
        return f"{delta.value:+.4f} [{delta.low:+.4f}, {delta.high:+.4f}]"

    def about(self) -> str:
        """Return how many watches there are, and how many are in reach."""
        watches, later = self.watches, self.later
        ceiling = statistics(Proposed(np.full((len(later.audience), self.config.length), -1), later), watches, 1)
        return (
            f"{watches.user_P.size:,} watched pairs ({self.config.watched}) of {watches.num_users:,} users and {watches.num_videos:,} videos of "
            f"the fit days; {later.row_P.size:,} later watches of {len(later.audience):,} users, of which no list can recall more than "
            f"{ceiling[f'proposed_ceiling@{self.config.length}'].value:.4f} (new videos). Mean ± sd over fits; intervals over users."
        )


_RATES = (
    "Videos/CPU-s: videos proposed to the users of the judge day in a second of one processor, median over fits, on a machine with other work; "
    "scoring proposers pay by video of the catalogue, a walk by level of the tree."
)


def branching_of(videos: int) -> int:
    """Return the children of a node whose power lies closest above the number of videos: the fullest tree."""

    def leaves(branching: int) -> int:
        depth = next(depth for depth in range(1, 64) if branching**depth >= videos)
        return int(branching**depth)

    return min(BRANCHINGS, key=leaves)


def tree_facts(model: Seater) -> str:
    """Return how many videos a walk from the root reaches, how deep they lie and how evenly they hang."""
    child_TK, path_VL = model.child_TK.numpy(), model.path_VL.numpy()
    weight_T = np.bincount(path_VL[path_VL != NONE], minlength=len(child_TK))
    reached, level, depth, uneven = list[int](), np.array([0]), 0, 0
    while level.size:
        reached += model.video_T.numpy()[level].tolist()
        below_TK = child_TK[level]
        weights = [weight_T[children[children != NONE]] for children in below_TK]
        uneven = max(uneven, *(int(np.ptp(of)) for of in weights if of.size), 0)
        level = below_TK[below_TK != NONE]
        depth += bool(level.size)
    leaves = [video for video in reached if video != NONE]
    return (
        f"Tree of {WALK}: {len(set(leaves)):,} of {len(path_VL):,} videos are reached from the root, each once: "
        f"{'yes' if len(leaves) == len(set(leaves)) else 'no'}; {child_TK.shape[1]} children of a node at most, {depth} levels; videos below two "
        f"children of a node differ by {uneven} at most."
    )


def _chosen(proposer: Proposer) -> str:
    return ", ".join(f"{what} {value:g}" for what, value in proposer.chosen.items())


def recall_of(proposed: Proposed, chosen_P: Flags) -> UserSums:
    """Return recall of some of the watched videos, mean over users who watched one of them.

    The same as `tasks.evaluate.metrics.lists.recall_at_k`, counted in watches, of which all proposers have as many: so two can be paired.

    Args:
        proposed: the proposals.
        chosen_P: which watches of `proposed.later` count.
    """
    later, users = proposed.later, len(proposed.video_NK)
    hit_P = (later.video_P != NONE) & (proposed.video_NK[later.row_P] == later.video_P[:, None]).any(axis=1)
    relevant_N = np.bincount(later.row_P[chosen_P], minlength=users)
    hits_N = np.bincount(later.row_P[chosen_P & hit_P], minlength=users)
    used_N = relevant_N > 0
    return UserSums(
        hits_N / np.maximum(relevant_N, 1), used_N.astype(np.float64), int(chosen_P.sum()), int(used_N.sum())
    )


def shuffled(watches: Watches, seed: int) -> Watches:
    """Return watches whose users are dealt anew: every video keeps its watchers in number, nobody's taste is left."""
    user_P = np.random.default_rng(seed).permutation(watches.user_P)
    pairs, place = np.unique(np.stack([user_P, watches.video_P], axis=1), axis=0, return_index=True)
    return replace(watches, user_P=pairs[:, 0], video_P=pairs[:, 1], time_P=watches.time_P[place])


def run(options: Options) -> list[Table]:
    """Simulate the days and measure every arm."""
    arms = {name: short(arm) for name, arm in ARMS.items()} if options.quick else ARMS
    return [days_of(FILE, options).measured("Simulated days of planted taste", options.seeds, arms)]


def days_of(file: Path, options: Options) -> Retrieval:
    """Simulate the days of a protocol of one variant."""
    protocol = protocol_of(file, options, _QUICK)
    night = ProtocolRun(protocol, Workspace(options.scratch / "night"))
    night.prepare()
    (variant,) = protocol.variants
    return Retrieval(TrainingTable.open(night.table(variant)), night.workspace.features)


def short(arm: Arm) -> Arm:
    """Return an arm whose fit is over soon."""
    brief: dict[str, object] = {"max_epochs": 1, "width": 4}
    if isinstance(arm.config, SeaterConfig):
        brief["vectors"] = arm.config.vectors.model_copy(update=brief)
    elif not isinstance(arm.config, FittedVectors | SasRecConfig):
        return arm
    return replace(arm, config=arm.config.model_copy(update=brief))
