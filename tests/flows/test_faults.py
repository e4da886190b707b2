"""Processes that are killed, and commands given at the wrong moment, on a small simulated world without a server."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.stages import stage_graph
from tasks.core.errors import DwellError
from tasks.core.files import hash_tree, remove
from tasks.core.layout import Workspace
from tasks.core.processes import RUN
from tasks.night.lock import holding
from tests.flows.small_night import dwell, run

pytestmark = pytest.mark.slow

FIRST_STAGES = ("ingest", "validate", "features", "table")


@pytest.fixture(scope="module")
def begun(by_hand: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night that got as far as its table."""
    root = tmp_path_factory.mktemp("faults") / "workspace"
    shutil.copytree(by_hand, root)
    for folder in ("artifacts", "metrics", "plots"):
        remove(root / folder)
    return root


def kill_once_seen(root: Path, path: str, *module: str) -> None:
    """Start a module and kill it as soon as a path matches below the workspace."""
    child = subprocess.Popen([sys.executable, "-m", *module], cwd=root, start_new_session=True)
    while not any(root.glob(path)):
        assert child.poll() is None, f"it ended before {path} was there"
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()


def test_after_a_killed_night_no_stage_reads_the_one_before(begun: Path) -> None:
    before = hash_tree(begun / "data/table")
    dwell(begun, "prepare", "--as-of", "2026-01-16")
    kill_once_seen(begun, "data/raw/impressions/day=2026-01-16", "tasks", "ingest")
    refused = dwell(begun, "stage", "train", "--recipe", "d2q", status=2)
    assert refused.startswith("error: stage train: data/table belongs to night 2026-01-15 of simulator")
    assert "run.yaml asks for night 2026-01-16 of simulator" in refused
    assert "`dwell nightly --as-of 2026-01-16 --source simulator` runs all" in refused
    unfinished = dwell(begun, "stage", "validate", status=2)
    assert unfinished.startswith("error: stage validate: data/raw was left unfinished")
    dwell(begun, "prepare", "--as-of", "2026-01-15")
    for stage in FIRST_STAGES:
        dwell(begun, "stage", stage)
    assert hash_tree(begun / "data/table") == before


def test_beside_a_night_nothing_else_writes_the_workspace(begun: Path) -> None:
    before = (begun / "run.yaml").read_bytes()
    with holding(Workspace(begun), "dwell nightly"):
        for command in (["prepare", "--as-of", "2026-01-16"], ["stage", "table"]):
            done = run(["flows.cli", *command], begun, **{RUN: ""})
            assert done.returncode == 2
            assert done.stdout.startswith(
                f"error: {begun.resolve()} is held by `dwell nightly` (process {os.getpid()} on "
            )
        assert f"at work: `dwell nightly` (process {os.getpid()}" in dwell(begun, "status")
        assert dwell(begun, "stage", "table").startswith("table: "), "what the night itself starts goes on"
    assert (begun / "run.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "variable,value,says",
    [
        ("PREFECT_API_URL", "http://127.0.0.1:1/api", "the Prefect server at http://127.0.0.1:1/api cannot be reached"),
        (
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS",
            "1",
            "the embedded Prefect server did not start within 1 s",
        ),
    ],
)
def test_a_server_that_is_not_there_is_one_line(begun: Path, variable: str, value: str, says: str) -> None:
    done = run(["flows.cli", "nightly", "--as-of", "2026-01-15"], begun, **{variable: value})
    assert done.returncode == 1
    assert next(line for line in done.stdout.splitlines() if line.startswith("error: ")).startswith(f"error: {says}")
    assert "Traceback" not in done.stdout


def test_a_run_ends_with_its_embedded_server(tmp_path: Path) -> None:
    """At once, and not after Prefect has asked a dead server again for minutes."""
    code = (
        "import time, psutil; from pathlib import Path; from flows import embedded, environment\n"
        "environment.prepare(Path.cwd()); embedded.start()\n"
        "psutil.Process().children()[0].kill(); time.sleep(60)"
    )
    given = ("PREFECT_API_URL", "PREFECT_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in given}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: the embedded Prefect server ended with status -9: run again, or ")


def test_stages_killed_at_work_leave_nothing_and_end_in_the_same_bytes(begun: Path) -> None:
    """A few of the kills that `python -m benchmarks.faults` makes at every stage."""
    before = {folder: hash_tree(begun / folder) for folder in ("data/features", "data/table")}
    for stage, output, sign in (
        ("features", "data/features", "data/features/daily/day=*"),
        ("features", "data/features", "data/features/rows/day=*"),
        ("table", "data/table", ".dwell/tmp/.dwell-*/table/fit/*.npy"),
    ):
        remove(begun / output)
        kill_once_seen(begun, sign, "tasks", stage)
        dwell(begun, "stage", stage)
        assert hash_tree(begun / output) == before[output]
        assert not list((begun / ".dwell/tmp").iterdir())
        assert not list((begun / "data").rglob(".*"))


def test_a_doctor_is_named_by_whoever_meets_damage_and_mends_it(begun: Path) -> None:
    sound = (begun / "run.yaml").read_bytes()
    lock = begun / "dvc.lock"
    (begun / "run.yaml").write_bytes(b"<<<<<<< HEAD\n" + sound)
    lock.write_text("schema: '2.0'\nstages: {}\n>>>>>>> other\n")
    assert "`dwell doctor`" in dwell(begun, "stage", "table", status=2)
    with pytest.raises(DwellError, match=r"dvc.lock: line 3 is the mark of a merge.*`dwell doctor --mend`"):
        stage_graph(begun)
    said = dwell(begun, "doctor", status=1)
    assert "problem: run.yaml: line 1 is the mark of a merge" in said
    mended = dwell(begun, "doctor", "--mend")
    assert "moved run.yaml to .dwell/damaged/" in mended
    assert mended.endswith("a night can run\n")
    dwell(begun, "prepare", "--as-of", "2026-01-15")
    assert dwell(begun, "stage", "table").startswith("table: ")
    assert "objects" not in dwell(begun, "clean", "--keep-nights", "1")
