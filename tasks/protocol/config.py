"""A protocol: which days, which inputs, which models. One YAML file below `benchmarks/` holds one."""

import datetime as dt
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import Field

from tasks.config import Params
from tasks.core.days import Days
from tasks.core.settings import Block
from tasks.core.yaml_config import parse
from tasks.core.yaml_file import read_yaml
from tasks.table.config import TableConfig


class ProtocolDays(Block):
    """Chronological days of a protocol; the judge days select nothing."""

    fit: tuple[dt.date, ...] = Field(min_length=1)
    """days the models are fitted on (quote dates in YAML)"""
    validation: dt.date
    """day of early stopping and calibration"""
    judge: tuple[dt.date, ...] = Field(min_length=1)
    """days of the table"""
    frozen: bool = True
    """features of the judge days use the state as it stood before the first of them"""

    def days(self, lookback: int) -> Days:
        """Return the roles of the days."""
        return Days(self.fit, self.validation, self.judge, lookback, self.judge[0] if self.frozen else None)


class Variant(Block):
    """One choice of inputs, and the models that are fitted on it."""

    title: str
    """what the rows of the table are headed with"""
    table: TableConfig = TableConfig()
    """fields and dense features"""
    recipes: tuple[str, ...] = ()
    """names of `params.recipes`"""


class Reference(Block):
    """A figure to reach, and where it comes from."""

    model: str
    """as in the source"""
    xauc: float | None = None
    xauc_strict: float | None = None
    """where the source counts ties of either kind as wrong"""
    xgauc_across_days: float | None = None
    """publications pool a user's days"""
    mae: float | None = None
    """seconds"""


class Protocol(Block):
    """Everything a benchmark run depends on besides the data."""

    title: str
    """heading of the results"""
    about: str
    """what is compared and how, in a few sentences"""
    command: str
    """how to run it"""
    days: ProtocolDays
    variants: dict[str, Variant]
    baselines_on: str
    """variant whose features the baselines are fitted on"""
    references: tuple[Reference, ...] = ()
    """published or measured figures on the same protocol"""
    of_references: str = ""
    """what whoever holds ours against them must know"""
    params: Params
    """source, features, recipes, training, evaluation; seeds are `params.training.seeds`"""


def load_protocol(path: Path, *changes: Mapping[str, Any]) -> Protocol:
    """Read and check a protocol.

    Args:
        path: its file.
        changes: merged into it key by key, one after the other.

    Raises:
        ConfigError: naming the file, the key, what is wrong and the nearest key that exists.
    """
    file = read_yaml(path)
    protocol = parse(Protocol, reduce(_merged, changes, file.value), file.place)
    protocol.params.check(file.place.below("params"))
    return protocol


def _merged(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with changes: mappings are merged, everything else is replaced."""
    result = dict(document)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else value
    return result
