"""Arms of the benchmark of widths: how each chooses what rows keep, its fits from scratch, and their bytes in files.

Shapes: C classes (a group of a field each, class 0 the rest), D embedding width, N rows of the table, B rows of a day.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.efficiency.reader import ID_MAP
from models.compression.formats import FORMATS
from models.compression.placed import compressed_tables
from models.compression.table import StoredTable
from models.encoders.base import packed_tables
from models.encoders.grouped import FieldWidths, classes
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.core.files import hash_value, remove
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.estimate import Draw
from tasks.evaluate.metrics.groups import Groups, encode_groups
from tasks.evaluate.metrics.pairwise import xauc_influence
from tasks.evaluate.resampling import Resampler
from tasks.table.training_table import TrainingTable
from tasks.train.config import TrainingConfig
from tasks.train.device import Device
from tasks.train.fit import fit_seed
from tasks.train.manifest import InputHashes
from tasks.train.population import open_population
from tasks.train.problem import FitProblem, open_problem
from tasks.train.row_use import reads_per_day
from tasks.train.tables import FitOfTables, write_tables
from tasks.train.validate import predict_split
from tasks.weekly.config import WidthsReview
from tasks.weekly.soft_selection import SoftSelection, cut, grouped_recipe, narrowed
from tasks.weekly.widths import NightFolders, WidthSearch

Floats = NDArray[np.float64]
Widths = Mapping[str, FieldWidths]
Day = Literal["validation", "judge"]
FREQUENCY_POWER = 0.3
"""Of a group's reads per row, to which its width is proportional: that of mixed-dimension embeddings (arXiv 1909.11810)."""
WHOLE = "whole"
REPLICATES = 500


@dataclass(frozen=True)
class Fitted:
    """What one arm came to with one seed.

    Attributes:
        scores: day -> [B] score.
        bytes: of the table's files.
        dropped: share of its numbers that are 0, as counted.
    """

    scores: Mapping[Day, Floats]
    bytes: int
    dropped: float


