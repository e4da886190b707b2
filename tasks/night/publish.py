"""The end of a night: register the decision, archive the night, and say in a few lines what came out."""

import datetime as dt
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tasks.config import load_params
from tasks.core.document import read_document, read_optional
from tasks.core.files import remove, writing
from tasks.core.layout import Workspace
from tasks.core.machine import this_machine
from tasks.core.manifest import product_hash
from tasks.core.partition_cache import outputs
from tasks.core.run_key import RunKey
from tasks.core.timings import spans, timings
from tasks.evaluate.catalogue import SUMMARY_INTERVALS, label
from tasks.evaluate.summary import summary
from tasks.forecast.words import alarm
from tasks.forecast.words import summary as forecast_summary
from tasks.gate.decision import Decision, load_decision, write_decision
from tasks.night.belonging import refuse_others
from tasks.night.dvc_files import damaged_lock
from tasks.night.headline import write_headline
from tasks.night.reproduced import explanation, other_bytes
from tasks.protocol.record import UNKNOWN, commit
from tasks.registry import Registry, force, register
from tasks.registry.forecast import FILE as FORECAST_FILE
from tasks.registry.forecast import NightForecast
from tasks.registry.ledger import Event
from tasks.report import FILE as REPORT_FILE
from tasks.report import Operations, archive_report, render_report
from tasks.report.operations import FILE as OPERATIONS_FILE
from tasks.validate.summary import FILE as DATA_FILE
from tasks.validate.summary import DataSummary, DaySummary

_log = logging.getLogger(__name__)
_PUBLISHED = (
    "artifacts/models",
    "artifacts/predictions",
    "artifacts/gate",
    "artifacts/scores",
    "artifacts/forecast",
    "artifacts/report",
)
"""What registry and archive are made of."""


@dataclass(frozen=True)
class Outcome:
    """What a night came to."""

    as_of: dt.date
    source: str
    decision: Decision
    headline: tuple[str, ...]
    report: Path
    remark: str | None = None
    """what is to know of a night that later ones follow, or that was not published"""
    published: bool = True
    """whether the decision was registered; of a trial it only would have been"""
    alarms: tuple[str, ...] = ()
    """what of the judge day looks unlike the days before"""

    def summary(self) -> str:
        """Return the lines a person reads at the end of a run."""
        what, would = ("night", "") if self.published else ("trial of night", "would ")
        verdict = f"{self.decision.verdict.upper()} {self.decision.winner or ''}".rstrip()
        return "\n".join(
            [
                f"{what} {self.as_of} of {self.source}: {would}{verdict}",
                f"  {self.decision.reason}",
                *([f"  {self.remark}"] if self.remark else []),
                *(f"  {line}" for line in self.headline),
                f"  report: {self.report}",
            ]
        )

    def summary_markdown(self) -> str:
        """Return the summary as a Prefect artifact shows it."""
        return f"```\n{self.summary()}\n```"


def publish(workspace: Workspace, key: RunKey, stages: Mapping[str, str], rewrite: bool = False) -> Outcome:
    """Register the decision (once), and archive the night with its timings under `nights/`.

    The stages' outputs hold no timings, so that equal inputs give equal bytes; the archived report does.

    Args:
        workspace: where the stages have run.
        key: the night.
        stages: stage -> ran, unchanged or restored.
        rewrite: let the decision count although later nights are decided.

    Raises:
        NightError: if an output belongs to another night.
    """
    params = load_params(workspace.params)
    refuse_others(workspace, params, key, _PUBLISHED, "publishing")
    decision = load_decision(workspace.gate)
    registry = Registry(workspace.registry(key.source))
    event = register(registry, workspace, key, decision, rewrite)
    archive = _place(workspace, key, decision, event)
    _compare_with_archived(archive, workspace.root / "dvc.lock")
    operations = operations_of(workspace, stages)
    _archive(workspace, decision, operations, archive, lambda page: archive_report(workspace, operations, page))
    remove(workspace.failure(key.source, key.as_of))
    forecast = read_document(workspace.forecast / FORECAST_FILE, NightForecast, "forecast")
    arrived = read_document(workspace.validated / DATA_FILE, DataSummary, "validate").days[-1]
    if event.kind != "replayed":
        write_headline(workspace, key, decision, forecast, arrived)
    return Outcome(
        key.as_of,
        key.source,
        decision,
        headline(workspace, params.nightly.challengers),
        archive / REPORT_FILE,
        _remark(event, registry.invalidated(key.as_of), rewrite),
        alarms=tuple(_alarms(arrived, forecast)),
    )


