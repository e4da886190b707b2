"""What each stage of a night read and wrote, as DVC locked it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.core.errors import ConfigError
from tasks.core.yaml_file import read_yaml
from tasks.lineage.tables import data_sets, set_aside

_FOLDER = ".dir"


@dataclass(frozen=True)
class Locked:
    """One file or folder as a lock file names it.

    Attributes:
        digest: MD5 of its content.
        size: bytes.
        files: how many.
    """

    digest: str
    size: int
    files: int


@dataclass(frozen=True)
class NightGraph:
    """Stages of one night, and the data that went through them.

    Attributes:
        stages: of a dvc.lock.
        source_path: what the source was read from, as run.yaml has it.
    """

    stages: Mapping[str, Mapping[str, Any]]
    source_path: str

    @classmethod
    def read(cls, lock: Path, source_path: str) -> "NightGraph":
        """Read a lock file.

        Raises:
            ConfigError: if it is missing or damaged.
        """
        stages = read_yaml(lock).value.get("stages") if lock.is_file() else None
        if not isinstance(stages, dict):
            raise ConfigError(f"{lock} is missing or holds no stages: `dwell doctor` tells more")
        return cls(stages, source_path)

    def of(self, stages: Iterable[str]) -> "NightGraph":
        """Return the part of some stages: a lock file also holds what earlier nights ran and this one did not."""
        return NightGraph({stage: self.stages[stage] for stage in stages if stage in self.stages}, self.source_path)

    @cached_property
    def outputs(self) -> dict[str, Locked]:
        """Every output of a stage, by its path."""
        return {path: found for stage in self.stages for path, found in self._paths(stage, "outs")}

    @cached_property
    def named(self) -> dict[str, Locked]:
        """Files within an output that some stage names for itself: data sets beside the tables of that output."""
        read = {path: found for stage in self.stages for path, found in self._paths(stage, "deps")}
        return {path: found for path, found in read.items() if self._holder(path) not in (None, path)}

    @cached_property
    def has_traits(self) -> bool:
        """Whether the source declared sensitive attributes of users, as ingest locked its parameters."""
        locked = self.stages.get("ingest", {}).get("params", {}).get("params.yaml", {})
        return any(block.get("traits") for name, block in locked.items() if name.startswith("sources."))

    def reads(self, stage: str) -> list[str]:
        """Return the data sets that a stage reads, sorted; code is none."""
        return sorted({found for path, _ in self._paths(stage, "deps") for found in self._read_as(path)})

    def writes(self, stage: str) -> list[str]:
        """Return the data sets that a stage writes, sorted."""
        made = {path for path, _ in self._paths(stage, "outs")}
        tables = {table for path in made for table in (*data_sets(path, self.has_traits), *set_aside(path))}
        return sorted(tables | {path for path in self.named if self._holder(path) in made})

    def locked(self, data_set: str) -> Locked | None:
        """Return what the lock says of a data set itself; None: it is part of an output, see `holder`."""
        return self.outputs.get(data_set) or self.named.get(data_set) or self._source.get(data_set)

    def holder(self, data_set: str) -> Locked | None:
        """Return what the lock says of the output that holds a data set; None: the source, which no stage writes."""
        holder = self._holder(data_set)
        return None if holder is None else self.outputs[holder]

    @cached_property
    def _source(self) -> dict[str, Locked]:
        reads = (self._paths(stage, "deps") for stage in self.stages)
        return {path: found for paths in reads for path, found in paths if path == self.source_path}

    def _read_as(self, path: str) -> Iterator[str]:
        if path in self.outputs:
            yield from data_sets(path, self.has_traits)
        elif self._holder(path) is not None or path == self.source_path:
            yield path
        else:
            below = (output for output in self.outputs if output.startswith(f"{path}/"))
            yield from (found for output in below for found in data_sets(output, self.has_traits))

    def _holder(self, path: str) -> str | None:
        return next((output for output in self.outputs if path == output or path.startswith(f"{output}/")), None)

    def _paths(self, stage: str, kind: str) -> Iterator[tuple[str, Locked]]:
        for item in self.stages[stage].get(kind, ()):
            digest = str(item.get("md5") or item.get("hash"))
            yield item["path"], Locked(digest.removesuffix(_FOLDER), item.get("size", 0), item.get("nfiles", 1))
