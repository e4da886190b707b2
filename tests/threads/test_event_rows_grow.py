"""PrefectHQ/prefect#16906, #15919: rows of events grow until the server is too slow to schedule anything.

Every state of every run is one, and every heartbeat. The Prefect that pyproject.toml pins removes those older than a week, every
hour; runs, with their logs and artifacts, it keeps for ever unless told otherwise, and those of an embedded server in any case.
"""

import asyncio
import contextlib
import datetime as dt
import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.server.database import provide_database_interface
from prefect.server.services.db_vacuum import vacuum_old_events
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, get_current_settings, temporary_settings
from prefect.settings.models.server.services import ServerServicesDBVacuumSettings

from benchmarks.faults.unattended import a_day_passes
from tasks.retention.prefect_history import PrefectHistory

pytestmark = pytest.mark.slow

NAME = "thread.event"
AGES = (1, 6, 8, 20, 400)
"""Days since events occurred, in a database whose server nobody told to forget."""


@pytest.fixture
def database(embedded_home: Callable[[Path], Path], tmp_path: Path) -> Path:
    path = embedded_home(tmp_path) / "prefect.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for age in AGES:
            occurred = (dt.datetime.now(dt.UTC) - dt.timedelta(days=age)).strftime("%Y-%m-%d %H:%M:%S.%f")
            event = str(uuid4())
            connection.execute(
                "INSERT INTO events (id, event, resource_id, resource, payload, occurred, received, recorded) "
                "VALUES (?, ?, 'thread', '{}', '{}', ?, ?, ?)", (event, NAME, occurred, occurred, occurred),
            )  # fmt: skip
            connection.execute(
                "INSERT INTO event_resources (event_id, resource_id, resource_role, resource, occurred) "
                "VALUES (?, 'thread', ?, '{}', ?)", (event, NAME, occurred),
            )  # fmt: skip
    return path


def rows(database: Path) -> tuple[int, int]:
    """Return how many of the events are left, and of their resources."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        asked = (
            "SELECT count(*) FROM events WHERE event = ?",
            "SELECT count(*) FROM event_resources WHERE resource_role = ?",
        )
        events, resources = (connection.execute(query, (NAME,)).fetchone()[0] for query in asked)
    return events, resources


def test_the_bare_tool_forgets_events_after_a_week_and_runs_never(database: Path) -> None:
    assert rows(database) == (5, 5)
    with temporary_settings({PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{database}"}):
        asyncio.run(vacuum_old_events(db=provide_database_interface()))
    assert rows(database) == (2, 2)
    assert ServerServicesDBVacuumSettings.model_fields["enabled"].default == {"events"}


def test_servers_that_dwell_starts_forget_all_of_it() -> None:
    server = get_current_settings().server
    assert server.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert server.services.db_vacuum.retention_period == dt.timedelta(days=30)
    assert server.events.retention_period <= dt.timedelta(days=7)


def test_a_night_with_an_embedded_server_forgets_what_old_nights_left(database: Path) -> None:
    """Each does so when it has ended, for it does not live an hour (`nightly.keep_nights`)."""
    history = PrefectHistory.of(database, days=14)
    assert history is not None
    history.forget()
    assert rows(database) == (3, 3)
    assert PrefectHistory.of(database, days=14) is None


def test_after_days_have_passed_more_is_forgotten(database: Path) -> None:
    """How the ninety unattended nights of the benchmark, which follow each other within minutes, are a day apart."""
    for _ in range(7):
        a_day_passes(database)
    history = PrefectHistory.of(database, days=14)
    assert history is not None
    history.forget()
    assert rows(database) == (2, 2)