def _alarms(arrived: DaySummary, forecast: NightForecast) -> Iterator[str]:
    yield from (problem.sentence for problem in arrived.problems if problem.status == "warning")
    yield from (alarm(forecast, found) for found in forecast.alarms)


def _place(workspace: Workspace, key: RunKey, decision: Decision, event: Event) -> Path:
    """Return where a night is archived: a replay does not take the place of what counted."""
    place = workspace.night(key.source, key.as_of)
    if event.kind == "replayed" and place.exists() and load_decision(place).id != decision.id:
        return workspace.replay(key.source, key.as_of)
    return place


def _remark(event: Event, later: tuple[dt.date, ...], rewrite: bool) -> str | None:
    if event.kind == "replayed":
        return (
            f"a replay: nights up to {later[-1]} are decided, so it changes nothing (`dwell sandbox NAME` makes a place for "
            "experiments); --rewrite lets it count, and asks for those nights again"
        )
    if rewrite and later:
        nights = f"night {later[0]}" if len(later) == 1 else f"nights {later[0]} to {later[-1]}"
        return f"history was rewritten: {nights} met another champion than they would now; run them again, oldest first"
    return None


def promote(workspace: Workspace, key: RunKey, challenger: str, reason: str) -> Event:
    """Promote a challenger against the gate's word, and mark the archived night as overruled.

    It is champion from the next night on; the lists that the night has made stay as they are.

    Args:
        workspace: where the night's stages have run.
        key: the night.
        challenger: name of the recipe to promote.
        reason: why; may not be empty.

    Raises:
        ConfigError: if the reason is empty or there is no such challenger.
        NightError: if an output belongs to another night.
        RegistryError: if a later night is already decided, or the decision is another night's.
    """
    params = load_params(workspace.params)
    refuse_others(workspace, params, key, _PUBLISHED, "promote")
    decision = load_decision(workspace.gate)
    archived = read_optional(workspace.night(key.source, key.as_of) / OPERATIONS_FILE, Operations, "publish")
    operations = archived or operations_of(workspace, {})
    event = force(Registry(workspace.registry(key.source)), workspace, key, decision, challenger, reason)
    archive, forced = workspace.night(key.source, key.as_of), decision.forced(challenger, reason)

    def draw(page: Path) -> None:
        render_report(workspace, params.report, key, page, operations, forced)

    _archive(workspace, forced, operations, archive, draw)
    return event


def operations_of(workspace: Workspace, stages: Mapping[str, str]) -> Operations:
    """Return what ran in a workspace, and on what.

    Args:
        workspace: where the stages have run.
        stages: stage -> ran, unchanged or restored.
    """
    found = commit()
    return Operations(
        stages=dict(stages),
        timings=timings(workspace),
        machine=this_machine(),
        code=product_hash(),
        version=version("dwell"),
        commit=None if found == UNKNOWN else found,
        days=outputs(workspace.raw / "impressions"),
        spans=spans(workspace),
    )


def _compare_with_archived(archive: Path, lock: Path) -> None:
    """Say aloud if this night was archived before and the same inputs now gave other bytes."""
    archived = archive / lock.name
    if not archived.exists() or damaged_lock(archived):
        return
    if stages := other_bytes(archived, lock):
        before = read_optional(archive / OPERATIONS_FILE, Operations, "publish")
        _log.warning(explanation(stages, before.machine if before else None, this_machine()))


def _archive(
    workspace: Workspace,
    decision: Decision,
    operations: Operations,
    archive: Path,
    draw: Callable[[Path], object],
) -> None:
    """Write the folder of a night, in place of an earlier one; `draw` writes its page."""
    with writing(archive, durable=True) as folder:
        folder.mkdir()
        for name in ("run.yaml", "params.yaml", "dvc.lock"):
            shutil.copy(workspace.root / name, folder / name)
        write_decision(folder, decision)
        operations.write(folder / OPERATIONS_FILE)
        draw(folder / REPORT_FILE)


def headline(workspace: Workspace, challengers: tuple[str, ...]) -> tuple[str, ...]:
    """Return one line per challenger, its metrics with their intervals, and one of the forecast.

    Args:
        workspace: where the stages have run.
        challengers: that were judged.
    """
    lines = []
    for name in challengers:
        metrics = summary(workspace, name)
        parts = [
            f"{label(key)} {metrics[key]:.4f} [{metrics[f'{key}_low']:.4f}, {metrics[f'{key}_high']:.4f}]"
            for key in SUMMARY_INTERVALS
            if key in metrics
        ]
        lines.append(f"{name:24s} " + "  ".join(parts))
    return (*lines, *forecast_summary(read_document(workspace.forecast / FORECAST_FILE, NightForecast, "forecast")))
