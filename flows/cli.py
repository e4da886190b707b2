"""The `dwell` command line. It only wires: every command calls what the flows and stages call."""

import datetime as dt
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows import comparing, environment, operating, sharing
from flows.options import AsOf, Data, Port, Rewrite, Source, date, named, names
from tasks.core.errors import DwellError, print_error
from tasks.core.layout import Workspace
from tasks.core.processes import own_run
from tasks.core.system_errors import in_words

_COMPLETING = "_DWELL_COMPLETE"
"""Variable with which a shell asks for completions, in whichever folder it is: nothing is to be written there."""

app = typer.Typer(
    name="dwell",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dwell {importlib.metadata.version('dwell')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Nightly, evidence-gated watch-time models for short-video recommendation."""


def _address(port: int) -> None:
    os.environ.setdefault("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="A folder or a file of a log: CSV, JSON lines, Parquet; gz, zst, bz2.")],
    write: Annotated[
        str | None, typer.Option("--write", callback=named, help="Also add the source to params.yaml under this name.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Days begin at its midnight, such as Asia/Shanghai. Default: as the times say, else UTC."),
    ] = None,
) -> None:
    """Look at a log that is new here: propose its mapping, show what comes out, say what is missing and what that costs."""
    from tasks.onboard.init import onboard
    from tasks.onboard.init import write as add

    found = onboard(path, timezone)
    for line in found.lines(write or "mine"):
        typer.echo(line)
    if write:
        typer.echo(add(Workspace().params, write, found.proposal))


@app.command()
def check(as_of: AsOf = None, source: Source = None, data: Data = None) -> None:
    """Ingest and validate a sample of a source, and touch nothing: what would a night say of it?"""
    from tasks.config import load_params
    from tasks.onboard.check import check as run

    params = load_params(Workspace().params)
    config = params.source_at(source or params.default_source, data)
    for line in run(config, params.window, params.validation, Workspace().scratch, date(as_of)).lines():
        typer.echo(line)


@app.command()
def nightly(
    as_of: AsOf = None,
    source: Source = None,
    data: Data = None,
    rewrite: Rewrite = False,
    recipes: Annotated[
        str | None,
        typer.Option(help="With --no-publish: recipes and ensembles to judge, a,b. Default: those of `nightly`."),
    ] = None,
    publish: Annotated[
        bool,
        typer.Option(
            "--publish/--no-publish", help="A trial: say what the decision would be, and change nothing here."
        ),
    ] = True,
) -> None:
    """Run one night as a Prefect flow: ingest to report, then register the decision."""
    key = date(as_of), source, str(data) if data else None
    if publish and recipes is not None:
        raise DwellError(
            "--recipes goes with --no-publish: what a published night judges stands below `nightly` in params.yaml"
        )
    if rewrite and not publish:
        raise DwellError("--rewrite and --no-publish contradict each other: a trial changes no history")
    with environment.flow_run(Path.cwd()):
        from flows.nightly import nightly as flow
        from flows.nightly import trial

        outcome = flow(*key, rewrite) if publish else trial(names(recipes), *key)
    typer.echo(outcome.summary())  # type: ignore[union-attr]


@app.command()
def backfill(
    first: Annotated[dt.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First night to run.")],
    last: Annotated[dt.datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last night to run.")],
    source: Source = None,
    data: Data = None,
    rewrite: Rewrite = False,
) -> None:
    """Run missed nights, oldest first."""
    with environment.flow_run(Path.cwd()):
        from flows.backfill import backfill as flow

        outcomes = flow(first.date(), last.date(), source, str(data) if data else None, rewrite)
    for outcome in outcomes:
        typer.echo(outcome.summary())


@app.command()
def weekly() -> None:
    """Run the reviews of params.yaml on the night in run.yaml: what they propose, a person merges; nothing else changes."""
    with environment.flow_run(Path.cwd()):
        from flows.weekly import weekly as flow

        found = flow()
    for proposal in found:
        for line in (f"{proposal.name}:", *(f"  {said}" for said in proposal.says)):
            typer.echo(line)


@app.command()
def prepare(as_of: AsOf = None, source: Source = None, data: Data = None) -> None:
    """Write run.yaml, the key of one night, so that `dvc repro` or `dwell stage` can run it without Prefect."""
    from tasks.night.key import prepare_night
    from tasks.night.lock import holding

    with holding(Workspace(), "dwell prepare"):
        key = prepare_night(Workspace(), date(as_of), source, data)
    typer.echo(f"run.yaml: night {key.as_of} of {key.source}, champion {key.champion}")


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="A stage of dvc.yaml: ingest, validate, features, table, train, ...")],
    recipe: Annotated[
        str | None, typer.Option("--recipe", callback=named, help="Recipe or ensemble, for stages run per model.")
    ] = None,
) -> None:
    """Run one stage of the night in run.yaml here, without DVC and Prefect."""
    from tasks.main import run_stage
    from tasks.stages import STAGES

    if name not in STAGES:
        raise DwellError(f"unknown stage {name!r}; there are {', '.join(STAGES)}")
    run_stage(Workspace(), name, recipe)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write the days to.")],
    days: Annotated[int, typer.Option(help="Number of days.", min=1)] = 15,
    rows_per_day: Annotated[
        int | None, typer.Option(help="Impressions per day. Default: as in params.yaml.", min=1)
    ] = None,
    source: Annotated[
        str, typer.Option(callback=named, help="The simulator's settings: a name below `sources` in params.yaml.")
    ] = "simulator",
    truth: Annotated[
        bool, typer.Option(help="Also write the true exposure probability and expected watch time of every row.")
    ] = False,
) -> None:
    """Write simulated impression days, with their truth if asked for."""
    from tasks.config import load_params
    from tasks.simulate import simulate_days

    params = load_params(Workspace().params)
    config = params.named_source(source)
    if config.kind != "simulator":
        raise DwellError(f"source {source!r} is of kind {config.kind}: name one of kind simulator")
    summary = simulate_days(config, out, days, rows_per_day, truth, params.cluster)
    typer.echo(json.dumps(summary, default=str))


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="kuairand-pure, kuairand-1k, kuairand-27k or kuairec")],
    into: Annotated[Path, typer.Option(help="Folder to unpack into.")] = Path("datasets"),
    url: Annotated[str | None, typer.Option(help="Fetch from a mirror instead of the official archive.")] = None,
) -> None:
    """Fetch a public data set from its official archive: resumes, checks the checksum, unpacks safely."""
    from tasks.ingest.download import download as fetch

    typer.echo(f"unpacked into {fetch(name, into, url)}")


@app.command()
def benchmark(
    folder: Annotated[Path, typer.Argument(help="A folder of benchmarks/ that holds a protocol.yaml.")],
    data: Data = None,
) -> None:
    """Run a benchmark protocol and write its results beside it."""
    from flows.benchmark import benchmark as flow

    typer.echo(f"results: {flow(folder, data)}")


@app.command()
def tune(
    recipe: Annotated[str, typer.Argument(callback=named, help="A name below `recipes` in params.yaml.")],
    trials: Annotated[
        int | None, typer.Option(help="Trials in all, those of earlier runs included. Default: tuning.trials.", min=2)
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes; one repeats itself exactly. Default: tuning.jobs.", min=1)
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Also add the found recipe to params.yaml, as <recipe>_tuned.")
    ] = False,
) -> None:
    """Search a recipe's hyper-parameters on the fit and validation days of the table; run again, it goes on."""
    from flows.tune import add_to_params
    from flows.tune import tune as search
    from tasks.tune.study import report_progress

    report_progress()
    tuned = search(Workspace(), recipe, trials, jobs)
    typer.echo(tuned.found.summary())
    typer.echo(f"written: {tuned.recipe}, {tuned.trials}")
    if write:
        typer.echo(add_to_params(Workspace().params, tuned))


@app.command()
def importance(
    recipe: Annotated[str, typer.Argument(callback=named, help="A network that was fitted in this workspace.")],
    task: Annotated[str, typer.Option(help="Whose fields are listed.")] = "watch_time",
    shuffles: Annotated[int, typer.Option(help="Shuffles of every field.", min=1)] = 5,
) -> None:
    """Rank the fields that a fitted network reads beside permutation itself, on the validation day; some seconds."""
    from tasks.attribution.ask import ask

    workspace = Workspace()
    asked = ask(workspace.bundle(recipe), workspace.table, workspace.features, shuffles, task)
    for line in asked.lines():
        typer.echo(line)


@app.command()
def prune(
    recipe: Annotated[str, typer.Argument(callback=named, help="A name below `recipes` in params.yaml.")],
    most: Annotated[
        int | None, typer.Option(help="Fields to drop at most. Default: as many as the metric allows.", min=1)
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Also add the found recipe to params.yaml, as <recipe>_pruned.")
    ] = False,
) -> None:
    """Drop the fields that a recipe can do without, one by one, on the fit and validation days; run again, it goes on."""
    from flows.prune import add_to_params
    from flows.prune import prune as search

    pruned = search(Workspace(), recipe, most)
    typer.echo(pruned.summary())
    typer.echo(f"written: {pruned.recipe}, {pruned.rounds}")
    if write:
        typer.echo(add_to_params(Workspace().params, pruned))


@app.command()
def traits(
    recipe: Annotated[
        str | None, typer.Argument(callback=named, help="A name below `recipes` in params.yaml that reads traits.")
    ] = None,
) -> None:
    """Say which sensitive attributes of users a night reads and where earlier ones still lie; of a recipe, what they are worth.

    The recipe is fitted with them, without, and with them shuffled among users, and compared on the validation day.
    """
    from flows.traits import ablate, lines

    if recipe is None:
        typer.echo("\n".join(lines(Workspace())))
    else:
        typer.echo(ablate(Workspace(), recipe).summary())


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 4200,
    server: Annotated[
        bool, typer.Option("--server/--no-server", help="--no-server: only a worker, of the server at PREFECT_API_URL.")
    ] = True,
) -> None:
    """Run a Prefect server and a worker until interrupted; whoever asks it needs the password in .dwell/prefect.auth."""
    api = os.environ.get("PREFECT_API_URL")
    if not server and not api:
        raise DwellError(
            "PREFECT_API_URL is not set: name the server that the worker is to serve, http://HOST:4200/api"
        )
    from flows import serve as serving

    with own_run(Path.cwd()):
        status = serving.serve(port) if server or not api else serving.work(api)
    raise typer.Exit(status)


@app.command()
def deploy(port: Port = 4200) -> None:
    """Register work pool and deployments with a running server; harmless to repeat."""
    _address(port)
    from flows.deploy import deploy as run

    run(Path.cwd())


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def prefect(context: typer.Context, port: Port = 4200) -> None:
    """Run any command of Prefect's own against that server, with its password: dwell prefect deployment ls."""
    _address(port)
    os.execv(sys.executable, [sys.executable, "-m", "prefect", *context.args])


@app.command()
def schema(
    part: Annotated[str, typer.Option(help="params, recipe or contract")] = "params",
) -> None:
    """Print the JSON schema of params.yaml or of a recipe, or the data contract."""
    from tasks.core.contract import MARKS, TABLES
    from tasks.schema import json_schema

    if part == "contract":
        for table, columns in TABLES.items():
            typer.echo(f"{table}:")
            for column in (*columns, *MARKS[table]):
                null = "null" if column.nullable else "not null"
                typer.echo(f"  {column.name:22s} {column.dtype!s:8s} {null:9s} {column.meaning}")
        return
    if part not in ("params", "recipe"):
        raise DwellError(f"unknown part {part!r}; there are params, recipe, contract")
    typer.echo(json.dumps(json_schema(part), indent=2))


for command in (*comparing.COMMANDS, *operating.COMMANDS, *sharing.COMMANDS):
    app.command()(command)


def main() -> None:
    """Entry point: errors meant for a person are printed as one, without a traceback."""
    try:
        if _COMPLETING not in os.environ:
            environment.prepare(Path.cwd())
        with in_words("dwell"):
            app()
    except DwellError as error:
        sys.exit(print_error(error))


if __name__ == "__main__":
    main()
