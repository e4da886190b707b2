"""Stages as Prefect tasks over a toy stage graph: order, outcomes, causes of failure, timeouts."""

import datetime as dt
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dvc.lock
import pytest
import yaml
import zc.lockfile
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import ArtifactSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.stages import StageFailed, StageRefused, run_stages, stage_graph
from tasks.core.errors import DwellError
from tasks.core.layout import Workspace
from tasks.core.timings import StageCost, write_timing
from tests.terminal import terminal

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def server(prefect_server: dict[str, str]) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}):
        yield


def toy(root: Path, **stages: dict[str, object]) -> Path:
    (root / ".dvc").mkdir()
    shutil.copy(REPOSITORY / ".dvc/config", root / ".dvc/config")
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def night(root: Path, parallel: int = 1, timeout_minutes: float = 1, retries: int = 0) -> dict[str, str]:
    @flow
    def toy_night() -> dict[str, str]:
        return run_stages(stage_graph(root), root, parallel, timeout_minutes, retries)

    return toy_night()


def test_graph_comes_from_dvc_yaml_in_an_order_that_can_run(tmp_path: Path) -> None:
    root = toy(
        tmp_path,
        last={"cmd": "cat b c > d", "deps": ["b", "c"], "outs": ["d"]},
        one={"cmd": "echo 1 > b", "outs": ["b"]},
        two={"cmd": "cat b > c", "deps": ["b"], "outs": ["c"]},
    )
    graph = stage_graph(root)
    assert list(graph) == ["one", "two", "last"]
    assert graph["last"] == ["one", "two"]


def test_what_most_stages_wait_for_runs_first(tmp_path: Path) -> None:
    root = toy(
        tmp_path,
        alone={"cmd": "echo 1 > a", "outs": ["a"]},
        begins={"cmd": "echo 1 > b", "outs": ["b"]},
        goes_on={"cmd": "cat b > c", "deps": ["b"], "outs": ["c"]},
        ends={"cmd": "cat a c > d", "deps": ["a", "c"], "outs": ["d"]},
    )
    assert list(stage_graph(root)) == ["begins", "alone", "goes_on", "ends"]


def test_a_second_night_with_the_same_inputs_has_nothing_to_do(tmp_path: Path) -> None:
    root = toy(
        tmp_path,
        one={"cmd": "echo 1 > b", "outs": ["b"]},
        other={"cmd": "echo 2 > c", "outs": ["c"]},
        last={"cmd": "cat b c > d", "deps": ["b", "c"], "outs": ["d"]},
    )
    assert set(night(root, parallel=2).values()) == {"ran"}
    assert (root / "d").read_text() == "1\n2\n"
    assert set(night(root, parallel=1).values()) == {"unchanged"}
    (root / "d").unlink()
    assert night(root, parallel=2)["last"] == "restored"


def test_a_terminal_shows_how_long_each_stage_still_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = toy(
        tmp_path,
        one={"cmd": "sleep 1; echo 1 > b", "outs": ["b"]},
        other={"cmd": "sleep 1; echo 2 > c", "outs": ["c"]},
    )
    for stage in ("one", "other"):
        write_timing(Workspace(root), stage, StageCost(seconds=900, cpu_seconds=1, peak_mib=1))
    with terminal() as screen, open(screen.descriptor, "w", closefd=False) as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        assert set(night(root, parallel=2).values()) == {"ran"}
        monkeypatch.undo()
    for stage in ("one", "other"):
        assert re.search(rf"{stage} +\d+%\|.*about 8\d\d s left", screen.sent)


def test_what_a_stage_says_of_its_cluster_is_an_artifact_while_it_runs(tmp_path: Path) -> None:
    said = ["dashboard of the Dask cluster: http://scheduler:8787/status", "3 of 4 tasks are done on the Dask cluster"]
    lines = "; ".join(f"echo 'INFO tasks.core.cluster: {line}'" for line in said)
    began = dt.datetime.now(dt.UTC)
    night(toy(tmp_path, clustered={"cmd": f"{lines}; echo 1 > b", "outs": ["b"]}))
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(limit=50, sort=ArtifactSort.CREATED_DESC)
    new = {one.key: one for one in artifacts if one.created >= began}
    assert "http://scheduler:8787/status" in new["stage-clustered-dask"].data
    assert new["stage-clustered-progress"].data == 75
    assert "[Dask dashboard](http://scheduler:8787/status)" in new["stage-clustered"].data


def test_a_lock_that_is_held_for_long_is_waited_for(tmp_path: Path) -> None:
    root = toy(tmp_path, one={"cmd": "echo 1 > b", "outs": ["b"]})
    (root / ".dvc/tmp").mkdir()
    held = zc.lockfile.LockFile(str(root / ".dvc/tmp/lock"))
    letting_go = threading.Timer(dvc.lock.DEFAULT_TIMEOUT + 3, held.close)
    letting_go.start()
    assert night(root) == {"one": "ran"}
    assert letting_go.finished.is_set()


def test_failure_names_the_stage_and_its_cause_and_is_retried(tmp_path: Path) -> None:
    root = toy(tmp_path, broken={"cmd": "echo tried >> tries; echo 'error: the disk melted'; exit 1", "outs": ["x"]})
    with pytest.raises(StageFailed, match="stage broken failed: the disk melted"):
        night(root, retries=1)
    assert (root / "tries").read_text().count("tried") == 2


def test_refused_input_is_not_retried(tmp_path: Path) -> None:
    root = toy(
        tmp_path, broken={"cmd": "echo tried >> tries; echo 'error: duration is negative'; exit 2", "outs": ["x"]}
    )
    with pytest.raises(StageRefused, match="duration is negative"):
        night(root, retries=1)
    assert (root / "tries").read_text().count("tried") == 1


def test_timeout_ends_the_stage_and_all_it_started(tmp_path: Path) -> None:
    root = toy(tmp_path, slow={"cmd": "sleep 300 & echo $! > child; wait", "outs": ["x"]})
    with pytest.raises(StageFailed, match=r"stage slow was killed: it ran longer than 0\.05 minutes"):
        night(root, timeout_minutes=0.05)
    child = int((root / "child").read_text())
    for _ in range(50):
        if not Path(f"/proc/{child}").exists() or "zombie" in Path(f"/proc/{child}/status").read_text():
            return
        time.sleep(0.1)
    os.kill(child, 9)
    pytest.fail("the stage's own child outlived it")


def test_broken_stage_file_says_which(tmp_path: Path) -> None:
    root = toy(tmp_path)
    (root / "dvc.yaml").write_text("stages: {one: {outs: [b]}}")
    with pytest.raises(DwellError, match=r"dvc\.yaml cannot be read"):
        stage_graph(root)


def test_a_params_file_of_an_earlier_version_is_told_what_it_lacks(tmp_path: Path) -> None:
    root = toy(tmp_path)
    shutil.copy(REPOSITORY / "dvc.yaml", root / "dvc.yaml")
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    del params["nightly"]["proposers"]
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "run.yaml").write_text('{as_of: "2026-01-15", source: simulator, data: tasks/simulate}')
    with pytest.raises(
        DwellError, match=r"params\.yaml has no nightly\.proposers, .*: write it there, `\[\]` for none"
    ):
        stage_graph(root)
