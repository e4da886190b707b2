"""What a search found: the best trial, its gain with fresh seeds, and the files that hold them."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.core.files import csv_text
from tasks.core.yaml_edit import one_line_each, to_text
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.train.config import TrainingConfig, TrainingOverride
from tasks.tune.config import Metric
from tasks.tune.space import TRAINING, Candidate, Space


@dataclass(frozen=True)
class TrialRow:
    """One trial as it is reported.

    Attributes:
        index: its place in the search; 0 is the recipe as it is.
        state: finished, given up or failed.
        value: of the metric, mean over the seeds; None unless finished.
        epochs: epochs of its first fit.
        values: path -> value.
        error: why it failed.
    """

    index: int
    state: str
    value: float | None
    epochs: int
    values: Mapping[str, Any]
    error: str = ""


@dataclass(frozen=True)
class Gain:
    """The best trial against the recipe as it is, both fitted anew with seeds that chose nothing.

    Attributes:
        metric: xauc or xgauc.
        seeds: of the fits.
        tuned: mean over the seeds.
        default: the same of the recipe as it is.
        difference: tuned - default, paired and clustered by user.
        level: coverage of its interval.
    """

    metric: str
    seeds: tuple[int, ...]
    tuned: float
    default: float
    difference: Interval
    level: float

    def __str__(self) -> str:
        seeds = f"seed {self.seeds[0]}" if len(self.seeds) == 1 else f"seeds {', '.join(map(str, self.seeds))}"
        return (
            f"{self.metric.upper()} {self.tuned:.5f} against {self.default:.5f}, {self.difference.value:+.5f} "
            f"[{self.difference.low:+.5f}, {self.difference.high:+.5f}] ({self.level:.0%}, users resampled; fitted anew with {seeds})"
        )


@dataclass(frozen=True)
class SearchOutcome:
    """The outcome of a search.

    Attributes:
        name: of the recipe that was searched.
        metric: what was best.
        day: validation day.
        space: what was searched.
        rows: every trial, by index.
        gain: None where the best trial is the recipe as it is, or could not be fitted anew.
        doubt: why there is no gain, if so.
        importance: path -> share of the spread of values that it explains; empty with too few trials.
    """

    name: str
    metric: Metric
    day: str
    space: Space
    rows: Sequence[TrialRow]
    gain: Gain | None = None
    doubt: str = ""
    importance: Mapping[str, float] = field(default_factory=dict)

    @property
    def tuned_name(self) -> str:
        """The name the found recipe is written under."""
        return f"{self.name}_tuned"

    @property
    def best(self) -> TrialRow:
        """The best finished trial; the earliest of equals."""
        sign = 1 if self.metric == "watch_loss" else -1
        finished = [row for row in self.rows if row.value is not None]
        return min(finished, key=lambda row: (sign * (row.value or 0.0), row.index))

    @property
    def candidate(self) -> Candidate:
        """Recipe and training settings of the best trial."""
        return self.space.candidate(self.best.values)

    def blocks(self, spelled: Mapping[str, Any], shared: TrainingConfig) -> dict[str, Any]:
        """Return the found recipe as blocks of `params.yaml`.

        Args:
            spelled: the recipe as params.yaml spells it; only what differs is changed.
            shared: the training settings of all recipes.
        """
        recipe = copy.deepcopy(dict(spelled))
        for path, value in self.best.values.items():
            if not path.startswith(f"{TRAINING}.") and value != self.space.defaults[path]:
                put(recipe, self.space.recipe, path.split("."), value)
        training = self.candidate.training
        own = {name: getattr(training, name) for name in TrainingOverride.model_fields}
        changed = {name: value for name, value in own.items() if value != getattr(shared, name)}
        blocks: dict[str, Any] = {"recipes": {self.tuned_name: recipe}}
        return blocks | ({"training": {"by_recipe": {self.tuned_name: changed}}} if changed else {})

    def headline(self) -> list[str]:
        """Say in a few lines what was found and how far it can be believed."""
        count = {state: sum(row.state == state for row in self.rows) for state in ("finished", "given up", "failed")}
        stated = ", ".join(f"{number} {state}" for state, number in count.items() if number)
        best, default = self.best, self.rows[0]
        as_it_is = f"{default.value:.5f}" if default.value is not None else default.state
        lines = [
            f"{self.name}, by {self.metric} on the validation day {self.day}: {len(self.rows)} trials ({stated})",
            f"best: trial {best.index}, {self.metric} {best.value:.5f}; the recipe as it is (trial 0): {as_it_is}",
        ]
        if self.gain is not None:
            lines += [str(self.gain), "Optimistic: the trial was chosen on these rows. A judge day tells."]
        return [*lines, *([self.doubt] if self.doubt else [])]

    def summary(self) -> str:
        """Return what a person reads: the headline, and every hyper-parameter with its old value."""
        width = max((len(path) for path in self.best.values), default=0)
        lines = self.headline()
        for path, value in self.best.values.items():
            share = f"  importance {self.importance[path]:.2f}" if path in self.importance else ""
            before = self.space.defaults[path]
            was = "as it was" if value == before else f"was {_short(before)}"
            lines.append(f"  {path:{width}s}  {_short(value)}  ({was}){share}")
        return "\n".join(lines)

    def to_yaml(self, spelled: Mapping[str, Any], shared: TrainingConfig) -> str:
        """Return the found recipe as text to paste into `params.yaml`, with what is known about it on top."""
        head = "".join(f"# {line}\n" for line in self.headline())
        blocks = self.blocks(spelled, shared)
        blocks["recipes"] = {name: one_line_each(recipe) for name, recipe in blocks["recipes"].items()}
        if "training" in blocks:
            blocks["training"] = {"by_recipe": one_line_each(blocks["training"]["by_recipe"])}
        return head + to_text(blocks)

    def to_csv(self) -> str:
        """Return one line per trial."""
        paths = [dimension.path for dimension in self.space.dimensions]
        lines: list[list[Any]] = [["trial", "state", self.metric, "epochs", *paths, "error"]]
        for row in self.rows:
            value = "" if row.value is None else repr(row.value)
            cells = [json.dumps(row.values[path]) if path in row.values else "" for path in paths]
            lines.append([row.index, row.state, value, row.epochs, *cells, row.error])
        return csv_text(lines)


def put(block: dict[str, Any], full: Mapping[str, Any], keys: Sequence[str], value: Any) -> None:
    """Set a nested value; a block that is not spelled is written out first, as its `kind` tells what the keys mean."""
    for key in keys[:-1]:
        block[key] = block.get(key) or copy.deepcopy(full[key])
        block, full = block[key], full[key]
    block[keys[-1]] = value


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)
