"""Processes for tests that begin with torch loaded: a server loads it once in this process's environment, and is forked for each."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from tasks.__main__ import LIBRARIES


def started(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Return a process that runs a function of a module, as an interpreter of its own would after five seconds of imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    process = context.Process(target=target, args=arguments)
    process.start()
    return process
