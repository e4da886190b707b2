"""What compose.yaml starts, started on loopback: its commands and settings, by its entrypoint, on a code folder as in the image.

PostgreSQL is Debian's, the store is moto; both stand in for images that cannot be pulled here. Ports and host names are ours.
"""

import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
import yaml
from distributed import Client

from flows.embedded import free_port
from tests.flows.small_night import tiny_params
from tests.infra.compose import compose, example
from tests.infra.dockerfile import stages
from tests.test_lock import REPOSITORY

pytestmark = pytest.mark.slow

NIGHT = "2026-01-15"
SECRETS = {
    "PREFECT_API_AUTH_STRING": "dwell:of-the-prefect-server",
    "POSTGRES_PASSWORD": "of-the-database",
    "AWS_ACCESS_KEY_ID": "of-the-store",
    "AWS_SECRET_ACCESS_KEY": "of-the-store-too",
}
PORTS = {"5432": "database", "4200": "server", "9000": "store", "8786": "scheduler"}


def postgres() -> Path:
    """Return the folder of PostgreSQL's programs, or skip."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not folders:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return Path(folders[-1])


class Topology:
    """The services of compose.yaml as processes here, each in a session of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.ports = root, {name: free_port() for name in PORTS.values()}
        given = example((REPOSITORY / "infra/docker/example.env").read_text()) | SECRETS
        text = (REPOSITORY / "infra/docker/compose.yaml").read_text()
        self.services: dict[str, Any] = compose(text, given)["services"]
        self.running: list[subprocess.Popen[bytes]] = []

    def here(self, value: object) -> str:
        """Return a value of compose.yaml with hosts and ports as they are here."""
        hosts = re.sub(rf"\b({'|'.join(PORTS.values())})(?=:\d)|\b0\.0\.0\.0\b", "127.0.0.1", str(value))
        return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda found: str(self.ports[PORTS[found[0]]]), hosts)

    def environment(self, service: str, workspace: Path) -> dict[str, str]:
        """Return what a container of the service would know, and nothing of this process's but where programs are."""
        temporary = self.root / "tmp"
        temporary.mkdir(exist_ok=True)
        own = {name: self.here(value) for name, value in self.services[service].get("environment", {}).items()}
        return own | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(workspace),  # the image has it installed editable
            "HOME": str(temporary),
            "DVC_SITE_CACHE_DIR": str(temporary / "dvc"),
            "DWELL_HOME": str(workspace),
            "DWELL_IMAGE": str(self.root / "image"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }

    def command(self, service: str) -> list[str]:
        """Return the words of a service, through the image's entrypoint; a script of the image is found in the repository."""
        words = [self.here(word) for word in self.services[service]["command"]]
        script = REPOSITORY / "infra/docker" / words[0]
        entrypoint = str(REPOSITORY / "infra/docker/entrypoint.sh")
        return [entrypoint, str(script) if script.is_file() else words[0], *words[1:]]

    def start(self, name: str, command: list[str], **options: Any) -> None:
        """Start a process that writes to a log named for it."""
        with (self.root / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **options
            )  # fmt: skip
        self.running.append(process)

    def up(self, service: str, workspace: Path) -> None:
        """Start a service of our own image in a workspace."""
        workspace.mkdir(exist_ok=True)
        self.start(service, self.command(service), env=self.environment(service, workspace), cwd=workspace)

    def run(self, command: list[str], workspace: Path) -> str:
        """Run a command to its end in the surroundings of the worker; return what it prints."""
        done = subprocess.run(
            command, cwd=workspace, env=self.environment("worker", workspace),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + self.logs()
        return done.stdout

    def wait(self, service: str, ready: Callable[[], bool], seconds: float = 600) -> None:
        """Wait until a service is ready; on a busy machine the server makes its tables for minutes."""
        until = time.monotonic() + seconds
        while not _holds(ready):
            assert time.monotonic() < until, f"{service} did not start\n{self.logs()}"
            time.sleep(0.3)

    def listens(self, service: str) -> bool:
        with socket.create_connection(("127.0.0.1", self.ports[service]), 2):
            return True

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.root.glob("*.log")))

    def down(self) -> None:
        """End all, last first."""
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=40)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _holds(ready: Callable[[], bool]) -> bool:
    try:
        return ready()
    except (OSError, requests.RequestException):
        return False


