"""The values a search may try: paths into a recipe and its training settings, checked before the first trial."""

import copy
import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from models.recipe import Recipe
from tasks.core.errors import ConfigError
from tasks.train.config import TrainingConfig, TrainingOverride
from tasks.tune.config import Metric, Parameter

TRAINING = "training"
SHAPES_THE_LOSS = ("head", "further_heads", "objective", "propensity", "selection")
"""Parts of a recipe that change the unit of the watch loss, so that its values cannot be compared."""

Values = Mapping[str, Any]
"""Path -> value."""


@dataclass(frozen=True)
class Dimension:
    """One hyper-parameter.

    Attributes:
        path: where it stands, for example `trunk.dropout` or `training.learning_rate`.
        parameter: its values; choices are written out in full.
        default: the value of the recipe as it is.
    """

    path: str
    parameter: Parameter
    default: Any

    def distribution(self) -> BaseDistribution:
        """Return it as Optuna's distribution; choices stand as JSON, which any storage can hold."""
        parameter = self.parameter
        if parameter.choices is not None:
            return CategoricalDistribution([json.dumps(choice) for choice in parameter.choices])
        assert parameter.low is not None and parameter.high is not None
        if isinstance(self.default, int):
            return IntDistribution(int(parameter.low), int(parameter.high), parameter.log, int(parameter.step or 1))
        return FloatDistribution(parameter.low, parameter.high, parameter.log, parameter.step)

    def stored(self, value: Any) -> Any:
        """Return a value as the study stores it."""
        return value if self.parameter.choices is None else json.dumps(value)

    def value(self, stored: Any) -> Any:
        """Return the value that a stored one stands for; numbers drawn from a range have four digits."""
        parameter = self.parameter
        if parameter.choices is not None:
            return json.loads(stored)
        if stored == self.default or parameter.step is not None or isinstance(stored, int):
            return stored
        assert parameter.low is not None and parameter.high is not None
        return float(min(max(float(f"{stored:.4g}"), parameter.low), parameter.high))


@dataclass(frozen=True)
class Candidate:
    """One point of the space, ready to be fitted."""

    recipe: Recipe
    training: TrainingConfig


