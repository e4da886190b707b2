"""Processes that begin with their libraries loaded: a server loads them once, and is forked for each that is asked for.

A night runs some thirty processes, and loading DVC, torch and scipy takes each of them longer than many a stage works.
Bytes and isolation stay: what is forked has an environment, a session and an end of its own. Where there is no server, or
it must not be forked, callers load the libraries themselves and nothing else differs.

A process may be forked while it has a single thread: a lock that another thread holds would be held in the child for ever.
Libraries that start threads when they are loaded (polars, pyarrow, Great Expectations) are therefore not loaded here.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from select import POLLIN, poll
from typing import NoReturn

from tasks.core import arithmetic

ADDRESS = "DWELL_FORK_SERVER"
"""Environment variable: where the server of this run listens, in Linux's abstract namespace, which no file outlives."""
_SERVED = set[Path]()
"""Workspaces for which this process has a server."""
_PRODUCT = ("tasks", "models", "flows")
_LONGEST = 1 << 20
_PATIENCE_S = 10
_PR_SET_PDEATHSIG = 1
_FORKED, _EXIT = b"+", struct.Struct("i")


@dataclass(frozen=True)
class _Request:
    """What a process is to run.

    Attributes:
        entry: `module:function` that takes the arguments and returns the exit status.
        arguments: for it.
        libraries: modules to have been loaded before.
        expected: modules that such processes need too, to be loaded for the next ones.
        folder: the working directory.
        environment: all of it.
    """

    entry: str
    arguments: Sequence[str]
    libraries: Sequence[str]
    expected: Sequence[str]
    folder: str
    environment: dict[str, str]

    def run(self) -> int:
        """Run it in this process."""
        module, _, name = self.entry.partition(":")
        function: Callable[[Sequence[str]], int | None] = getattr(importlib.import_module(module), name)
        return function(self.arguments) or 0


def call(entry: str, arguments: Sequence[str], libraries: Sequence[str], expected: Sequence[str] = ()) -> int:
    """Run a function in a process that has libraries loaded, if this run has a server, else in this one.

    This process stands for it: it has its exit status, and when it is killed so is that.

    Args:
        entry: `module:function`; it takes the arguments and returns an exit status.
        arguments: for it.
        libraries: modules that it needs and that start no thread when they are loaded.
        expected: further such modules, which it may load itself: the server loads them for who asks next, while nobody does.
    """
    request = _Request(entry, arguments, libraries, expected, str(Path.cwd()), dict(os.environ))
    address = os.environ.get(ADDRESS)
    status = _forked(address, request) if address else None
    return request.run() if status is None else status


@contextlib.contextmanager
def fork_server(root: Path, libraries: Sequence[str] = ()) -> Iterator[None]:
    """Let what this process starts inside find a server; it dies with this run. Inside another of the workspace, that serves.

    Args:
        root: the workspace that everything runs in, with the code that is there.
        libraries: modules to load while nobody asks for anything, in this order.
    """
    if sys.platform != "linux" or root.resolve() in _SERVED:
        yield
        return
    address = f"dwell-{os.getpid()}-{secrets.token_hex(16)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(f"\0{address}")
        listener.listen(socket.SOMAXCONN)
        command = [sys.executable, "-m", __name__, str(listener.fileno()), *libraries]
        quiet = subprocess.DEVNULL
        server = subprocess.Popen(
            command, cwd=root, pass_fds=[listener.fileno()], stdin=quiet, stdout=quiet, stderr=quiet,
            start_new_session=True,
        )  # fmt: skip
    os.environ[ADDRESS] = address
    _SERVED.add(root.resolve())
    try:
        yield
    finally:
        _SERVED.discard(root.resolve())
        del os.environ[ADDRESS]
        server.kill()
        server.wait()


