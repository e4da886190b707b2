"""Deployed runs whose processes have died: marked Crashed, and begun again a few times. A night goes on where it was.

Prefect leaves such a run Running, or Pending where it had only been claimed, and with it the one slot of its deployment. Its
automations would be told by events, and those its server loses: when it dies itself, and when two of them meet on SQLite. So this
looks at what stands, again and again.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

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

FLOWS = ("nightly", "weekly", "backfill")
RUNS = 3
"""How often a run whose process dies is begun in all."""
_LATELY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Patience:
    """How long to wait before a run is taken for dead.

    Attributes:
        silent: how long nothing may be heard of a process on another machine; it gives a sign of life every 30 s.
        claimed: how long a worker may take from claiming a run to its process.
        crashed: how long a worker may take to say Crashed a second time, as it does when the run's hooks have ended.
    """

    silent: dt.timedelta = dt.timedelta(seconds=90)
    claimed: dt.timedelta = dt.timedelta(seconds=120)
    crashed: dt.timedelta = dt.timedelta(seconds=60)


def tend(client: SyncPrefectClient, flows: Iterable[str] = FLOWS, patience: Patience = Patience()) -> list[str]:
    """Mark dead runs as Crashed, and make crashed ones due again.

    Args:
        client: of the server.
        flows: names of the flows whose deployed runs are meant.
        patience: with runs of which no process lives on this machine; the others are let be.

    Returns:
        A line for each run, of what was done.
    """
    named, done, now = FlowFilter(name=FlowFilterName(any_=list(flows))), list[str](), dt.datetime.now(dt.UTC)
    begun, living = _runs(client, named, StateType.PENDING, StateType.RUNNING), set(_of_living_processes())
    for run in begun:
        wait = patience.claimed if run.state_type == StateType.PENDING else patience.silent
        if str(run.id) not in living and not _heard_of(client, run, now - wait):
            done += _set(
                client, run, Crashed(message=f"no process of it lives here, and nothing was heard of it for {wait}")
            )
    now = dt.datetime.now(dt.UTC)
    lately = FlowRunFilterEndTime(after_=now - _LATELY, before_=now - patience.crashed)
    for run in _runs(client, named, StateType.CRASHED, ended=lately):
        if str(run.id) not in living and run.run_count < RUNS:
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