@dataclass(frozen=True)
class Space:
    """A recipe and what may change in it.

    Attributes:
        recipe: all its keys, defaults written out.
        training: the settings it is fitted with.
        dimensions: what is searched.
    """

    recipe: Mapping[str, Any]
    training: TrainingConfig
    dimensions: tuple[Dimension, ...]

    @classmethod
    def of(cls, recipe: Recipe, training: TrainingConfig, wanted: Mapping[str, Parameter], metric: Metric) -> "Space":
        """Check a search space against the recipe; an empty one is derived from it.

        Args:
            recipe: the recipe as it is.
            training: the settings it is fitted with.
            wanted: path -> values.
            metric: what is compared between trials.

        Raises:
            ConfigError: if a path does not exist (naming the nearest), a value is not possible there, the recipe's own
                value is not among the values, two paths overlap, or the metric cannot compare them.
        """
        bare = cls(recipe.model_dump(mode="json"), training, ())
        wanted = wanted or bare._around()
        for path in wanted:
            bare._check_path(path, wanted, metric)
        return cls(bare.recipe, training, tuple(bare._dimension(path, wanted[path]) for path in sorted(wanted)))

    @property
    def defaults(self) -> dict[str, Any]:
        """The point that leaves the recipe as it is."""
        return {dimension.path: dimension.default for dimension in self.dimensions}

    def candidate(self, values: Values) -> Candidate:
        """Return recipe and training settings with values in place.

        Raises:
            ConfigError: if the parts do not go together.
        """
        recipe, training = copy.deepcopy(dict(self.recipe)), self.training.model_dump()
        for path, value in values.items():
            block, keys = (training, path.split(".")[1:]) if _of_training(path) else (recipe, path.split("."))
            for key in keys[:-1]:
                block = block[key]
            block[keys[-1]] = value
        try:
            return Candidate(Recipe.model_validate(recipe), TrainingConfig.model_validate(training))
        except ValidationError as error:
            raise ConfigError("; ".join(item["msg"] for item in error.errors())) from error

    def _check_path(self, path: str, wanted: Mapping[str, Parameter], metric: Metric) -> None:
        known = [f"{TRAINING}.{name}" for name in TrainingOverride.model_fields] + list(_paths(self.recipe))
        if path not in known:
            close = difflib.get_close_matches(path, known, n=1, cutoff=0.0)
            raise ConfigError(
                f"params.yaml: tuning.space: {path!r} is no part of the recipe; did you mean {close[0]!r}? "
                "(`dwell schema --part recipe` prints what a recipe has)"
            )
        inner = [other for other in wanted if other.startswith(f"{path}.")]
        if inner:
            raise ConfigError(f"params.yaml: tuning.space: {inner[0]!r} lies inside {path!r}: search one of them")
        if metric == "watch_loss" and path.split(".")[0] in SHAPES_THE_LOSS:
            raise ConfigError(
                f"params.yaml: tuning.space: {path!r} changes what the watch loss is, so losses cannot be compared: "
                "set tuning.metric to xauc or xgauc, or leave the path out"
            )

    def _dimension(self, path: str, parameter: Parameter) -> Dimension:
        default = self._get(path)
        if parameter.choices is not None:
            found = [default]
            for choice in parameter.choices:
                written = self._written_out(path, choice)
                if written not in found:
                    found.append(written)
            return Dimension(path, Parameter(choices=tuple(found)), default)
        if isinstance(default, int) and not all(
            isinstance(number, int) for number in (parameter.low, parameter.high, parameter.step or 1)
        ):
            raise ConfigError(f"params.yaml: tuning.space.{path}: must be whole numbers, like the recipe's {default}")
        for end in (parameter.low, parameter.high):
            self._written_out(path, end)
        if not parameter.holds(default):
            grid = "" if parameter.step is None else f" in steps of {parameter.step}"
            raise ConfigError(
                f"params.yaml: tuning.space.{path}: the recipe's own value {json.dumps(default)} must be among the values, "
                f"{parameter.low} to {parameter.high}{grid}; lists and blocks need choices"
            )
        return Dimension(path, parameter, default)

    def _written_out(self, path: str, value: Any) -> Any:
        """Return a value as it stands in a recipe, defaults written out."""
        try:
            candidate = self.candidate({path: value})
        except ConfigError as error:
            raise ConfigError(
                f"params.yaml: tuning.space.{path}: {json.dumps(value)} is not possible: {error}"
            ) from error
        return Space(candidate.recipe.model_dump(mode="json"), candidate.training, ())._get(path)

    def _get(self, path: str) -> Any:
        if _of_training(path):
            return getattr(self.training, path.split(".")[1])
        block: Any = self.recipe
        for key in path.split("."):
            block = block[key]
        return block

    def _around(self) -> dict[str, Parameter]:
        """Return a space around the recipe's own values."""
        known, found = set(_paths(self.recipe)), {}
        fixed = (
            {"encoder.embedding_dim"} if self.recipe["encoder"].get("widths") else set()
        )  # groups keep numbers of it
        for path in ("encoder.embedding_dim", "trunk.hidden", f"{TRAINING}.batch_size"):
            if (path in known or _of_training(path)) and path not in fixed:
                found[path] = Parameter(choices=_scaled(self._get(path)))
        if "trunk.dropout" in known:
            found["trunk.dropout"] = Parameter(low=0.0, high=max(0.5, self._get("trunk.dropout")))
        rate, decay = self.training.learning_rate, self.training.weight_decay
        found[f"{TRAINING}.learning_rate"] = Parameter(low=rate / 5, high=rate * 5, log=True)
        found[f"{TRAINING}.weight_decay"] = (
            Parameter(low=decay / 10, high=decay * 10, log=True) if decay else Parameter(choices=(0.0, 1e-4, 1e-2))
        )
        return found


def _of_training(path: str) -> bool:
    return path.startswith(f"{TRAINING}.")


def _paths(block: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in block.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")


def _scaled(value: Any) -> tuple[Any, ...]:
    """Return half, itself and twice of a width or of a list of widths."""
    if isinstance(value, list):
        return [max(1, width // 2) for width in value], value, [2 * width for width in value]
    return max(2, value // 2), value, 2 * value
