"""The protocol of a part: its file, with the seeds that are asked for and, in a quick run, smaller parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.parts.part import Options
from tasks.protocol.config import Protocol, load_protocol


def protocol_of(
    path: Path,
    options: Options,
    quick: Mapping[str, Any],
    *changes: Mapping[str, Any],
    quick_days: Mapping[str, Any] | None = None,
) -> Protocol:
    """Read a protocol.

    Args:
        path: its file.
        options: whose seeds every recipe is fitted with.
        quick: parameters of a quick run.
        changes: of the parameters, in every run.
        quick_days: days of a quick run; None: those of the file.

    Raises:
        ConfigError: if it is wrong.
    """
    seeds = {"training": {"seeds": list(options.seeds)}}
    given = (seeds, *changes, *([quick] if options.quick else []))
    days = {"days": quick_days} if options.quick and quick_days else {}
    return load_protocol(path, *({"params": params} for params in given), days)
