"""The simulator as a source."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.manifest import code_hash
from tasks.core.traits import Trait
from tasks.ingest.logs import write_candidates
from tasks.ingest.source import CAPABILITIES, DayWriter
from tasks.simulate.config import SimulatorConfig
from tasks.simulate.run import day_candidates, traits_table, users_table, videos_table, write_day


class SimulatorSource:
    """Days that are made when they are asked for."""

    name = "simulator"
    scene_names: tuple[str, ...] = ()

    def __init__(self, config: SimulatorConfig, _out: Path | None = None) -> None:
        self._config = config
        self.timezone: str = config.timezone
        self.scenes: tuple[int, ...] | None = tuple(range(15))
        self.capabilities: tuple[str, ...] = CAPABILITIES
        self.traits: Mapping[str, Trait] = {} if config.traits is None else config.traits.declared

    def first_day(self) -> dt.date:
        return self._config.start_day

    def latest_day(self) -> dt.date:
        return self._config.default_as_of()

    def holds(self, day: dt.date) -> bool:
        return day >= self._config.start_day

    def day_inputs(self, day: dt.date) -> Any:
        world = self._config.model_dump(mode="json", exclude={"as_of"})
        return {"world": world, "code": code_hash("simulate", "core/parquet")}

    @contextlib.contextmanager
    def reading(self, days: Sequence[dt.date], scratch: Path) -> Iterator[DayWriter]:
        yield partial(_write, self._config)

    def users(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        return users_table(self._config, days)

    def videos(self, days: Sequence[dt.date], impressions: Path) -> pl.DataFrame:
        return videos_table(self._config, days)

    def trait_records(self, days: Sequence[dt.date]) -> pl.DataFrame | None:
        return traits_table(self._config, days)

    def set_aside(self) -> pl.DataFrame:
        return pl.DataFrame()

    def remember(self, out: Path) -> None:
        """Nothing to remember: there are no files."""


def _write(config: SimulatorConfig, day: dt.date, part: Path) -> int:
    if config.log_candidates:
        write_candidates(day_candidates(config, day), part)
    return write_day(config, day, part)
