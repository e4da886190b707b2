"""`dwell prune`: searches the fields that one recipe can do without, and writes the recipe that it found.

Reads the fit and validation splits of the table, never the judge day: a pruned recipe has to hold there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.recipe import Recipe
from tasks.core.errors import DwellError
from tasks.core.files import csv_text, hash_value, write_text
from tasks.core.layout import Workspace
from tasks.core.manifest import code_hash, models_hash
from tasks.core.yaml_edit import one_line_each, to_text
from tasks.prune.rounds import Pruning, Search, run_rounds
from tasks.prune.without import refuse_if_set_apart_is_read, spelled_without
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.tune.config import TuningConfig
from tasks.tune.confirm import FreshFits
from tasks.tune.result import Gain
from tasks.tune.run import DefaultRecipe
from tasks.tune.study import holding

TOLERANCE = 0.001
"""Share of the metric by which it may fall (docs/methods/attribution.md#pruning)."""


@dataclass(frozen=True)
class Pruned:
    """What the command did.

    Attributes:
        name: of the recipe that was pruned.
        day: validation day.
        metric: what was not to fall.
        found: where the loop ended.
        block: the found recipe as params.yaml spells it.
        gain: the found recipe against the recipe as it is, with seeds that chose nothing; None where nothing was dropped.
        doubt: why there is none, if so.
        folder: where `write` puts what was found.
    """

    name: str
    day: str
    metric: str
    found: Pruning
    block: Mapping[str, Any]
    gain: Gain | None
    doubt: str
    folder: Path

    @property
    def pruned_name(self) -> str:
        """The name the found recipe is written under."""
        return f"{self.name}_pruned"

    @property
    def recipe(self) -> Path:
        """File with the found recipe."""
        return self.folder / f"{self.pruned_name}.yaml"

    @property
    def rounds(self) -> Path:
        """File with one line per round."""
        return self.folder / f"{self.pruned_name}.rounds.csv"

    def headline(self) -> list[str]:
        """Say in a few lines what was found and how far it can be believed."""
        as_it_is = self.found.rounds[0].measured
        count, all_of_them = len(self.found.dropped), len(as_it_is.mean_rank)
        lines = [
            f"{self.name}, {self.metric} on the validation day {self.day}: {as_it_is.value:.5f} with all {all_of_them} fields; "
            f"it may fall by {TOLERANCE:.1%}",
            f"{count} of {all_of_them} fields can go ({self.found.ended})",
        ]
        if self.gain is not None:
            lines += [str(self.gain), "The fields were chosen on these rows. A judge day tells."]
        return [*lines, *([self.doubt] if self.doubt else [])]

    def summary(self) -> str:
        """Return what a person reads: the headline, and every round."""
        lines = self.headline()
        for number, one in enumerate(self.found.rounds[1:], start=1):
            kept = "" if number <= len(self.found.dropped) else "  kept"
            lines.append(f"  without {one.dropped}: {one.measured.value:.5f}{kept}")
        lines += [f"  {field} stays: {why}" for field, why in sorted(self.found.needed.items())]
        return "\n".join(lines)

    def to_csv(self) -> str:
        """Return one line per round: what went, the metric, and every field's mean rank."""
        names = sorted(self.found.rounds[0].measured.mean_rank)
        lines: list[list[Any]] = [["round", "dropped", self.metric, *names]]
        for number, one in enumerate(self.found.rounds):
            cells = [one.measured.mean_rank.get(name, "") for name in names]
            lines.append([number, one.dropped or "", repr(one.measured.value), *cells])
        return csv_text(lines)

    def write(self) -> None:
        """Write the found recipe and the rounds."""
        head = "".join(f"# {line}\n" for line in self.headline())
        write_text(self.recipe, head + to_text({"recipes": {self.pruned_name: one_line_each(self.block)}}))
        write_text(self.rounds, self.to_csv())


def prune(workspace: Workspace, default: DefaultRecipe, config: TuningConfig, most: int | None = None) -> Pruned:
    """Search the fields that one recipe can do without, or go on with a search; nothing but finished rounds is written.

    Args:
        workspace: with the features and the table of a night.
        default: the recipe as it is.
        config: its metric, seeds and confirmation seeds are those of the search.
        most: fields to drop at most; None: as many as the metric allows.

    Raises:
        ConfigError: if fields of the recipe cannot be left out by setting them apart.
        ContractError: if there is no table, or it cannot be read.
        TuningError: if another command works on the same search.
        TrainingError: if the table lacks what the recipe needs.
    """
    refuse_if_set_apart_is_read(default.name, default.recipe)
    table, training = TrainingTable.open(workspace.table), default.training.of(default.name)
    key = _key(table, default.recipe, [training.model_dump(mode="json"), config.metric, config.seeds])
    folder = workspace.scratch / "pruning" / default.name / key
    features = FeatureFolder.open(workspace.features)
    search = Search(
        default.recipe, training, table.folder, features, folder, config.metric, config.seeds, TOLERANCE, most
    )
    with holding(folder, f"dwell prune {default.name}"):
        found = run_rounds(search)
        gain, doubt = _gain(search, found, config, default)
    block = spelled_without(default.spelled, default.recipe, found.dropped, search.groups)
    day = table.validation_day.isoformat()
    return Pruned(default.name, day, config.metric, found, block, gain, doubt, workspace.tuned)


def _key(table: TrainingTable, recipe: Recipe, settings: list[Any]) -> str:
    """Name everything the rounds depend on; the judge day is not among it."""
    code = [code_hash("train", "table", "evaluate", "tune", "attribution", "prune"), models_hash()]
    return hash_value([table.learned_hashes, code, recipe.model_dump(mode="json"), settings])[:16]


def _gain(search: Search, found: Pruning, config: TuningConfig, default: DefaultRecipe) -> tuple[Gain | None, str]:
    if not found.dropped:
        return None, "No field can go."
    fresh = FreshFits(search.table, search.folder / "confirmation", search.metric, config.confirmation_seeds)
    names = hash_value(found.dropped)[:16], "as_it_is"
    candidates = search.candidate(found.dropped), search.candidate(())
    try:
        return fresh.gain((names[0], candidates[0]), (names[1], candidates[1]), default.evaluation), ""
    except DwellError as error:
        return None, f"Doubtful: a fit with a fresh seed failed: {error}"
