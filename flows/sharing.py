"""Commands that share what nights made: DVC's outputs, the registry, the archives."""

from pathlib import Path
from typing import Annotated

import typer

from tasks.core.layout import Workspace

Remote = Annotated[str | None, typer.Option(help="A remote of DVC's configuration. Default: its default one.")]


def push(remote: Remote = None) -> None:
    """Bring the night, the registry and the archives to a DVC remote: what `dvc push` brings, and what lies beside it."""
    from tasks.night.lock import holding
    from tasks.share import Exchange, shelf

    workspace = Workspace()
    with holding(workspace, "dwell push"), shelf(workspace.root, remote) as (repo, place):
        objects = repo.push(remote=remote)
        brought = Exchange(workspace, place).push()
    typer.echo(f"pushed to {place.name}: {objects} objects of DVC, {brought}")
    typer.echo("commit dvc.lock, run.yaml and params.yaml: they name what was pushed")


def pull(remote: Remote = None) -> None:
    """Bring the night that dvc.lock names, the registry and the archives from a DVC remote. What stands here stays."""
    from tasks.night.lock import holding
    from tasks.share import Exchange, shelf

    workspace = Workspace()
    with holding(workspace, "dwell pull"), shelf(workspace.root, remote) as (repo, place):
        brought = Exchange(workspace, place).pull()
        objects = repo.pull(remote=remote).get("fetched", 0) if Path("dvc.lock").exists() else 0
    typer.echo(f"pulled from {place.name}: {objects} objects of DVC, {brought}")


COMMANDS = (push, pull)
"""In the order of the help."""
