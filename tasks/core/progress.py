"""How long a stage will still take, by what its last run here took: drawn on a terminal, and never part of a log.

What is left of a stage is not known from inside it: most read their days in one query, or fit until something is no longer
better. The same stage in the same workspace is the best forecast there is, and it costs nothing.
"""

import contextlib
import functools
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator

from tasks.core.errors import DwellError
from tasks.core.layout import Workspace
from tasks.core.timings import last_cost

SHORT_S = 5.0
"""What takes no longer is not worth a bar."""
_TICK_S = 0.5


@contextlib.contextmanager
def stage_bar(workspace: Workspace, stage: str) -> Iterator[None]:
    """Draw on stderr, where that is a terminal, how far the stage is that runs inside.

    Args:
        workspace: where it runs.
        stage: name, with `@recipe` where it runs once per recipe.
    """
    if not sys.stderr.isatty():
        yield
        return
    _let_logs_pass()
    ended = threading.Event()
    drawing = threading.Thread(target=_draw, args=(stage, _expected_s(workspace, stage), ended), daemon=True)
    drawing.start()
    try:
        yield
    finally:
        ended.set()
        drawing.join()


def time_left(expected_s: float | None, passed_s: float) -> str:
    """Say how long something will still take, in words.

    Args:
        expected_s: what it takes in all; None: it never ran here.
        passed_s: since it began.
    """
    if expected_s is None:
        return f"{passed_s:.0f} s, here for the first time"
    if passed_s > expected_s:
        return f"{passed_s:.0f} s, last time {expected_s:.0f} s"
    return f"about {expected_s - passed_s:.0f} s left"


def _expected_s(workspace: Workspace, stage: str) -> float | None:
    """Return what the last run took; a file that another version wrote says nothing."""
    try:
        cost = last_cost(workspace, stage)
    except DwellError:
        return None
    return None if cost is None else cost.seconds


def _draw(stage: str, expected_s: float | None, ended: threading.Event) -> None:
    started = time.monotonic()
    if (expected_s is None or expected_s < SHORT_S) and ended.wait(SHORT_S):
        return
    from tqdm import tqdm

    shown = "{desc}{postfix}" if expected_s is None else "{desc} {percentage:3.0f}%|{bar:20}|{postfix}"
    with tqdm(total=expected_s, desc=stage, leave=False, bar_format=shown, file=sys.stderr) as bar:
        while True:
            passed_s = time.monotonic() - started
            bar.n = passed_s if expected_s is None else min(passed_s, expected_s)
            bar.set_postfix_str(time_left(expected_s, passed_s))
            if ended.wait(_TICK_S):
                return


@functools.cache
def _let_logs_pass() -> None:
    """Have whatever writes a log to the terminal take the bars away first, and put them back below its line."""
    known = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in known:
        for handler in logger.handlers if isinstance(logger, logging.Logger) else ():
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                handler.emit = functools.partial(_above_bars, handler.emit)  # type: ignore[method-assign]


def _above_bars(emit: Callable[[logging.LogRecord], None], record: logging.LogRecord) -> None:
    from tqdm import tqdm

    with tqdm.external_write_mode(file=sys.stderr):
        emit(record)
