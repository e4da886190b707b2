"""Commands for whoever keeps nights running: who serves, what came of every night, what is left behind."""

import contextlib
import datetime as dt
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.options import FirstNight, Source, date, named
from tasks.core.errors import ConfigError
from tasks.core.layout import Workspace

if TYPE_CHECKING:
    from tasks.registry import Registry
    from tasks.weekly.proposal import Proposal

_LOOKED_AT = 30
"""Nights among which `status` looks for what is late."""


def _registry(source: str | None) -> "Registry":
    """Return the registry of a source; None: of the default one."""
    from tasks.config import load_params
    from tasks.registry import Registry

    workspace = Workspace()
    return Registry(workspace.registry(source or load_params(workspace.params).default_source))


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
        event = book.rollback(to=to, reason=reason, as_of=date(as_of))
    typer.echo(
        f"champion is now {event.entry} (from night {event.as_of} on); `dwell score` writes its lists for today now"
    )


def retire(
    reason: Annotated[str, typer.Option(help="Why; it stays in the ledger.")],
    source: Source = None,
    as_of: FirstNight = None,
) -> None:
    """Take the champion away: the next night makes a first one. Reversible: `dwell rollback`."""
    from tasks.night.lock import holding

    book = _registry(source)
    with holding(Workspace(), "dwell retire"):
        event = book.retire(reason, date(as_of))
    typer.echo(f"champion {event.previous} is retired (from night {event.as_of} on); `dwell rollback` brings it back")


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


def score(
    model: Annotated[
        str,
        typer.Argument(
            help="champion (whoever would serve now), a recipe or ensemble of the night in run.yaml, or the id of a "
            "registry entry."
        ),
    ] = "champion",
    day: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Which day's lists. Default: the one the night serves."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to. Default: scored/DAY/MODEL.")] = None,
) -> None:
    """Write a day's scores and lists by any fitted model, as the night's stage `score` does; nothing else changes."""
    from tasks.inference import score_day
    from tasks.night.lock import holding
    from tasks.stages import Night

    workspace = Workspace()
    with holding(workspace, "dwell score"):
        made = score_day(Night.load(workspace), model, date(day), out)
    summary = made.summary
    videos = (
        f"x {summary.pool} videos" if summary.proposer is None else f"with what {summary.proposer} proposed to each"
    )
    typer.echo(f"{summary.day}, {made.model}: {summary.users} users {videos} in {made.folder}")


def reweigh(
    weights: Annotated[
        list[str],
        typer.Argument(
            help="OBJECTIVE=WEIGHT, such as like=2 skip=-1: below 0 where unwanted; watch_time is 1 unless it is named.",
            metavar="OBJECTIVE=WEIGHT...",
        ),
    ],
    k: Annotated[
        int | None, typer.Option("-k", help="First places of tomorrow's lists that are looked at. Default: all.", min=1)
    ] = None,
) -> None:
    """Show how lists would change under other weights of the objectives: places, seconds, likes; nothing is written."""
    from tasks.inference.other_weights import lines, other_weights
    from tasks.stages import Night

    for line in lines(other_weights(Night.load(Workspace()), _weights(weights), k)):
        typer.echo(line)


