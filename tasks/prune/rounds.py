"""One round of the search: fit a recipe with every seed, measure it and rank the fields that it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from models.attribution.permutation import f_permutation
from models.recipe import Recipe
from tasks.attribution.ranks import ranks
from tasks.attribution.sample import validation_sample
from tasks.core.document import Document, read_document
from tasks.core.files import hash_value, remove
from tasks.prune.without import StillNeeded, without
from tasks.table.source import FeatureFolder
from tasks.train.config import TrainingConfig
from tasks.tune.config import Metric
from tasks.tune.space import Candidate
from tasks.tune.trial import CandidateFits, ignore


class MeasuredRound(Document):
    """What a recipe does on the validation day, and what its networks read."""

    value: float
    """of the metric, mean over the seeds"""
    mean_rank: Mapping[str, float]
    """field -> its rank, 1 for the one that is depended on most, mean over trained tasks and seeds"""


@dataclass(frozen=True)
class Round:
    """One round as it is reported.

    Attributes:
        dropped: field that the recipe of this round reads less than that of the round before; None: the recipe as it is.
        measured: what came out.
    """

    dropped: str | None
    measured: MeasuredRound


@dataclass(frozen=True)
class Search:
    """The loop drop lowest, retrain, recompute.

    Attributes:
        recipe: the recipe as it is.
        training: how it is fitted.
        table: folder that the table stage wrote; its fit and validation splits are read.
        features: folder of the features stage; only its description is read.
        folder: where finished rounds are kept, so that a killed search goes on.
        metric: what may not fall.
        seeds: fits of a round.
        tolerance: share of the metric of the recipe as it is by which it may fall.
        most: fields to drop at most; None: as many as the metric allows.
    """

    recipe: Recipe
    training: TrainingConfig
    table: Path
    features: FeatureFolder
    folder: Path
    metric: Metric
    seeds: Sequence[int]
    tolerance: float
    most: int | None = None

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The dense features of every group."""
        return {name: group.columns for name, group in self.features.groups.items()}

    def candidate(self, dropped: Sequence[str]) -> Candidate:
        """Return the recipe without some fields.

        Raises:
            StillNeeded: if a part of it names one.
        """
        return Candidate(without(self.recipe, dropped, self.groups), self.training)

    def measure(self, candidate: Candidate) -> MeasuredRound:
        """Fit a candidate with every seed, or read what an earlier run of the search found.

        Raises:
            TrainingError: if a fit cannot go on.
        """
        name = hash_value(candidate.recipe.model_dump(mode="json"))[:16]
        kept = self.folder / f"{name}.json"
        if not kept.exists():
            checkpoints = self.folder / "checkpoints" / name
            fits = CandidateFits.open(self.table, candidate, self.metric, checkpoints)
            self._fit(fits).write(kept)
            remove(checkpoints)
        return read_document(kept, MeasuredRound, "that prunes")

    def _fit(self, fits: CandidateFits) -> MeasuredRound:
        values, found = [], list[Mapping[str, int]]()
        for seed in self.seeds:
            measured = fits.measure(seed, ignore)
            values.append(measured.value)
            ranker = fits.problem.fitted_ranker(measured.fitted.weights).eval()
            rows = validation_sample(ranker, fits.problem.table, self.features).rows
            names = rows.layout.names
            for score_F in f_permutation(rows).values():
                found.append(dict(zip(names, ranks(score_F.numpy(), names), strict=True)))
        return MeasuredRound(value=fmean(values), mean_rank={n: fmean(one[n] for one in found) for n in found[0]})

    def fell_too_far(self, value: float, as_it_is: float) -> bool:
        """Tell whether a metric is worse than that of the recipe as it is by more than the tolerance."""
        worse = value - as_it_is if self.metric == "watch_loss" else as_it_is - value
        return worse > self.tolerance * abs(as_it_is)


@dataclass(frozen=True)
class Pruning:
    """Where the loop ended.

    Attributes:
        rounds: all of them, the recipe as it is first.
        dropped: fields that the metric let go, in the order in which they went.
        needed: field that could not go -> why.
        ended: why the loop ended.
    """

    rounds: tuple[Round, ...]
    dropped: tuple[str, ...]
    needed: Mapping[str, str] = field(default_factory=dict)
    ended: str = ""


def run_rounds(search: Search) -> Pruning:
    """Drop the field that is depended on least, fit anew, rank anew, until the metric falls too far.

    Scores are computed anew after every drop: of two fields that say the same, each ranks low while the other is there.

    Raises:
        TrainingError: if a fit cannot go on.
    """
    first = Round(None, search.measure(search.candidate(())))
    rounds, dropped, needed = [first], list[str](), dict[str, str]()
    while search.most is None or len(dropped) < search.most:
        left = {name: rank for name, rank in rounds[-1].measured.mean_rank.items() if name not in needed}
        if len(rounds[-1].measured.mean_rank) == 1 or not left:
            return Pruning(tuple(rounds), tuple(dropped), needed, "no other field can go")
        lowest = max(left, key=lambda name: (left[name], name))
        try:
            candidate = search.candidate((*dropped, lowest))
        except StillNeeded as error:
            needed[lowest] = str(error)
            continue
        rounds.append(Round(lowest, search.measure(candidate)))
        if search.fell_too_far(rounds[-1].measured.value, first.measured.value):
            return Pruning(tuple(rounds), tuple(dropped), needed, f"without {lowest} it falls too far")
        dropped.append(lowest)
    return Pruning(tuple(rounds), tuple(dropped), needed, f"{search.most} are gone, as many as were asked for")