def _forked(address: str, request: _Request) -> int | None:
    """Have a server run a request; return the exit status, None where it did not fork."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(f"\0{address}")
            _send(connection, request)
            if connection.recv(1) != _FORKED:
                return None
        except OSError:
            return None
        ended = connection.recv(_EXIT.size, socket.MSG_WAITALL)
    status: int = _EXIT.unpack(ended)[0] if len(ended) == _EXIT.size else -signal.SIGKILL
    if status < 0:
        os.kill(os.getpid(), -status)
    return status


def _send(connection: socket.socket, request: _Request) -> None:
    body = json.dumps(asdict(request)).encode()
    socket.send_fds(connection, [len(body).to_bytes(4, "little")], [0, 1, 2])
    connection.sendall(body)


def _receive(connection: socket.socket) -> tuple[_Request, list[int]]:
    """Return a request and the standard streams of who asks.

    Raises:
        OSError: if it is cut short.
        ValueError: if it comes from another user or is none.
    """
    uid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    if uid != os.getuid():
        raise ValueError(f"user {uid} asks")
    length, streams, _, _ = socket.recv_fds(connection, 4, 3)
    size = int.from_bytes(length, "little")
    body = connection.recv(size, socket.MSG_WAITALL) if size < _LONGEST else b""
    return _Request(**json.loads(body)), streams


class _Loaded:
    """The libraries of a server, and whether it may be forked."""

    def __init__(self) -> None:
        self._written: dict[str, int] = {}

    def load(self, libraries: Sequence[str]) -> None:
        """Load what is not loaded yet; what cannot be is left to who needs it, who says why."""
        missing = [name for name in libraries if name not in sys.modules]
        for name in missing:
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        # numpy's and scipy's OpenBLAS end their threads when a process is forked, and start them where they are needed
        if missing and not self._is_alone() and os.fork() == 0:
            os._exit(0)
        gc.freeze()  # so that collecting garbage in a child copies none of it
        self._written |= {file: written for file, written in self._files() if file not in self._written}

    def may_be_forked(self) -> bool:
        """Whether there is one thread, and the code in memory is that in the files."""
        return self._is_alone() and all(self._written.get(file, written) == written for file, written in self._files())

    @staticmethod
    def _is_alone() -> bool:
        return len(os.listdir("/proc/self/task")) == 1

    @staticmethod
    def _files() -> Iterator[tuple[str, int]]:
        """Yield file and time of writing of the product's own modules that are loaded."""
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in _PRODUCT and (file := getattr(module, "__file__", None)):
                yield file, os.stat(file).st_mtime_ns if os.path.exists(file) else 0


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve(listener: socket.socket, expected: Sequence[str]) -> _Request:
    """Fork for whoever asks, for ever; return in what was forked, with what it is to run."""
    loaded, asked = _Loaded(), poll()
    asked.register(listener, POLLIN)
    signal.signal(signal.SIGCHLD, _reap)
    waiting = deque(expected)
    while True:
        while waiting and not asked.poll(0):
            loaded.load([waiting.popleft()])
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError, ValueError, TypeError):
            connection.settimeout(_PATIENCE_S)
            request, streams = _receive(connection)
            loaded.load(request.libraries)
            if loaded.may_be_forked() and os.fork() == 0:
                listener.close()
                connection.settimeout(None)
                return _attended(connection, request, streams)
            for stream in streams:
                os.close(stream)
            waiting.extend(name for name in request.expected if name not in sys.modules and name not in waiting)


def _attended(connection: socket.socket, request: _Request, streams: Sequence[int]) -> _Request:
    """Return in a process of its own; the one between stays, to end it with who asks and to tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    attendant, child = os.getpid(), os.fork()
    if child:
        _attend(connection, streams, child)
    connection.close()
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != attendant:
        os._exit(1)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    sys.argv = [request.entry, *request.arguments]
    return request


def _attend(connection: socket.socket, streams: Sequence[int], child: int) -> NoReturn:
    for stream in (*streams, 0, 1, 2):
        os.close(stream)
    with contextlib.suppress(OSError):
        connection.sendall(_FORKED)
    ended = os.pidfd_open(child)
    events = poll()
    events.register(ended, POLLIN)
    events.register(connection, POLLIN)
    if all(ready != ended for ready, _ in events.poll()):
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it started and left, as where a stage's whole group is ended
    with contextlib.suppress(OSError):
        connection.sendall(_EXIT.pack(status))
    os._exit(0)


def _run(request: _Request) -> NoReturn:
    """Run a request as the interpreter does, but for taking down what came with the fork, which would copy all of it."""
    try:
        status = request.run()
    except SystemExit as said:
        if isinstance(said.code, str):
            print(said.code, file=sys.stderr)
        status = said.code if isinstance(said.code, int) else int(said.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as multiprocessing does where it forks
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    arithmetic.pin_for_night(Path.cwd())
    _run(_serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:]))
