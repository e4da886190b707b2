"""Stages as Prefect tasks: the graph is read from `dvc.yaml`, each stage is one `dvc repro --single-item` child.

A child process keeps a stage's memory and crashes to itself, lets a timeout end all that it started, and leaves the
decision "run, skip or take from the run cache" to DVC, so the lock file is always true.
"""

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Timer
from typing import Any

import networkx as nx
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows import dvc_command
from flows.artifacts import show
from flows.cluster_log import ClusterLog
from tasks.core.errors import USER_ERROR, DwellError
from tasks.core.fork_server import fork_server
from tasks.core.layout import Workspace
from tasks.core.progress import stage_bar
from tasks.core.timings import FAILED, write_span
from tasks.night.dvc_files import damaged_lock

_HINTS = (
    "To track the changes with git",
    "git add",
    "To enable auto staging",
    "dvc config core.autostage",
    "Use `dvc push`",
)
"""What DVC tells a person at a prompt; noise in the log of a night."""
_ABSENT = re.compile(r"Could not find '([\w.]+)'")
"""DVC of a key that dvc.yaml is made from; it knows no defaults."""
_LOGGED = 60
"""Lines of a failed stage that are kept."""


def warm_processes(root: Path) -> AbstractContextManager[None]:
    """Let stages that run inside, and DVC, be forked from one process that has their libraries loaded: those of stages once one runs."""
    return fork_server(root, dvc_command.LIBRARIES)


class StageFailed(DwellError):
    """A stage ended with an error; the message carries its cause, `log` the last lines it printed."""

    log: tuple[str, ...] = ()


class StageRefused(StageFailed):
    """A stage refused its data or configuration: trying again cannot help."""


