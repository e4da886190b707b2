"""Kernels are named before they are loaded, by what the night asks for and not by what the shell happens to say."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core import arithmetic
from tasks.core.machine import Machine, this_machine

x86_only = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="kernels are named on x86-64 alone")


@x86_only
@pytest.mark.parametrize(
    ("run_yaml", "aten", "cbwr"),
    [
        ("arithmetic: avx2\n", "avx2", "AVX2"),
        ("arithmetic: portable\n", "avx2", "COMPATIBLE"),
        ("arithmetic: native\n", "shell", "shell"),
        ("arithmetic: avx1024\n", "avx2", "AVX2"),
        ("<<<<<<< HEAD\n", "avx2", "AVX2"),
        ("[]\n", "avx2", "AVX2"),
        (None, "avx2", "AVX2"),
    ],
)
def test_the_night_names_its_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_yaml: str | None, aten: str, cbwr: str
) -> None:
    for name in (
        "ATEN_CPU_CAPABILITY",
        "MKL_CBWR",
        "OPENBLAS_CORETYPE",
        "MKL_ENABLE_INSTRUCTIONS",
        "ONEDNN_MAX_CPU_ISA",
    ):
        monkeypatch.setenv(name, "shell")
    if run_yaml is not None:
        (tmp_path / "run.yaml").write_text(run_yaml)
    arithmetic.pin_for_night(tmp_path)
    assert (os.environ["ATEN_CPU_CAPABILITY"], os.environ["MKL_CBWR"]) == (aten, cbwr)


@x86_only
@pytest.mark.slow
def test_a_stage_computes_with_them_whatever_the_shell_says(tmp_path: Path) -> None:
    code = (
        "from tasks.core import arithmetic; from pathlib import Path; arithmetic.pin_for_night(Path.cwd())\n"
        "import torch; print(torch.backends.cpu.get_cpu_capability(), arithmetic.difference('avx2'))"
    )
    environment = os.environ | {
        "ATEN_CPU_CAPABILITY": "default",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["AVX2", "None"], done.stderr[-1000:]


@pytest.mark.slow
def test_a_stage_has_one_thread_unless_it_is_told_and_a_process_of_somebody_elses_is_left_alone(
    tmp_path: Path,
) -> None:
    """Threads that wait turn in circles: beside another stage, that is most of what an evaluation would take."""
    code = (
        "import sys; from pathlib import Path\n"
        "if sys.argv[1] == 'stage': from tasks.core import arithmetic; arithmetic.pin_for_night(Path.cwd())\n"
        "else: import dwell\n"
        "import numpy, torch, threadpoolctl\n"
        "print(torch.get_num_threads(), max(pool['num_threads'] for pool in threadpoolctl.threadpool_info()))"
    )
    two = dict.fromkeys(arithmetic.THREADS, "2")
    told = (*arithmetic.THREADS, "MKL_NUM_THREADS", *arithmetic.named())
    untold = {name: value for name, value in os.environ.items() if name not in told}
    environment = untold | two | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    for kind, threads in (("stage", ["1", "1"]), ("api", ["2", "2"])):
        command = [sys.executable, "-c", code, kind]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == threads, done.stderr[-1000:]


@x86_only
@pytest.mark.slow
def test_a_process_that_loaded_others_says_so() -> None:
    code = "import torch; from tasks.core import arithmetic; print(arithmetic.difference('avx2'), arithmetic.difference('native'))"
    environment = os.environ | {
        "ATEN_CPU_CAPABILITY": "default",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("nightly.arithmetic is avx2, but torch computes with DEFAULT here")
    assert done.stdout.endswith("None\n")


def test_machines_are_told_apart_by_what_can_move_a_byte() -> None:
    here = this_machine()
    assert here.cpu and here.libraries["torch"].startswith("2.")
    other = here.model_copy(update={"cores": 999, "libraries": here.libraries | {"numpy": "1.0"}})
    assert here.differences(other) == [f"numpy {here.libraries['numpy']}, 1.0"]
    assert Machine.model_validate_json(here.model_dump_json()) == here


@x86_only
def test_a_command_is_begun_with_them(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("arithmetic: portable\n")
    environment = os.environ | {"MKL_CBWR": "shell", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-m", "tasks.core.arithmetic", "printenv", "MKL_CBWR"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "COMPATIBLE\n", done.stderr[-1000:]
    bare = subprocess.run(command[:3], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (bare.returncode, "usage: " in bare.stderr) == (1, True)
