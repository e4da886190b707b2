"""The `dwell` command line. It only wires: every command calls what the flows and stages call."""

import contextlib
import datetime as dt
import importlib.metadata
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows import environment
from tasks.core.errors import DwellError, print_error
from tasks.core.layout import Workspace
from tasks.core.names import checked_name
from tasks.core.processes import own_run
from tasks.core.system_errors import in_words

if TYPE_CHECKING:
    from tasks.registry import Registry

app = typer.Typer(
    name="dwell",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
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


def _name(value: str | None) -> str | None:
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
        "--source", callback=_name, help="A name below `sources` in params.yaml. Default: the one params.yaml chooses."
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


def _address(port: int) -> None:
    os.environ.setdefault("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")


def _date(value: dt.datetime | None) -> dt.date | None:
    return value.date() if value else None


def _registry(source: str | None) -> "Registry":
    """Return the registry of a source; None: of the default one."""
    from tasks.config import load_params
    from tasks.registry import Registry

    workspace = Workspace()
    return Registry(workspace.registry(source or load_params(workspace.params).default_source))


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="A folder or a file of a log: CSV, JSON lines, Parquet; gz, zst, bz2.")],
    write: Annotated[
        str | None, typer.Option("--write", callback=_name, help="Also add the source to params.yaml under this name.")
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
    for line in run(config, params.window, params.validation, Workspace().scratch, _date(as_of)).lines():
        typer.echo(line)


@app.command()
def nightly(as_of: AsOf = None, source: Source = None, data: Data = None, rewrite: Rewrite = False) -> None:
    """Run one night as a Prefect flow: ingest to report, then register the decision."""
    from flows.nightly import nightly as flow

    with environment.flow_run(Path.cwd()):
        outcome = flow(as_of=_date(as_of), source=source, data=str(data) if data else None, rewrite=rewrite)
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
    from flows.backfill import backfill as flow

    with environment.flow_run(Path.cwd()):
        outcomes = flow(first.date(), last.date(), source, str(data) if data else None, rewrite)
    for outcome in outcomes:
        typer.echo(outcome.summary())


@app.command()
def prepare(as_of: AsOf = None, source: Source = None, data: Data = None) -> None:
    """Write run.yaml, the key of one night, so that `dvc repro` or `dwell stage` can run it without Prefect."""
    from tasks.night.key import prepare_night
    from tasks.night.lock import holding

    with holding(Workspace(), "dwell prepare"):
        key = prepare_night(Workspace(), _date(as_of), source, data)
    typer.echo(f"run.yaml: night {key.as_of} of {key.source}, champion {key.champion}")


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="A stage of dvc.yaml: ingest, validate, features, table, train, ...")],
    recipe: Annotated[
        str | None, typer.Option("--recipe", callback=_name, help="Recipe or ensemble, for stages run per model.")
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
        str, typer.Option(callback=_name, help="The simulator's settings: a name below `sources` in params.yaml.")
    ] = "simulator",
    truth: Annotated[
        bool, typer.Option(help="Also write the true exposure probability and expected watch time of every row.")
    ] = False,
) -> None:
    """Write simulated impression days, with their truth if asked for."""
    from tasks.config import load_params
    from tasks.simulate import simulate_days

    config = load_params(Workspace().params).named_source(source)
    if config.kind != "simulator":
        raise DwellError(f"source {source!r} is of kind {config.kind}: name one of kind simulator")
    summary = simulate_days(config, out, days, rows_per_day, truth)
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
    recipe: Annotated[str, typer.Argument(callback=_name, help="A name below `recipes` in params.yaml.")],
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
def serve(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 4200) -> None:
    """Run a Prefect server and a worker until interrupted; whoever asks it needs the password in .dwell/prefect.auth."""
    from flows.serve import serve as run

    with own_run(Path.cwd()):
        status = run(port)
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
    from tasks.config import json_schema
    from tasks.core.contract import TABLES

    if part == "contract":
        for table, columns in TABLES.items():
            typer.echo(f"{table}:")
            for column in columns:
                null = "null" if column.nullable else "not null"
                typer.echo(f"  {column.name:22s} {column.dtype!s:8s} {null:9s} {column.meaning}")
        return
    if part not in ("params", "recipe"):
        raise DwellError(f"unknown part {part!r}; there are params, recipe, contract")
    typer.echo(json.dumps(json_schema(part), indent=2))


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why; it stays in the ledger.")],
    source: Source = None,
    to: Annotated[
        str | None, typer.Option(help="Registry entry to return to. Default: the champion before the present one.")
    ] = None,
    as_of: FirstNight = None,
) -> None:
    """Make an earlier champion the champion again. Reversible: roll back to the later entry."""
    from tasks.night.lock import holding

    book = _registry(source)
    with holding(Workspace(), "dwell rollback"):
        event = book.rollback(to=to, reason=reason, as_of=_date(as_of))
    typer.echo(f"champion is now {event.entry} (from night {event.as_of} on)")


