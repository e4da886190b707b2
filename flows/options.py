"""Options that several commands share, and what becomes of their values."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from tasks.core.errors import ConfigError
from tasks.core.names import checked_name


def named(value: str | None) -> str | None:
    """Check a name; None stays None."""
    return None if value is None else checked_name(value)


FirstNight = Annotated[
    dt.datetime | None,
    typer.Option(
        "--as-of", formats=["%Y-%m-%d"], help="First night it counts for. Default: after the last one recorded."
    ),
]
AsOf = Annotated[
    dt.datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        help="Night T: fit up to T-2, calibrate on T-1, judge on T. Default: the source's last day.",
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source", callback=named, help="A name below `sources` in params.yaml. Default: the one params.yaml chooses."
    ),
]
Data = Annotated[
    Path | None, typer.Option("--data", help="Read the source from this path instead of the one in params.yaml.")
]


Rewrite = Annotated[
    bool,
    typer.Option(
        "--rewrite", help="Let nights that later ones follow decide who serves; without it they change nothing."
    ),
]
Port = Annotated[int, typer.Option("--port", help="Port of the server on 127.0.0.1, unless PREFECT_API_URL names one.")]


def names(value: str | None) -> tuple[str, ...]:
    """Return the names of a list such as a,b, checked; None: none."""
    return tuple(checked_name(name.strip()) for name in value.split(",")) if value else ()


def nights_between(value: str | None) -> tuple[dt.date, dt.date] | None:
    """Return first and last night of a span such as 2026-01-15..2026-01-20, or of a single night; None stays None.

    Raises:
        ConfigError: if it is neither.
    """
    if value is None:
        return None
    first, _, last = value.partition("..")
    try:
        span = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
    except ValueError:
        raise ConfigError(f"--nights {value!r}: write 2026-01-15..2026-01-20, or one night 2026-01-15") from None
    if span[0] > span[1]:
        raise ConfigError(f"--nights {value}: the first night is later than the last")
    return span


def date(value: dt.datetime | None) -> dt.date | None:
    """Return the day of a point in time."""
    return value.date() if value else None
