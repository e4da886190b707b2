"""The nightly flow: settle the run key, run the stages, publish what they decided."""

import datetime as dt
import threading
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from prefect import flow, get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled

from flows import brief_log
from flows.alerts import raise_alarm
from flows.artifacts import name_run, show
from flows.notify import notify
from flows.stages import StageFailed, run_stages, stage_graph, warm_processes
from tasks.config import Nightly, Params, load_params
from tasks.core.errors import DwellError
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.core.timings import forget_spans
from tasks.night.calendar import note_failure
from tasks.night.dvc_files import set_aside_damage, sort_lock
from tasks.night.key import prepare_night
from tasks.night.lock import Log, holding
from tasks.night.publish import Outcome, publish
from tasks.night.trial import keep_trial, trial_workspace
from tasks.retention import plan

brief_log.install()

_MIRROR_S = 10.0
"""How long a night waits for MLflow in all."""


def _begun() -> str:
    """Return what a night is called until it knows its day and its source."""
    given = flow_run.parameters
    return f"night {given.get('as_of') or 'to come'} of {given.get('source') or 'the default source'}"


@flow(name="nightly", flow_run_name=_begun, on_failure=[notify], on_crashed=[notify])
def nightly(
    as_of: dt.date | None = None, source: str | None = None, data: str | None = None, rewrite: bool = False
) -> Outcome | State[Outcome]:
    """Run one night: every stage of dvc.yaml, then register the decision and archive the night.

    Args:
        as_of: night T. None: the day before the scheduled time for a deployment's run, else the source's default night.
        source: a source of params.yaml; None: the default one.
        data: path to read the source from instead of the one in params.yaml.
        rewrite: let the decision of a night that later ones follow count; else it is recorded as a replay, without effect.
    """
    logger = get_run_logger()
    workspace = Workspace(Path.cwd())
    params = load_params(workspace.params)
    if as_of is None and deployment.id is not None:
        if newer := _newer_due_run():
            return Cancelled(
                message=f"superseded by run {newer}, which is due too; `dwell backfill` fills the nights between"
            )
        zone = ZoneInfo(params.named_source(source or params.default_source).timezone)
        as_of = flow_run.scheduled_start_time.astimezone(zone).date() - dt.timedelta(days=1)
    with (
        holding(workspace, "dwell nightly", wait=deployment.id is not None, log=logger),
        warm_processes(workspace.root),
    ):
        if damage := set_aside_damage(workspace):
            logger.warning(damage)
        key = prepare_night(workspace, as_of, source, Path(data) if data else None)
        logger.info("night %s of %s, champion %s", key.as_of, key.source, key.champion)
        name_run(f"night {key.as_of} of {key.source}")
        try:
            outcome = publish(workspace, key, run_night(workspace, params.nightly), rewrite)
        except Exception as error:
            note_failure(workspace, key, error, error.log if isinstance(error, StageFailed) else ())
            _tell(workspace, params.nightly, key, logger)
            raise
        _tell(workspace, params.nightly, key, logger, outcome.report.parent)
        _mirror(workspace, params.nightly, key, logger)
        _clean(workspace, params.nightly.keep_nights, logger)
    for alarm in outcome.alarms:
        raise_alarm(key.source, f"night {key.as_of} of {key.source}: {alarm}")
    show(create_markdown_artifact, "decision", markdown=outcome.summary_markdown(), description=f"night {key.as_of}")
    show(
        create_link_artifact,
        "report",
        link=_link(workspace, params, outcome, logger),
        link_text=f"report of {key.as_of}",
    )
    return outcome


def _link(workspace: Workspace, params: Params, outcome: Outcome, logger: Log) -> str:
    """Return where a browser finds the report: on the site, which is written for it, or as a file of this machine."""
    if params.nightly.site_url is None:
        return outcome.report.resolve().as_uri()
    from tasks.night.latest import latest_night
    from tasks.site import build_site

    try:
        build_site(workspace, params.report.title, params.nightly.site_nights, partial(latest_night, params))
    except DwellError as error:
        logger.warning("the site was not written: %s", error)
    return f"{params.nightly.site_url.rstrip('/')}/{outcome.source}/{outcome.as_of}/{outcome.report.name}"


