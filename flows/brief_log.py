"""Errors that are meant for a person, in the log of a run: their first line, and no traceback of Prefect's."""

import logging

from tasks.core.errors import DwellError

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


def install() -> None:
    """Let Prefect's loggers of runs do so; harmless to repeat."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_briefly)


def _briefly(record: logging.LogRecord) -> bool:
    """Shorten a record that carries such an error; `dwell` prints all of it at the end, the state of the run holds it."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(error, DwellError):
        record.msg, record.args = str(error).partition("\n")[0], ()
        record.exc_info = record.exc_text = None
    return True