@dataclass(frozen=True)
class WidthWorld:
    """One log and one recipe on it.

    Attributes:
        name: heading.
        recipe: whole.
        training: settings of every fit, seeds aside.
        night: features, table and days.
        config: of the search; `keep` varies.
        folder: where finished fits are kept.
    """

    name: str
    recipe: Recipe
    training: TrainingConfig
    night: NightFolders
    config: WidthsReview
    folder: Path

    @cached_property
    def table(self) -> TrainingTable:
        """The table that every arm is fitted on."""
        return TrainingTable.open(self.night.table)

    def search(self, keep: float, seed: int) -> WidthSearch:
        """Return the search with one budget; budgets share the search itself."""
        config = self.config.model_copy(update={"keep": keep, "seed": seed})
        return WidthSearch(self.recipe, self.training, config, self.night, self.folder / f"search-{seed}")

    def widths(self, arm: str, keep: float, seed: int) -> Widths:
        """Return what an arm keeps."""
        search = self.search(keep, seed)
        if arm == "frequency":
            return narrowed(search.groups, self.table.schema, self._by_frequency(search, keep))
        if arm == "permuted":
            kept_CD, _ = cut(self._permuted_search(seed).score("alpha"), search.class_rows, keep)
            return narrowed(search.groups, self.table.schema, kept_CD)
        return search.widths(search.select(), arm)[0]

    def fit(self, arm: str, keep: float, seed: int) -> Fitted:
        """Fit an arm from scratch, or read what an earlier run kept."""
        recipe = self._recipe(arm, keep, seed)
        key = hash_value([arm == "permuted", seed, recipe.model_dump(mode="json")])[:16]
        kept = self.folder / "fits" / f"{key}.npz"
        if not kept.is_file():
            problem = open_problem(self.table, recipe)
            if arm == "permuted":
                problem = replace(problem, reads=permuted(self.table, seed))
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, allow_pickle=False, **self._fitted(problem, seed))
        found = np.load(kept)
        scores: dict[Day, Floats] = {day: found[day] for day in ("validation", "judge")}
        return Fitted(scores, int(found["bytes"]), float(found["dropped"]))

    def draws(self, fits: Mapping[int, Fitted], day: Day) -> list[Draw]:
        """Return one draw of XAUC per seed; those of two arms are paired by user."""
        watch_B, users, chosen_B, resampler = self._judged(day)
        return [
            resampler.draw({"xauc": xauc_influence(watch_B, fit.scores[day][chosen_B], users)})["xauc"]
            for fit in fits.values()
        ]

    def search_seconds(self, seed: int) -> float:
        """Return the CPU seconds that a search took, after it."""
        return float((self.folder / f"seconds-{seed}.txt").read_text())

    def prepare(self, seed: int) -> None:
        """Search, so that no budget waits for it, and write down what it took."""
        seconds = self.folder / f"seconds-{seed}.txt"
        if not seconds.is_file():
            began = time.process_time()
            self.search(0.5, seed).select()
            seconds.write_text(f"{time.process_time() - began}")

    def _recipe(self, arm: str, keep: float, seed: int) -> Recipe:
        if arm == WHOLE:
            return self.recipe
        if arm == "uniform":
            block = self.recipe.model_dump(mode="json")
            block["encoder"]["embedding_dim"] = max(1, round(keep * block["encoder"]["embedding_dim"]))
            return Recipe.model_validate(block)
        return grouped_recipe(self.recipe, self.widths(arm, keep, seed))

    def _fitted(self, problem: FitProblem, seed: int) -> dict[str, NDArray[np.float64]]:
        checkpoints = self.folder / "checkpoints"
        remove(checkpoints)  # what an interrupted run left is of another arm
        weights = fit_seed(problem, seed, self.training, checkpoints).weights
        remove(checkpoints)
        master = problem.master_ranker(weights)
        (weight,) = (table.weight.detach().numpy() for table in packed_tables(master).values())
        ranker, device = problem.fitted_ranker(weights).eval(), Device.of(self.training)
        found = {
            day: predict_split(
                ranker, open_population(problem.table, day, problem.recipe, False).impressions, self.training, device
            )["score"]
            for day in ("validation", "judge")
        }
        sizes = {"bytes": np.array(self._bytes(ranker, weight, problem)), "dropped": np.array((weight == 0).mean())}
        return found | sizes

    def _bytes(self, ranker: Ranker, weight_ND: NDArray[np.float32], problem: FitProblem) -> int:
        """Return the bytes of the files that hold the table, as bundles hold it."""
        stored = {name: table.stored for name, table in compressed_tables(ranker).items()}
        whole = np.full(len(weight_ND), list(FORMATS).index("fp32"), dtype=np.uint8)
        stored = stored or {"encoder.table": StoredTable.of(weight_ND, whole)}
        fit = FitOfTables(recipe="widths", seed=0, hashes=InputHashes(data="", code="", config=""), validation={})
        folder = self.folder / "tables"
        remove(folder)
        write_tables(folder, stored, problem.schema, ID_MAP, fit)
        return sum(path.stat().st_size for path in folder.glob("*.npy"))

    def _by_frequency(self, search: WidthSearch, keep: float) -> NDArray[np.bool_]:
        """Return the first numbers of every class, as many as a power of its reads per row says, within the budget."""
        reads_N = reads_per_day(self.table)
        rows_C = search.class_rows
        sum_C = np.bincount(classes(self.table.schema, search.groups, reads_N), reads_N, minlength=len(rows_C))
        power_C = (sum_C / np.maximum(rows_C, 1)) ** FREQUENCY_POWER
        most, budget = search.width, keep * rows_C[1:].sum() * search.width
        for factor in np.geomspace(1e3, 1e-3, 4_000):
            width_C = np.clip(np.rint(factor * power_C), 0, most)
            if rows_C[1:] @ width_C[1:] <= budget:
                break
        kept_CD: NDArray[np.bool_] = np.arange(most) < width_C[:, None]
        kept_CD[0] = True
        return kept_CD

    def _permuted_search(self, seed: int) -> SoftSelection:
        """Search with the groups' labels dealt to other ids of the same field."""
        search = replace(self.search(0.5, seed), folder=self.folder / f"search-{seed}-permuted")
        return search.select(lambda table: permuted(table, seed))

    def _judged(self, day: Day) -> tuple[Floats, Groups, NDArray[np.bool_], Resampler]:
        """Return watch time, users and which rows of a day count: those that were not exposed at random."""
        chosen_B = ~np.array(self.table.column(day, "random")).astype(np.bool_)
        watch_B = np.array(self.table.column(day, "watch_s"), dtype=np.float64)[chosen_B]
        users = encode_groups(np.array(self.table.column(day, "user_id"))[chosen_B])
        return watch_B, users, chosen_B, Resampler(users.num_groups, REPLICATES, EvaluationConfig().seed)


def permuted(table: TrainingTable, seed: int) -> Floats:
    """Return reads per fit day, [N], dealt to other rows of the same field."""
    reads_N, schema = reads_per_day(table), table.schema
    draw = np.random.default_rng([97, seed])
    for (_, rows), begin in zip(schema.fields, schema.offsets, strict=True):
        reads_N[begin : begin + rows] = draw.permutation(reads_N[begin : begin + rows])
    return reads_N
