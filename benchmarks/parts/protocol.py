"""The protocol of a part: its file, with the seeds that are asked for and, in a quick run, smaller parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.parts.part import Options
from tasks.protocol.config import Protocol, load_protocol


def protocol_of(path: Path, options: Options, quick: Mapping[str, Any], *changes: Mapping[str, Any]) -> Protocol:
    """Read a protocol.

    Args:
        path: its file.
        options: whose seeds every recipe is fitted with.
        quick: parameters of a quick run.
        changes: of the parameters, in every run.

    Raises:
        ConfigError: if it is wrong.
    """
    seeds = {"training": {"seeds": list(options.seeds)}}
    given = (seeds, *changes, *([quick] if options.quick else []))
    return load_protocol(path, *({"params": params} for params in given))
