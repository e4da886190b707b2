"""PrefectHQ/prefect#17281, #17508: after an upgrade every cron run exists twice; #15886: missed runs start one after the other.

Prefect tells runs of one time apart by a key that names the schedule, and that key has changed. All of them, and all that an
outage left, are due at once, oldest first. The upgrade itself is not repeated here: runs of one time under two keys are what it
left, and the Prefect that pyproject.toml pins still starts both.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from flows import nightly as module
from flows.nightly import nightly
from tests.flows.small_night import tiny_params

pytestmark = pytest.mark.slow

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


@flow
def newer_due() -> str | None:
    """What a night asks first, and nothing else of a night."""
    return module._newer_due_run()


@pytest.fixture
def client(
    prefect_server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SyncPrefectClient]:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params()))
    monkeypatch.chdir(tmp_path)
    with (
        temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        yield client


def due(client: SyncPrefectClient, name: str, hours_ago: list[int]) -> list[FlowRun]:
    """Let a deployment have runs that are due; return them as Prefect would start them."""
    deployment = client.create_deployment(client.create_flow_from_name(name), name)
    for number, hours in enumerate(hours_ago):
        state: State[None] = Scheduled(scheduled_time=NOW - dt.timedelta(hours=hours))
        client.create_flow_run_from_deployment(deployment, state=state, idempotency_key=f"{name} {number}")
    found = client.get_scheduled_flow_runs_for_deployments([deployment], scheduled_before=NOW)
    return [client.read_flow_run(run.id) for run in found]


def test_of_two_runs_of_one_time_one_night_is_run(client: SyncPrefectClient) -> None:
    runs = due(client, "thread-double", [1, 1])
    assert len(runs) == 2, "the bare tool starts both"
    first = run_flow(nightly, flow_run=runs[0], return_type="state")
    assert first.is_cancelled()
    assert f"superseded by run {runs[1].name}" in str(first.message)
    assert run_flow(newer_due, flow_run=runs[1]) is None


def test_after_an_outage_only_the_newest_missed_night_is_run(client: SyncPrefectClient) -> None:
    runs = due(client, "thread-late", [50, 26, 2])
    assert [run.expected_start_time for run in runs] == [NOW - dt.timedelta(hours=hours) for hours in (50, 26, 2)]
    states = [run_flow(nightly, flow_run=run, return_type="state") for run in runs[:2]]
    assert all(
        state.is_cancelled() and "`dwell backfill` fills the nights between" in state.message for state in states
    )
    assert run_flow(newer_due, flow_run=runs[2]) is None
