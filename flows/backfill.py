"""Nights that were missed, one after the other: each is the same run with an older `as_of`."""

import datetime as dt
from pathlib import Path
from typing import cast

from prefect import flow, get_run_logger
from prefect.runtime import deployment

from flows.nightly import nightly
from flows.notify import notify
from flows.stages import warm_processes
from tasks.core.errors import ConfigError
from tasks.core.layout import Workspace
from tasks.night.lock import holding
from tasks.night.publish import Outcome


@flow(name="backfill", flow_run_name="backfill {first} to {last}", on_failure=[notify], on_crashed=[notify])
def backfill(
    first: dt.date, last: dt.date, source: str | None = None, data: str | None = None, rewrite: bool = False
) -> list[Outcome]:
    """Run the nights `first` to `last`, both included, in order: a night's champion is what the nights before promoted.

    Nights that later ones follow change nothing, unless `rewrite` lets them count.

    Raises:
        ConfigError: if `last` is before `first`.
        NightError: if another process holds the workspace (a deployed backfill waits for its turn).
    """
    if last < first:
        raise ConfigError(f"the last night {last} is before the first one {first}")
    nights = [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]
    deployed = deployment.id is not None
    workspace = Workspace(Path.cwd())
    with (
        holding(workspace, f"dwell backfill {first} to {last}", wait=deployed, log=get_run_logger()),
        warm_processes(workspace.root),
    ):
        return [cast(Outcome, nightly(as_of=night, source=source, data=data, rewrite=rewrite)) for night in nights]
