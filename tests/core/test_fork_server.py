"""Processes forked from one that has their libraries loaded: they are what a process of their own would be, or none is forked."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from flows import dvc_command
from tasks import __main__ as stage
from tasks.core.fork_server import ADDRESS, fork_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forked on Linux only")

TOY = """
import os, sys, time
from pathlib import Path

def place():
    return "forked" if os.getppid() != int(os.environ["CALLER"]) else "by itself"

def tell(arguments):
    print(*arguments, os.environ["WORD"], Path.cwd().name, place())
    return 7

def loaded(arguments):
    print(all(name in sys.modules for name in arguments), place())

def fail(arguments):
    raise ArithmeticError("the cause")

def leave(arguments):
    sys.exit("said at the end")

def sleep(arguments):
    Path(arguments[0]).write_text(str(os.getpid()))
    time.sleep(600)
"""
CALL = (
    "import os, sys; from tasks.core.fork_server import call; os.environ['CALLER'] = str(os.getppid());"
    "sys.exit(call('toy:' + sys.argv[1], sys.argv[2:-1], sys.argv[-1].split(','), ['expected_library']))"
)
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    (root / "toy.py").write_text(TOY)
    (root / "slow_library.py").write_text("")
    (root / "expected_library.py").write_text("")
    (root / "threads.py").write_text(
        "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    )
    return root


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    def start(function: str, *arguments: str, libraries: str = "slow_library") -> subprocess.Popen[str]:
        environment = os.environ | {"WORD": "word", "PYTHONPATH": str(root)}
        return subprocess.Popen(
            [sys.executable, "-c", CALL, function, *arguments, libraries], cwd=root / "below", env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    with fork_server(root):
        yield start
    assert ADDRESS not in os.environ


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out.strip(), err.strip()


def pid_in(file: Path) -> int:
    until = time.monotonic() + 30
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return int(file.read_text())


def ends(pid: int) -> bool:
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def server() -> psutil.Process:
    return next(p for p in psutil.Process().children() if "tasks.core.fork_server" in p.cmdline())


def test_it_is_what_a_process_of_its_own_would_be(start: Start) -> None:
    assert said(start("tell", "a b", "c")) == (7, "a b c word below forked", "")
    status, _, err = said(start("fail"))
    assert status == 1 and err.startswith("Traceback") and err.endswith("ArithmeticError: the cause")
    assert said(start("loaded", "slow_library")) == (0, "True forked", "")
    assert said(start("leave")) == (1, "", "said at the end")


def test_what_the_next_ones_need_is_loaded_once_one_has_asked(start: Start) -> None:
    assert said(start("loaded", "expected_library"))[1] == "False forked"
    until = time.monotonic() + 30
    while said(start("loaded", "expected_library"))[1] != "True forked":
        assert time.monotonic() < until


def test_it_dies_with_who_asked_for_it(start: Start, tmp_path: Path) -> None:
    caller = start("sleep", str(tmp_path / "pid"))
    child = pid_in(tmp_path / "pid")
    caller.kill()
    assert ends(child)


def test_who_asked_for_it_dies_as_it_does(start: Start, tmp_path: Path) -> None:
    caller = start("sleep", str(tmp_path / "pid"))
    os.kill(pid_in(tmp_path / "pid"), signal.SIGKILL)
    assert said(caller)[0] == -signal.SIGKILL


def test_without_a_server_callers_run_by_themselves(start: Start, tmp_path: Path) -> None:
    caller = start("sleep", str(tmp_path / "pid"))
    child = pid_in(tmp_path / "pid")
    server().kill()
    assert said(start("tell"))[:2] == (7, "word below by itself")
    assert psutil.Process(child).status() != psutil.STATUS_ZOMBIE
    caller.kill()
    assert ends(child)


def test_nothing_is_forked_from_threads(start: Start) -> None:
    assert said(start("tell", libraries="threads"))[1] == "word below by itself"
    assert said(start("tell"))[1] == "word below by itself"


def test_nothing_is_forked_from_code_that_has_changed(root: Path, start: Start) -> None:
    (root / "models").mkdir()
    (root / "models/__init__.py").write_text("")
    assert said(start("tell", libraries="models"))[1].endswith("forked")
    (root / "models/__init__.py").write_text("changed = True")
    assert said(start("tell", libraries="models"))[1].endswith("by itself")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as another user")
def test_other_users_are_not_served(start: Start) -> None:
    code = (
        "import os, socket; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.connect('\\0' + os.environ['DWELL_FORK_SERVER'])\n"
        "try: socket.send_fds(s, [(2).to_bytes(4, 'little')], [0, 1, 2]); s.sendall(b'{}'); print(s.recv(1))\n"
        "except ConnectionError: print(b'')  # closed before all was sent"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert asked.stdout.strip() == "b''"
    assert said(start("tell"))[1].endswith("forked")


@pytest.mark.slow
@pytest.mark.parametrize("libraries", [stage.LIBRARIES, dvc_command.LIBRARIES])
def test_what_is_loaded_before_starts_no_thread(start: Start, libraries: tuple[str, ...]) -> None:
    assert said(start("loaded", *libraries, libraries=",".join(libraries)))[1] == "True forked"
