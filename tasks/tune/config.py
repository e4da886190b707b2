"""What `dwell tune` searches, how far, and by which number."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from models.ranges import Number, Seed, Seeds, Steps, Threads, Whole
from tasks.core.settings import Block

Metric = Literal["xauc", "xgauc", "watch_loss"]
Bound = Annotated[Whole | Number, Field(ge=-(10**9), le=10**9)]


class Parameter(Block):
    """The values one hyper-parameter may take: a range (`low`, `high`) or a list (`choices`)."""

    low: Bound | None = None
    """smallest value"""
    high: Bound | None = None
    """largest value"""
    log: bool = False
    """draw its logarithm evenly; needs low > 0"""
    step: Bound | None = Field(default=None, gt=0)
    """draw low, low + step, ... only; high must be among them"""
    choices: tuple[Any, ...] | None = Field(default=None, min_length=1)
    """any values, also lists and whole blocks; the recipe's own value is added where it is not among them"""

    @model_validator(mode="after")
    def _range_or_choices(self) -> "Parameter":
        if self.choices is not None:
            if self.model_fields_set - {"choices"}:
                raise ValueError("give either choices, or low and high")
            return self
        if self.low is None or self.high is None:
            raise ValueError("give either choices, or low and high")
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be less than high {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low > 0 and no step")
        if not self._on_grid(self.high):
            raise ValueError(f"high {self.high} must be low {self.low} plus a multiple of step {self.step}")
        return self

    def holds(self, value: Any) -> bool:
        """Tell whether a value lies in the range, on its grid; of choices, whether it is one of them."""
        if self.choices is not None:
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        assert self.low is not None and self.high is not None
        return self.low <= value <= self.high and self._on_grid(value)

    def _on_grid(self, value: float) -> bool:
        assert self.low is not None
        steps = (value - self.low) / (self.step or 1)
        return self.step is None or abs(steps - round(steps)) < 1e-9


class PruningConfig(Block):
    """When a trial that does worse than others is given up."""

    kind: Literal["median", "hyperband", "none"] = "median"
    """median: worse than the median of finished trials at the same epoch; hyperband: successive halving in brackets"""
    warmup_epochs: Steps = 1
    """epochs that every trial is given"""
    startup_trials: Steps = 5
    """median only: trials that must have finished before the first is given up"""


class TuningConfig(Block):
    """The `tuning` block of `params.yaml`."""

    trials: Whole = Field(default=30, ge=2, le=10**6)
    """trials in all, those of earlier runs of the same search included; the first is the recipe as it is"""
    metric: Metric = "xauc"
    """what is best on the validation day: highest XAUC or XGAUC, or lowest loss of the watch-time heads"""
    seeds: Seeds = Field(default=(0,), min_length=1, max_length=100)
    """fits of a trial; its value is their mean, and the first alone decides whether it is given up"""
    confirmation_seeds: Seeds = Field(default=(1000, 1001), min_length=1, max_length=100)
    """fits of the recipe as it is and of the best trial from which the gain is stated: seeds that chose nothing"""
    space: dict[str, Parameter] = Field(default_factory=dict)
    """path into the recipe, or `training.<setting>` -> its values; empty: sizes, dropout, learning rate, decay and batch
    size around the recipe's own"""
    jobs: Threads = 1
    """processes; with more than one, which trials there are depends on their timing"""
    seed: Seed = 0
    """of the sampler (TPE)"""
    startup_trials: Steps = 10
    """trials drawn evenly from the space before earlier ones guide the choice"""
    pruning: PruningConfig = PruningConfig()
    """when a trial is given up"""

    @model_validator(mode="after")
    def _fresh_confirmation(self) -> "TuningConfig":
        used = sorted(set(self.seeds) & set(self.confirmation_seeds))
        if used:
            raise ValueError(f"confirmation_seeds {used} also chose the trial: take others than seeds")
        return self
