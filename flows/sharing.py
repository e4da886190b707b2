"""Commands that share what nights made: DVC's outputs, the registry, the archives, and what came from what."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from flows.options import Source
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


def lineage(
    night: Annotated[
        dt.datetime | None, typer.Argument(formats=["%Y-%m-%d"], help="Which night. Default: that in run.yaml.")
    ] = None,
    source: Source = None,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: .dwell/lineage/SOURCE/NIGHT.jsonl.")] = None,
) -> None:
    """Write what a night read and made, by stage, table and column, as OpenLineage events; OPENLINEAGE_URL is sent them too."""
    from tasks.config import load_params
    from tasks.core.run_key import load_run_key
    from tasks.lineage.night import tell_night

    workspace = Workspace()
    if night is None:
        key = load_run_key(workspace.run_key)
        path = tell_night(workspace, key.source, key.as_of, out)
    else:
        path = tell_night(workspace, source or load_params(workspace.params).default_source, night.date(), out)
    typer.echo(f"written: {path}")


def mlflow(
    uri: Annotated[str | None, typer.Option(help="Server of MLflow. Default: what MLFLOW_TRACKING_URI names.")] = None,
    source: Source = None,
) -> None:
    """Mirror archive and registry to MLflow: a run per night, a model version per registry entry, aliases champion and challenger."""
    from tasks.config import load_params
    from tasks.mlflow.mirror import mirror
    from tasks.mlflow.server import Server
    from tasks.night.lock import holding

    workspace = Workspace()
    params = load_params(workspace.params)
    with holding(workspace, "dwell mlflow"), Server.named(uri) as server:
        done = mirror(workspace, source or params.default_source, server, params.nightly.site_url)
    typer.echo(f"mirrored: {done}")


def onnx(
    out: Annotated[Path, typer.Option(help="Folder to write, replaced as a whole.")],
    model: Annotated[Path, typer.Option(help="Folder of an exported model.")] = Path("artifacts/scores/model"),
) -> None:
    """Write the exported model that serves as ONNX, after holding it against the program it is made of."""
    from tasks.inference.onnx import write_onnx

    for member, difference in write_onnx(model, out).items():
        typer.echo(f"{member or 'model'}: outputs differ by up to {difference:.1g} of themselves")
    typer.echo(f"written: {out}")


def tensorboard(
    out: Annotated[
        Path, typer.Option(help="Folder to write, replaced as a whole: what --logdir of TensorBoard names.")
    ],
) -> None:
    """Write the training curves of the night in this workspace as TensorBoard reads them, a run per recipe and seed."""
    from tasks.tensorboard import write_tensorboard

    for run in write_tensorboard(Workspace().plots, out):
        typer.echo(f"written: {out / run}")


COMMANDS = (push, pull, lineage, mlflow, onnx, tensorboard)
"""In the order of the help."""