def stage_graph(root: Path) -> dict[str, list[str]]:
    """Return stage -> stages it depends on, in an order that can be run: first what most has to wait for.

    Raises:
        DwellError: if dvc.yaml or dvc.lock cannot be read, or params.yaml is of a version that did not have all it asks for.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    if problem := damaged_lock(root / "dvc.lock"):
        raise DwellError(f"{problem}: `dwell doctor --mend` puts it aside")
    try:
        with Repo(str(root)) as repo:
            graph = repo.index.graph
            behind = _longest_chains(graph)
            order = nx.lexicographical_topological_sort(graph.reverse(), key=lambda stage: (-behind[stage], stage.name))
            return {stage.name: sorted(parent.name for parent in graph.successors(stage)) for stage in order}
    except DvcException as error:
        if absent := _ABSENT.search(str(error)):
            raise DwellError(
                f"params.yaml has no {absent[1]}, which the stages of this version are made from: write it there, `[]` for none"
            ) from error
        raise DwellError(f"dvc.yaml cannot be read: {error}") from error


def _longest_chains(graph: Any) -> dict[Any, int]:
    """Return stage -> number of stages in the longest chain that waits for it.

    Args:
        graph: DVC's: edges lead from a stage to what it depends on.
    """
    behind: dict[Any, int] = {}
    for stage in nx.topological_sort(graph):
        behind[stage] = max((behind[child] + 1 for child in graph.predecessors(stage)), default=0)
    return behind


def _may_retry(_task: Any, _run: Any, state: Any) -> bool:
    return not isinstance(state.result(raise_on_failure=False), StageRefused)


@task(
    name="stage", task_run_name="{stage}", cache_policy=NO_CACHE, retry_delay_seconds=5, retry_condition_fn=_may_retry
)
def run_stage(stage: str, root: str, timeout_minutes: float) -> str:
    """Run one DVC stage in a child process, its log streamed into this task's.

    Returns:
        "ran", "unchanged" or "restored" (from DVC's run cache).

    Raises:
        StageRefused: if the stage refused its data or configuration.
        StageFailed: if it failed otherwise or ran out of time.
    """
    logger, workspace, began = get_run_logger(), Workspace(Path(root)), dt.datetime.now(dt.UTC)
    # Stages beside it hold DVC's lock for moments, which on a starved machine are more than the 3 s it waits of its own accord.
    command = [sys.executable, "-m", "flows.dvc_command", "--wait-for-lock", "repro", "--single-item", stage]
    key = "stage-" + re.sub(r"[^a-z0-9]+", "-", stage.lower()).strip("-")
    log = ClusterLog(stage, key, logger.info)
    started = time.monotonic()
    with stage_bar(workspace, stage):
        returncode, lines = _stream(command, workspace.root, timeout_minutes, log)
    outcome = _outcome(lines) if returncode == 0 else FAILED
    write_span(workspace, stage, began, outcome)
    if returncode != 0:
        raise _failure(stage, returncode, lines, timeout_minutes)
    show(
        create_markdown_artifact,
        markdown=f"**{stage}** {outcome} in {time.monotonic() - started:.1f} s"
        + (f", [Dask dashboard]({log.dashboard})" if log.dashboard else "")
        + "\n\n```\n"
        + "\n".join(lines[-20:])
        + "\n```",
        key=key,
        description=f"{stage}: {outcome}",
    )
    return outcome


def run_stages(
    graph: Mapping[str, Sequence[str]], root: Path, parallel: int, timeout_minutes: float, retries: int
) -> dict[str, str]:
    """Run all stages in dependency order, `parallel` at a time; return stage -> outcome.

    Raises:
        StageFailed: the first failure; stages that do not depend on it may have finished.
    """
    configured = run_stage.with_options(retries=retries)
    if parallel == 1:
        return {stage: configured(stage, str(root), timeout_minutes) for stage in graph}
    futures: dict[str, PrefectFuture[str]] = {}
    pool: ThreadPoolTaskRunner[str] = ThreadPoolTaskRunner(max_workers=parallel)
    with pool as runner:
        for stage, parents in graph.items():
            futures[stage] = runner.submit(
                configured,
                {"stage": stage, "root": str(root), "timeout_minutes": timeout_minutes},
                wait_for=[futures[parent] for parent in parents],
            )
        return {stage: future.result() for stage, future in futures.items()}


def _stream(command: Sequence[str], root: Path, timeout_minutes: float, log: Any) -> tuple[int, list[str]]:
    """Run a command in its own process group, hand every line to `log`, and end the whole group on any exit."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    process = subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    )  # fmt: skip
    timer = Timer(timeout_minutes * 60, _end_group, (process.pid,))
    timer.start()
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if (text := line.rstrip()) and not text.strip().startswith(_HINTS):
                lines.append(text)
                log(text)
        return process.wait(), lines
    finally:
        timer.cancel()
        _end_group(process.pid)


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _failure(stage: str, returncode: int, lines: Sequence[str], timeout_minutes: float) -> StageFailed:
    failure = _failed(stage, returncode, lines, timeout_minutes)
    failure.log = tuple(lines[-_LOGGED:])
    return failure


def _failed(stage: str, returncode: int, lines: Sequence[str], timeout_minutes: float) -> StageFailed:
    if returncode == -signal.SIGKILL:
        return StageFailed(
            f"stage {stage} was killed: it ran longer than {timeout_minutes:g} minutes, or the machine ran out of memory"
        )
    causes = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    own = [line for line in lines if not line.startswith("ERROR: failed to reproduce")]
    cause = "\n".join(causes) if causes else (own or lines)[-1] if lines else "it printed nothing"
    kind = StageRefused if any(line.endswith(f"exited with {USER_ERROR}") for line in lines) else StageFailed
    return kind(f"stage {stage} failed: {cause}")


def _outcome(lines: Sequence[str]) -> str:
    if any("didn't change, skipping" in line for line in lines):
        return "unchanged"
    return "restored" if any("is cached - skipping run" in line for line in lines) else "ran"
