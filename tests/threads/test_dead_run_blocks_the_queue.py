"""PrefectHQ/prefect#16746, #7239, #20887: a run whose process was killed stays Running, or Pending, and others wait for its slot.

A worker that lives says Crashed for the process it started; one that dies with it, or between claiming a run and starting it, says
nothing. The Prefect that pyproject.toml pins takes the slot back after five minutes, unless its server died too: it keeps who holds
one in memory. The run it leaves as it is for ever, and one that is Crashed too.
"""

import datetime as dt
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.events.filters import EventFilter, EventIDFilter
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Crashed, Pending, Running, Scheduled

from flows.tend import RUNS, Patience, tend

pytestmark = pytest.mark.slow

AT_ONCE = Patience(*[dt.timedelta(0)] * 3)
DEATHS: dict[str, tuple[State[None], ...]] = {"claimed": (Pending(),), "running": (Pending(), Running())}
"""What died -> the states its run had been brought to."""


@pytest.fixture
def client(prefect_server: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with (
        temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        yield client


def due(client: SyncPrefectClient, name: str, runs: int = 1) -> list[UUID]:
    """Let a flow of this name have runs that are due, one at a time."""
    deployment = client.create_deployment(client.create_flow_from_name(name), name, concurrency_limit=1)
    return [client.create_flow_run_from_deployment(deployment, state=Scheduled()).id for _ in range(runs)]


def bring(client: SyncPrefectClient, run: UUID, *states: State[None]) -> str:
    """Bring a run to states as a worker and its process do; return the one it has then."""
    for state in states:
        client.set_flow_run_state(run, state)
    return now(client, run)


def now(client: SyncPrefectClient, run: UUID) -> str:
    found = client.read_flow_run(run).state
    assert found is not None
    return str(found.name)


@pytest.mark.parametrize("death", DEATHS)
def test_a_dead_night_blocks_the_next_one_until_it_is_tended(client: SyncPrefectClient, death: str) -> None:
    flow = f"thread-{death}"
    dead, following = due(client, flow, runs=2)
    reached = bring(client, dead, *DEATHS[death])
    assert bring(client, following, Pending()) == "AwaitingConcurrencySlot", "the bare tool"
    assert tend(client, [flow]) == [], "it may be young, or of another machine"
    assert now(client, dead) == reached
    assert len(tend(client, [flow], patience=AT_ONCE)) == 2
    assert now(client, dead) == "AwaitingRetry"
    crashed = next(state for state in client.read_flow_run_states(dead) if state.is_crashed())
    assert str(crashed.message).startswith("no process of it lives here")
    assert bring(client, following, Pending()) == "Pending"


def test_a_night_that_lives_here_is_let_be(client: SyncPrefectClient) -> None:
    (run,) = due(client, "thread-here")
    bring(client, run, Pending(), Running())
    environment = os.environ | {"PREFECT__FLOW_RUN_ID": str(run)}
    process = subprocess.Popen(["sh", "-c", "echo begun; read end"], env=environment, stdin=PIPE, stdout=PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # until then Linux may not say a process's environment yet
        assert tend(client, ["thread-here"], patience=AT_ONCE) == []
        bring(client, run, Crashed())
        assert tend(client, ["thread-here"], patience=AT_ONCE) == [], (
            "its worker said so of the process before this one"
        )
    finally:
        process.kill()
        process.communicate()
    assert len(tend(client, ["thread-here"], patience=AT_ONCE)) == 1


def test_a_night_that_is_heard_of_from_elsewhere_is_let_be(client: SyncPrefectClient) -> None:
    (run,) = due(client, "thread-elsewhere")
    bring(client, run, Pending(), Running())
    before = dt.datetime.now(dt.UTC)
    heartbeat = emit_event("prefect.flow-run.heartbeat", {"prefect.resource.id": f"prefect.flow-run.{run}"})
    assert heartbeat is not None
    written = EventFilter(id=EventIDFilter(id=[heartbeat.id]))
    while not client.read_events(written, limit=1).events:
        time.sleep(0.2)
    assert tend(client, ["thread-elsewhere"], patience=Patience(silent=dt.datetime.now(dt.UTC) - before)) == []
    assert len(tend(client, ["thread-elsewhere"], patience=AT_ONCE)) == 2


def test_a_night_that_dies_again_and_again_is_given_up(client: SyncPrefectClient) -> None:
    (run,) = due(client, "thread-given-up")
    for count in range(1, RUNS + 1):
        bring(client, run, Pending(), Running(), Crashed())
        assert tend(client, ["thread-given-up"]) == [], "its worker has not said it twice"
        assert len(tend(client, ["thread-given-up"], patience=AT_ONCE)) == (count < RUNS)
    assert now(client, run) == "Crashed"
    assert client.read_flow_run(run).run_count == RUNS


def test_who_holds_a_slot_outlives_the_server(client: SyncPrefectClient, prefect_server: dict[str, str]) -> None:
    (run,) = due(client, "thread-lease")
    bring(client, run, Pending(), Running())
    held = client.read_flow_run(run).state
    assert held is not None
    lease = held.state_details.deployment_concurrency_lease_id
    assert (Path(prefect_server["PREFECT_HOME"]) / f"concurrency_leases/{lease}.json").is_file()