def make_image(root: Path) -> None:
    """Lay out what the Dockerfile's last stage copies below /opt/dwell, with the parameters of a tiny night on Dask."""
    root.mkdir()
    for one in stages((REPOSITORY / "infra/docker/Dockerfile").read_text())[-1]:
        *sources, target = one.words
        if one.name == "COPY" and not target.startswith("/"):
            for source in sources:
                goal = root / target if len(sources) == 1 else root / source
                goal.parent.mkdir(exist_ok=True)
                copy = shutil.copytree if (REPOSITORY / source).is_dir() else shutil.copy
                copy(REPOSITORY / source, goal)
    root.with_name("image.code").write_text("of the test")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Topology], None]]:
    """Return a function that starts PostgreSQL for a topology, as the user it wants to be: it refuses root."""
    programs = postgres()
    folder = Path(tempfile.mkdtemp(prefix="dwell-postgres-"))
    options: dict[str, Any] = {"cwd": "/"}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        options |= {"user": "postgres", "group": "postgres", "extra_groups": []}

    def start(topology: Topology) -> None:
        password = folder / "password"
        password.write_text(SECRETS["POSTGRES_PASSWORD"])
        password.chmod(0o644)  # in a folder that nobody else enters
        port = str(topology.ports["database"])
        own = topology.services["database"]["environment"]
        made = subprocess.run(
            [programs / "initdb", "--pgdata", folder / "data", "--username", own["POSTGRES_USER"], "--no-sync",
             "--auth", "scram-sha-256", "--pwfile", password],
            capture_output=True, text=True, **options,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        topology.start("database", [str(programs / "postgres"), "-D", str(folder / "data"), *words], **options)
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", port]
        topology.wait("database", lambda: subprocess.run(ready, capture_output=True).returncode == 0)
        psql(topology, f"create database {own['POSTGRES_DB']}", "postgres")

    yield start
    shutil.rmtree(folder)


def psql(topology: Topology, query: str, name: str) -> str:
    """Return what a query over TCP, with the password, gives."""
    address = f"postgresql://prefect@127.0.0.1:{topology.ports['database']}/{name}"
    return subprocess.run(
        [postgres() / "psql", address, "-tAc", query], check=True, text=True, capture_output=True,
        env=os.environ | {"PGPASSWORD": SECRETS["POSTGRES_PASSWORD"]},
    ).stdout.strip()  # fmt: skip


@pytest.fixture(scope="module")
def topology(
    database: Callable[[Topology], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Topology, Path]]:
    """All of it, in the order that compose.yaml waits in; yields it with the workspace."""
    root = tmp_path_factory.mktemp("topology")
    made, workspace = Topology(root), root / "workspace"
    make_image(root / "image")
    address = made.here("tcp://scheduler:8786")
    params = tiny_params() | {"cluster": {"kind": "address", "address": address}}
    params["nightly"]["stage_retries"] = (
        2  # DVC gives up on its lock after 3 s, which a machine that does all this may exceed
    )
    (root / "image/params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    try:
        database(made)
        made.up("server", root / "server")
        made.start("store", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(made.ports["store"])])
        made.up("scheduler", root / "scheduler")
        api = made.here("http://server:4200/api")
        made.wait("server", lambda: requests.get(f"{api}/health", timeout=2).ok)
        made.wait("store", lambda: made.listens("store"))
        made.wait("scheduler", lambda: made.listens("scheduler"))
        workspace.mkdir()
        made.run(made.command("setup"), workspace)
        made.up("worker", workspace)
        made.up("dask", workspace)
        yield made, workspace
    finally:
        made.down()


@pytest.fixture(scope="module")
def night(topology: tuple[Topology, Path]) -> str:
    """What a watched deployment run printed."""
    made, workspace = topology
    command = ["dwell", "prefect", "deployment", "run", "nightly/nightly", "--param", f"as_of={NIGHT}", "--watch"]
    return made.run(command, workspace)


def test_a_deployed_night_goes_through_all_of_it(night: str, topology: tuple[Topology, Path]) -> None:
    made, workspace = topology
    assert "Completed" in night or "finished successfully" in night
    assert (workspace / f"nights/simulator/{NIGHT}/report.html").stat().st_size > 10_000
    assert (
        psql(made, "select state_type from flow_run where parameters->>'as_of' is not null", "prefect") == "COMPLETED"
    )
    with Client(made.here("tcp://scheduler:8786"), timeout=30) as client:
        assert len(client.scheduler_info()["workers"]) == 1
        # a lambda travels by value: the scheduler's process has no tests to import
        done = client.run_on_scheduler(
            lambda dask_scheduler: sum(finish == "memory" for _, _, finish, *_ in dask_scheduler.transition_log)
        )
    assert done > 0, "no stage used the cluster"


def test_the_server_answers_nobody_without_the_password(topology: tuple[Topology, Path]) -> None:
    made, _ = topology
    version = made.here("http://server:4200/api/admin/version")
    user, _, password = SECRETS["PREFECT_API_AUTH_STRING"].partition(":")
    given = (None, (user, "guessed"), (user, password))
    assert [requests.get(version, auth=auth, timeout=30).status_code for auth in given] == [401, 401, 200]


def test_the_night_is_pushed_to_the_bucket(
    night: str, topology: tuple[Topology, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, workspace = topology
    assert "pushed to store" in made.run(["dwell", "push"], workspace)
    keys = _keys(made.environment("worker", workspace), monkeypatch)
    assert "dwell/dwell/index.json" in keys
    assert any(key.startswith("dwell/files/md5/") for key in keys)


def _keys(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    for name, value in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    found = boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket="nights")
    return {item["Key"] for page in found for item in page["Contents"]}