@app.command()
def retire(
    reason: Annotated[str, typer.Option(help="Why; it stays in the ledger.")],
    source: Source = None,
    as_of: FirstNight = None,
) -> None:
    """Take the champion away: the next night makes a first one. Reversible: `dwell rollback`."""
    from tasks.night.lock import holding

    book = _registry(source)
    with holding(Workspace(), "dwell retire"):
        event = book.retire(reason, _date(as_of))
    typer.echo(f"champion {event.previous} is retired (from night {event.as_of} on); `dwell rollback` brings it back")


@app.command()
def promote(
    challenger: Annotated[str, typer.Argument(help="A challenger of the night in run.yaml.")],
    reason: Annotated[str, typer.Option(help="Why the gate is overruled; it stays with the entry for ever.")],
) -> None:
    """Make a challenger of the night in run.yaml champion from the next night on, whatever the gate said of it."""
    from tasks.core.run_key import load_run_key
    from tasks.night.lock import holding
    from tasks.night.publish import promote as force

    workspace = Workspace()
    with holding(workspace, "dwell promote"):
        event = force(workspace, load_run_key(workspace.run_key), challenger, reason)
    typer.echo(f"champion is now {event.entry}, promoted by force (from night {event.effective_from} on)")


@app.command()
def status(source: Source = None) -> None:
    """Show who is at work here, the night in run.yaml, the champion and the last decisions."""
    from tasks.core.run_key import load_run_key
    from tasks.night.lock import holder

    workspace = Workspace()
    if (held := holder(workspace)) is not None:
        typer.echo(f"at work: {held}")
    book = _registry(source)
    if workspace.run_key.exists():
        key = load_run_key(workspace.run_key)
        typer.echo(f"run.yaml: night {key.as_of} of {key.source}, champion {key.champion}")
    typer.echo(str(book.status()))


@app.command()
def clean(
    keep_nights: Annotated[
        int | None, typer.Option(help="Archived nights to keep of each source. Default: nightly.keep_nights.", min=1)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; else it is only said what would go.")] = False,
) -> None:
    """Remove what old nights left: archives, evidence, DVC's cache, Prefect's history. Registry entries always stay."""
    from tasks.config import load_params
    from tasks.night.lock import holding
    from tasks.retention import plan

    workspace = Workspace()
    with holding(workspace, "dwell clean"):
        found = plan(workspace, keep_nights or load_params(workspace.params).nightly.keep_nights)
        typer.echo("nothing to remove" if found.is_empty else str(found))
        if yes:
            found.carry_out()
        elif not found.is_empty:
            typer.echo("nothing was removed: add --yes to do so")


@app.command()
def doctor(
    mend: Annotated[bool, typer.Option("--mend", help="Also mend what can be mended without loss.")] = False,
) -> None:
    """Look at environment, services, locks, leftovers, ledgers, registry and disk; every finding comes with its remedy."""
    from tasks.doctor import diagnose
    from tasks.night.lock import holder, holding

    workspace, grave = Workspace(), False
    if (held := holder(workspace)) is not None:
        typer.echo(f"at work: {held}")
    with holding(workspace, "dwell doctor", sweeping=False) if mend else contextlib.nullcontext():
        for finding in diagnose(workspace, at_rest=held is None):
            if mend and finding.mend is not None:
                typer.echo(f"mended: {finding.problem}: {finding.mend()}")
                continue
            grave |= finding.grave
            can = " (`dwell doctor --mend` does it)" if finding.mend else ""
            typer.echo(f"{'problem' if finding.grave else 'notice'}: {finding}{can}")
    typer.echo("a night cannot be trusted before the problems are mended" if grave else "a night can run")
    if grave:
        raise typer.Exit(1)


def main() -> None:
    """Entry point: errors meant for a person are printed as one, without a traceback."""
    try:
        environment.prepare(Path.cwd())
        with in_words("dwell"):
            app()
    except DwellError as error:
        sys.exit(print_error(error))


if __name__ == "__main__":
    main()
