"""The gain of the best trial over the recipe as it is, from fits whose seeds chose nothing.

The best of many trials is partly the luckiest: of the order of the weights and rows, and of the day. Fresh seeds take the
first away; the second stays, as the rows are those the trial was chosen on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.files import remove, writing
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw, difference
from tasks.evaluate.metrics.grouped import xgauc
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.resampling import Resampler
from tasks.table.training_table import TrainingTable
from tasks.train.calibrate import ValidationRows
from tasks.tune.config import Metric
from tasks.tune.result import Gain
from tasks.tune.space import Candidate
from tasks.tune.study import Search
from tasks.tune.trial import CandidateFits, Floats, ignore


@dataclass(frozen=True)
class FreshFits:
    """Fits of candidates with seeds that chose nothing; those of an earlier run are kept.

    Attributes:
        table: folder that the table stage wrote.
        folder: where scores are kept.
        metric: by which the candidate was chosen.
        seeds: of the fits.
    """

    table: Path
    folder: Path
    metric: Metric
    seeds: tuple[int, ...]

    def gain(self, first: tuple[str, Candidate], second: tuple[str, Candidate], evaluation: EvaluationConfig) -> Gain:
        """Fit two candidates and compare them on the validation day, paired by user.

        Args:
            first: the candidate that was found, after the name under which its fits are kept.
            second: the recipe as it is, likewise.
            evaluation: replicates, seed and confidence of the interval.

        Raises:
            TrainingError: if a fit cannot go on.
        """
        return self.compare(self.scores(*first), self.scores(*second), evaluation)

    def compare(
        self,
        first: Sequence[Floats],
        second: Sequence[Floats],
        evaluation: EvaluationConfig,
        kept_B: NDArray[np.bool_] | None = None,
    ) -> Gain:
        """Compare the scores of two candidates on the validation day, paired by user.

        Args:
            first: [B] per seed.
            second: likewise.
            evaluation: replicates, seed and confidence of the interval.
            kept_B: [B] rows that count; None: all.
        """
        metric = "xgauc" if self.metric == "xgauc" else "xauc"
        draws = [self._draws(metric, scores, evaluation, kept_B) for scores in (first, second)]
        means = [float(np.mean([draw.result.value for draw in of_one])) for of_one in draws]
        return Gain(
            metric=metric,
            seeds=self.seeds,
            tuned=means[0],
            default=means[1],
            difference=difference(draws[0], draws[1], evaluation.confidence),
            level=evaluation.confidence,
        )

    def scores(self, name: str, candidate: Candidate) -> list[Floats]:
        """Return the validation day's scores of every fit of a candidate, [B] per seed.

        Args:
            name: under which its fits are kept.
            candidate: it.

        Raises:
            TrainingError: if a fit cannot go on.
        """
        if missing := self.missing(name):
            checkpoints = self.folder / f"checkpoints-{name}"
            fits = CandidateFits.open(self.table, candidate, self.metric, checkpoints)
            for seed in missing:
                measured = fits.measure(seed, ignore)
                with writing(self._file(name, seed)) as temporary, temporary.open("wb") as stream:
                    np.save(stream, measured.score_B)
            remove(checkpoints)
        return [np.load(self._file(name, seed)) for seed in self.seeds]

    def missing(self, name: str) -> list[int]:
        """Return the seeds of the fits that are not kept yet under a name."""
        return [seed for seed in self.seeds if not self._file(name, seed).exists()]

    def _file(self, name: str, seed: int) -> Path:
        return self.folder / f"{name}-seed{seed}.npy"

    def _draws(
        self, metric: str, scores: Sequence[Floats], evaluation: EvaluationConfig, kept_B: NDArray[np.bool_] | None
    ) -> list[Draw]:
        rows = ValidationRows.of(TrainingTable.open(self.table))
        kept = slice(None) if kept_B is None else kept_B
        watch_s, users = rows.watch_s[kept], encode_groups(rows.user[kept])
        resampler = Resampler(users.num_groups, evaluation.replicates, evaluation.seed)
        measure = xgauc if metric == "xgauc" else xauc_influence
        return [resampler.draw({metric: measure(watch_s, score_B[kept], users)})[metric] for score_B in scores]


def confirm(search: Search, index: int, values: Mapping[str, Any], evaluation: EvaluationConfig) -> Gain:
    """Fit a trial and the recipe as it is with the confirmation seeds and compare them, paired by user.

    Args:
        search: the search.
        index: of the trial.
        values: its values.
        evaluation: replicates, seed and confidence of the interval.

    Raises:
        TrainingError: if a fit cannot go on.
    """
    config, space = search.config, search.space
    fresh = FreshFits(search.table, search.folder / "confirmation", config.metric, config.confirmation_seeds)
    tuned, default = (f"trial{index}", space.candidate(values)), ("trial0", space.candidate(space.defaults))
    return fresh.gain(tuned, default, evaluation)