@flow(name="trial")
def trial(
    models: tuple[str, ...] = (), as_of: dt.date | None = None, source: str | None = None, data: str | None = None
) -> Outcome:
    """Run one night of some models and publish nothing: say what the decision would be.

    Args:
        models: recipes and ensembles of params.yaml; none: those of `nightly`.
        as_of: night T; None: the source's default night.
        source: a source of params.yaml; None: the default one.
        data: path to read the source from instead of the one in params.yaml.
    """
    logger, workspace, path = get_run_logger(), Workspace(Path.cwd()), Path(data) if data else None
    with (
        holding(workspace, "dwell nightly --no-publish", log=logger),
        trial_workspace(workspace, models, path) as place,
        warm_processes(place.root),
    ):
        key = prepare_night(place, as_of, source, path)
        logger.info("trial of night %s of %s, champion %s", key.as_of, key.source, key.champion)
        outcome = keep_trial(workspace, place, key, run_night(place, load_params(place.params).nightly))
    show(create_markdown_artifact, "trial", markdown=outcome.summary_markdown(), description=f"trial of {key.as_of}")
    return outcome


def run_night(workspace: Workspace, config: Nightly) -> dict[str, str]:
    """Run the stages of a night whose key is settled; return stage -> ran, unchanged or restored.

    Args:
        workspace: where they run.
        config: how many at a time, and for how long.
    """
    forget_spans(workspace)
    graph = stage_graph(workspace.root)
    outcomes = run_stages(
        graph, workspace.root, config.parallel_stages, config.stage_timeout_minutes, config.stage_retries
    )
    sort_lock(workspace.root / "dvc.lock")
    return outcomes


def _tell(workspace: Workspace, config: Nightly, key: RunKey, logger: Log, archive: Path | None = None) -> None:
    """Tell what the night read and made, where that is asked for; what came of the night does not hang on it."""
    if not config.lineage:
        return
    from tasks.lineage.night import tell_night

    try:
        logger.info("lineage: %s", tell_night(workspace, key.source, key.as_of, archive=archive))
    except Exception as error:  # the night is decided, or has an error of its own that people have to see
        logger.warning("the lineage of night %s of %s was not told: %s", key.as_of, key.source, error)


def _mirror(workspace: Workspace, config: Nightly, key: RunKey, logger: Log) -> None:
    """Mirror what was decided to MLflow, where that is asked for; the night waits some seconds for it at most."""
    if not config.mlflow:
        return
    said: list[str] = []

    def bring() -> None:
        try:
            from tasks.mlflow.mirror import mirror
            from tasks.mlflow.server import Server

            with Server.named(patience_s=_MIRROR_S) as server:
                logger.info("mirrored: %s", mirror(workspace, key.source, server, config.site_url, key.as_of))
            said.append("")
        except Exception as error:  # the night is decided
            said.append(str(error))

    # A thread: an answer that trickles in would outlast every limit on single reads. What is begun can be finished later.
    thread = threading.Thread(target=bring, daemon=True)
    thread.start()
    thread.join(_MIRROR_S)
    cause = (
        said[0]
        if said
        else f"the server takes longer than {_MIRROR_S:g} s: `dwell mlflow` brings what is lacking there"
    )
    if cause:
        logger.warning("night %s of %s was not mirrored to MLflow: %s", key.as_of, key.source, cause)


def _clean(workspace: Workspace, keep_nights: int, logger: Log) -> None:
    """Remove what old nights left; the night is decided and archived, and does not fail for it."""
    try:
        old = plan(workspace, keep_nights)
    except DwellError as error:
        logger.warning("nothing of old nights was removed: %s", error)
        return
    if not old.is_empty:
        logger.info("nightly.keep_nights is %d, removed: %s", keep_nights, old)
        old.carry_out()


def _newer_due_run() -> str | None:
    """Return the name of a later run of this deployment that is due already (late runs collapse into the newest)."""
    now = dt.datetime.now(dt.UTC)
    with get_client(sync_client=True) as client:
        due = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
                expected_start_time=FlowRunFilterExpectedStartTime(after_=flow_run.scheduled_start_time, before_=now),
            )
        )
    newer = [run.name for run in due if str(run.id) != str(flow_run.id) and not run.parameters.get("as_of")]
    return newer[0] if newer else None
