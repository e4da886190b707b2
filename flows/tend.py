"""Deployed runs whose processes have died: marked Crashed, and begun again a few times. A night goes on where it was.

Prefect leaves such a run Running, or Pending where it had only been claimed, and with it the one slot of its deployment. Its
automations would be told by events, and those its server loses: when it dies itself, and when two of them meet on SQLite. So this
looks at what stands, again and again.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.states import AwaitingRetry, Crashed

FLOWS = ("nightly", "backfill")
RUNS = 3
"""How often a run whose process dies is begun in all."""
SILENT = dt.timedelta(seconds=90)
"""How long nothing may be heard of a process on another machine; it gives a sign of life every 30 s."""
CLAIMED = dt.timedelta(seconds=120)
"""How long a worker may take from claiming a run to its process."""
_LATELY = dt.timedelta(days=1)


def tend(
    client: SyncPrefectClient,
    flows: Iterable[str] = FLOWS,
    silent: dt.timedelta = SILENT,
    claimed: dt.timedelta = CLAIMED,
) -> list[str]:
    """Mark dead runs as Crashed, and make crashed ones due again.

    Args:
        client: of the server.
        flows: names of the flows whose deployed runs are meant.
        silent: how long nothing may be heard of a run that no process here belongs to.
        claimed: how long a run may be claimed without a process.

    Returns:
        A line for each run, of what was done.
    """
    named, done, now = FlowFilter(name=FlowFilterName(any_=list(flows))), [], dt.datetime.now(dt.UTC)
    begun, living = _runs(client, named, StateType.PENDING, StateType.RUNNING), set(_of_living_processes())
    for run in begun:
        patience = claimed if run.state_type == StateType.PENDING else silent
        if str(run.id) not in living and not _heard_of(client, run, now - patience):
            done += _set(
                client, run, Crashed(message=f"no process of it lives here, and nothing was heard of it for {patience}")
            )
    for run in _runs(client, named, StateType.CRASHED, ended=FlowRunFilterEndTime(after_=now - _LATELY)):
        if run.run_count < RUNS:
            done += _set(client, run, AwaitingRetry(scheduled_time=now, message="its process had died"))
    return done


def _runs(
    client: SyncPrefectClient, flows: FlowFilter, *states: StateType, ended: FlowRunFilterEndTime | None = None
) -> list[FlowRun]:
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(is_null_=False),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))),
        end_time=ended,
    )
    return client.read_flow_runs(flow_filter=flows, flow_run_filter=wanted)


def _of_living_processes() -> Iterator[str]:
    """Yield the ids of the runs that processes on this machine belong to."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if run := process.environ().get("PREFECT__FLOW_RUN_ID"):
                yield run


def _heard_of(client: SyncPrefectClient, run: FlowRun, since: dt.datetime) -> bool:
    if run.state is None or run.state.timestamp > since:
        return True
    heartbeats = EventFilter(
        occurred=EventOccurredFilter(since=since),
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
    )
    return bool(client.read_events(heartbeats, limit=1).events)


def _set(client: SyncPrefectClient, run: FlowRun, state: State[None]) -> list[str]:
    """Set a state, unless the run has reached another meanwhile that does not allow it."""
    reached = client.set_flow_run_state(run.id, state).state
    return [f"{run.name}: {state.name}, {state.message}"] if reached is not None and reached.name == state.name else []