def _weights(texts: list[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, weight = text.partition("=")
        try:
            found[name] = float(weight)
        except ValueError:
            raise ConfigError(f"{text!r} is no weight: write OBJECTIVE=WEIGHT, such as like=2 or skip=-1") from None
    return found


def status(source: Source = None) -> None:
    """Show on one screen who is at work here, the last attempt, the champion and its age, what is late, and what to do."""
    from tasks.config import load_params
    from tasks.core.run_key import load_run_key
    from tasks.night.calendar import calendar as look
    from tasks.night.latest import latest_night
    from tasks.night.lock import holder

    workspace = Workspace()
    held = holder(workspace)
    if held is not None:
        typer.echo(f"at work: {held}")
    params = load_params(workspace.params)
    name = source or params.default_source
    if workspace.run_key.exists():
        key = load_run_key(workspace.run_key)
        typer.echo(f"run.yaml: night {key.as_of} of {key.source}, champion {key.champion}")
    found = look(workspace, name, latest_night(params, name), _LOOKED_AT, held is not None)
    if found.last_attempt is not None:
        typer.echo(f"last attempt: night {found.last_attempt}")
    typer.echo(f"source: {name}")
    typer.echo(str(_registry(name).status()))
    for other in sorted(path.name for path in workspace.all_registries.glob("*") if path.is_dir()):
        if other != name and (there := _registry(other).status()).events:
            champion = there.champion or "none"
            typer.echo(
                f"also here: {other}, night {there.last_night}, champion {champion} (`dwell status --source {other}`)"
            )
    if proposed := _open_proposals(workspace, name):
        typer.echo(f"proposed: {', '.join(proposal.name for _, proposal in proposed)} (`dwell proposals` shows what)")
    if found.holes:
        typer.echo(f"late: {', '.join(str(night.as_of) for night in found.holes)} came to no decision")
    for remedy in found.remedies:
        typer.echo(f"to do: {remedy}")


def proposals(
    source: Source = None,
    merge: Annotated[
        str | None, typer.Option("--merge", callback=named, help="An open proposal to write into params.yaml.")
    ] = None,
) -> None:
    """Show what `dwell weekly` proposes and nobody has merged: why, and what would change; or merge one."""
    from tasks.config import load_params, write_params
    from tasks.core.yaml_file import read_yaml
    from tasks.weekly.proposal import DIFF

    workspace = Workspace()
    found = _open_proposals(workspace, source or load_params(workspace.params).default_source)
    if merge is not None:
        chosen = {proposal.name: proposal for _, proposal in found}
        if merge not in chosen:
            raise ConfigError(f"no open proposal {merge!r}; there are: {', '.join(chosen) or 'none'}")
        text = workspace.params.read_text(encoding="utf-8")
        write_params(workspace.params, chosen[merge].merged_into(text, read_yaml(workspace.params).value))
        typer.echo(f"{workspace.params}: {chosen[merge].says[-1]}; merged")
        return
    for folder, proposal in found:
        typer.echo(f"{proposal.name}, night {proposal.as_of} of {proposal.source}:")
        for said in proposal.says:
            typer.echo(f"  {said}")
        typer.echo(f"  what would change: {folder / DIFF}")
        typer.echo(f"  merge: dwell proposals --merge {proposal.name}   (drop it: rm -r {folder})")
    if not found:
        typer.echo("nothing is proposed")


def _open_proposals(workspace: Workspace, source: str) -> "list[tuple[Path, Proposal]]":
    from tasks.core.yaml_file import read_yaml
    from tasks.weekly.proposal import open_proposals

    return open_proposals(workspace.proposals(source), read_yaml(workspace.params).value)


def card(
    model: Annotated[
        str, typer.Argument(help="champion, or the id of a registry entry; data: the rows of the night.")
    ] = "champion",
    out: Annotated[Path | None, typer.Option(help="File to write. Default: print it.")] = None,
) -> None:
    """Print the card of a registered model, or of the night's data: what somebody elsewhere has to know, in Markdown."""
    from tasks.cards import data_card, model_card
    from tasks.core.document import read_document
    from tasks.core.files import write_text
    from tasks.inference.named import named_bundle
    from tasks.stages import Night
    from tasks.validate.summary import FILE, DataSummary

    night = Night.load(Workspace())
    if model == "data":
        text = data_card(night.key, read_document(night.workspace.validated / FILE, DataSummary, "validate"))
    else:
        text = model_card(*named_bundle(night, model).registered)
    if out is None:
        typer.echo(text, nl=False)
    else:
        typer.echo(f"written: {write_text(out, text)}")


def calendar(
    source: Source = None,
    nights: Annotated[
        int, typer.Option(help="How many nights to show, up to the last that could have run.", min=1)
    ] = 30,
) -> None:
    """Show what came of every night: decided, missing, failed; what has changed since, and the command that fills the holes."""
    from tasks.config import load_params
    from tasks.night.calendar import calendar as look
    from tasks.night.latest import latest_night
    from tasks.night.lock import holder

    workspace = Workspace()
    params = load_params(workspace.params)
    name = source or params.default_source
    for line in look(workspace, name, latest_night(params, name), nights, holder(workspace) is not None).lines():
        typer.echo(line)


def site(
    nights: Annotated[
        int | None, typer.Option(help="Nights to show of each source. Default: nightly.site_nights.", min=1)
    ] = None,
) -> None:
    """Write pages of all nights to the folder `site`: trends, a calendar with its holes, every report, every failure."""
    from tasks.config import load_params
    from tasks.night.latest import latest_night
    from tasks.night.lock import holder
    from tasks.site import build_site

    workspace = Workspace()
    params = load_params(workspace.params)
    shown, at_work = nights or params.nightly.site_nights, holder(workspace) is not None
    page = build_site(workspace, params.report.title, shown, partial(latest_night, params), at_work)
    typer.echo(f"written: {page}")


def sandbox(name: Annotated[str, typer.Argument(callback=named, help="What to call it.")]) -> None:
    """Make a workspace for experiments: nights in it, of any date and configuration, change nothing here."""
    from tasks.night.lock import holding
    from tasks.night.sandbox import make_sandbox

    workspace = Workspace()
    with holding(workspace, "dwell sandbox"):
        folder = make_sandbox(workspace, name)
    typer.echo(f"{folder} is a workspace of its own: cd there, run what you like; rm -r removes it")


def clean(
    keep_nights: Annotated[
        int | None, typer.Option(help="Archived nights to keep of each source. Default: nightly.keep_nights.", min=1)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; else it is only said what would go.")] = False,
) -> None:
    """Remove what old nights left: archives, evidence, models of old champions, DVC's cache, Prefect's history."""
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


COMMANDS = (rollback, retire, promote, score, reweigh, card, status, calendar, proposals, site, sandbox, clean, doctor)
"""In the order of the help."""
