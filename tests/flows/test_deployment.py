"""A real server, work pool, worker and deployment on loopback: what a scheduled installation does."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.small_night import make_workspace, run, small_params


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, prefect_server: dict[str, str]) -> Iterator[Path]:
    """A workspace whose deployments are registered and served by one worker."""
    params = small_params()
    params["nightly"]["stage_retries"] = 0
    root = make_workspace(tmp_path_factory.mktemp("installation") / "workspace", params)
    deployed = run(["flows.cli", "deploy"], root, **prefect_server)
    assert deployed.returncode == 0, deployed.stdout[-3000:]
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "dwell", "--type", "process"]
    log = (root / "worker.log").open("w")
    worker = subprocess.Popen(
        command, cwd=root, env=os.environ | prefect_server, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    yield root
    os.killpg(worker.pid, signal.SIGTERM)
    try:
        worker.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(worker.pid, signal.SIGKILL)
    log.close()


def test_cron_schedules_the_nights_to_come(installation: Path, prefect_server: dict[str, str]) -> None:
    code = (
        "import json; from prefect.client.orchestration import get_client\n"
        "with get_client(sync_client=True) as client:\n"
        "    runs = [r for r in client.read_flow_runs() if r.auto_scheduled]\n"
        "    print(json.dumps([r.expected_start_time.isoformat() for r in runs]))"
    )
    for _ in range(60):
        printed = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | prefect_server, capture_output=True, text=True, check=True
        )
        times = json.loads(printed.stdout.strip().splitlines()[-1])
        if times:
            break
        time.sleep(1)
    assert times, "the scheduler made no run: check the pins of fastapi and SQLAlchemy"
    hours = {dt.datetime.fromisoformat(moment).astimezone(dt.UTC).strftime("%H:%M") for moment in times}
    assert hours == {"18:30"}, "02:30 in Shanghai"


def test_a_deployed_night_completes(installation: Path, prefect_server: dict[str, str]) -> None:
    listed = run(["prefect", "deployment", "ls"], installation, COLUMNS="200", **prefect_server)
    assert "nightly/nightly" in listed.stdout
    night = ["prefect", "deployment", "run", "nightly/nightly", "--param", "as_of=2026-01-15", "--watch"]
    done = run(night, installation, **prefect_server)
    assert done.returncode == 0, done.stdout[-2000:] + (installation / "worker.log").read_text()[-3000:]
    assert "Completed" in done.stdout or "finished successfully" in done.stdout
    assert (installation / "nights/simulator/2026-01-15/report.html").exists()


def test_a_failing_stage_ends_failed_with_its_cause(installation: Path, prefect_server: dict[str, str]) -> None:
    night = ["prefect", "deployment", "run", "nightly/nightly", "--watch"]
    night += ["--param", "as_of=2022-05-04", "--param", "source=kuairand", "--param", "data=no/such/folder"]
    done = run(night, installation, **prefect_server)
    assert done.returncode != 0
    code = (
        "from prefect.client.orchestration import get_client\n"
        "with get_client(sync_client=True) as client:\n"
        "    failed = [r for r in client.read_flow_runs() if r.state and r.state.is_failed()]\n"
        "    print([r.state.message for r in failed])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | prefect_server, capture_output=True, text=True, check=True
    )
    assert "no/such/folder" in printed.stdout
