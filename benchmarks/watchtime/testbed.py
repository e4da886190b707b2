"""One table and its judge days: fits recipes on it, keeps what they predict, measures them on identical rows.

Shapes: B rows of the judge days.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from benchmarks.watchtime.measure import Outputs, Scored, draws
from models.recipe import Recipe
from tasks.core.contract import KEY
from tasks.core.days import Days
from tasks.core.files import hash_value, read_json, write_json
from tasks.core.labels import LABELS
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.edges import fit_duration_edges
from tasks.evaluate.estimate import Draw
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.ranked_lists import tie_hash
from tasks.evaluate.resampling import Resampler
from tasks.evaluate.rows import Rows
from tasks.predict import load_fitted, load_model
from tasks.table.rows import watch_seconds
from tasks.table.source import FeatureFolder
from tasks.train.batches import Split
from tasks.train.config import TrainingConfig
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.config import TreesRecipe

DURATION_GROUPS = 10


@dataclass(frozen=True)
class Testbed:
    """Where recipes are fitted and judged.

    Attributes:
        features: folder of the features stage.
        table: folder of the table stage.
        days: roles of the days; the judge days select nothing.
        scratch: bundles and predictions are kept below it, so that a run that was stopped goes on where it was.
        training: seeds and how every recipe is fitted.
        replicates: of the user bootstrap.
    """

    features: Path
    table: Path
    days: Days
    scratch: Path
    training: TrainingConfig
    replicates: int = 500

    def fit(self, name: str, recipe: Recipe | TreesRecipe, training: TrainingConfig | None = None) -> Path:
        """Return the bundle of a recipe, fitted with every seed unless it was before."""
        how = training or self.training
        key = hash_value([recipe.model_dump(mode="json"), how.model_dump(mode="json")])[:16]
        bundle = self.scratch / "bundles" / f"{name}-{key}"
        if not (bundle / "manifest.json").is_file():
            train(self.table, NamedRecipe(name, recipe, how), bundle, self.scratch)
        return bundle

    def outputs(self, bundle: Path) -> dict[int, Outputs]:
        """Return what every seed of a bundle predicts for the rows of the judge days."""
        torch.set_num_threads(self.training.threads)
        model, source = load_model(bundle), FeatureFolder.open(self.features)
        past = source.past(kept=4)
        columns = tuple(dict.fromkeys(["user_id", "video_id", "state_day", *model.row_columns]))
        parts: dict[int, list[Outputs]] = {seed: [] for seed in model.seeds}
        for day in self.days.judge:
            for frame in source.chunks(day, columns):
                encoded = model.encode(frame, past, str(day))
                for seed in model.seeds:
                    parts[seed].append(Outputs.of(model, encoded, seed))
        return {seed: Outputs.join(found) for seed, found in parts.items()}

    def validation_outputs(self, bundle: Path) -> dict[int, Outputs]:
        """Return what every seed of a fitted recipe predicts for the rows it was calibrated on."""
        torch.set_num_threads(self.training.threads)
        model = load_fitted(bundle)
        split = Split(self.table / "validation", (), ("ids", "dense", "duration_s"), model.reads_history)
        parts: dict[int, list[Outputs]] = {seed: [] for seed in model.seeds}
        for encoded in split.chunks(self.training.evaluation_rows):
            for seed in model.seeds:
                parts[seed].append(Outputs.of(model, encoded, seed))
        return {seed: Outputs.join(found) for seed, found in parts.items()}

    def measure(self, name: str, recipe: Recipe | TreesRecipe, training: TrainingConfig | None = None) -> Scored:
        """Fit a recipe with every seed and measure it; a stored result is read back."""
        bundle = self.fit(name, recipe, training)
        stored = self.scratch / "scored" / f"{bundle.name}.json"
        if stored.is_file():
            return Scored.model_validate(read_json(stored))
        found = self.score(self.outputs(bundle))
        write_json(stored, found.model_dump(mode="json"))
        return found

    def score(self, outputs: Mapping[int, Outputs]) -> Scored:
        """Measure predictions of the judge days."""
        return Scored.of(self.draws(outputs))

    def draws(self, outputs: Mapping[int, Outputs]) -> dict[str, list[Draw]]:
        """Return metric -> one draw per seed, on the judge days; those of two models are paired by user."""
        return draws(self.rows, self.judged(outputs), self.resampler)

    def judged(self, outputs: Mapping[int, Outputs]) -> dict[int, Outputs]:
        """Return predictions of the judge days cut to `rows`."""
        return {seed: found.take(self._judged) for seed, found in outputs.items()}

    @cached_property
    def rows(self) -> Rows:
        """The judge rows that the product's own policy exposed."""
        frame = self._frame
        duration_s = self.judge_duration_s
        edges = np.array(fit_duration_edges(self.table, DURATION_GROUPS))
        user, video, time = (frame[name].to_numpy() for name in ("user_id", "video_id", "event_time_ms"))
        users = encode_groups(user)
        return Rows(
            watch_seconds(frame, True),
            duration_s,
            users,
            encode_groups(frame["arrival_day"].to_numpy()),
            self.resampler.units(users),
            encode_groups(video),
            Groups(np.searchsorted(edges, duration_s, side="right"), DURATION_GROUPS),
            tie_hash(user, video, time, EvaluationConfig().seed),
            {task: frame[task].to_numpy().astype(np.int64) for task in LABELS},
            self.days.frozen,
        ).take(self._judged)

    @property
    def keys(self) -> pl.DataFrame:
        """Identifiers of `rows`: user_id, video_id, event_time_ms."""
        return self._frame.select(KEY)[self._judged]

    @cached_property
    def resampler(self) -> Resampler:
        """Bootstrap of the users, one for all models, so that differences are paired."""
        return Resampler(self._frame["user_id"].n_unique(), self.replicates, EvaluationConfig().seed)

    @cached_property
    def judge_duration_s(self) -> NDArray[np.float64]:
        """Durations of all rows of the judge days, seconds."""
        return self._frame["duration_ms"].to_numpy() / 1000

    @cached_property
    def _frame(self) -> pl.DataFrame:
        source = FeatureFolder.open(self.features)
        columns = [*KEY, "arrival_day", "watch_ms", "duration_ms", "policy", *LABELS]
        return pl.concat([part for day in self.days.judge for part in source.chunks(day, columns)])

    @cached_property
    def _judged(self) -> NDArray[np.int64]:
        return np.flatnonzero((self._frame["policy"] != "random").to_numpy())
