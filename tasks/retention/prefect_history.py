"""Runs, events and logs in the database of the embedded Prefect server: history for people, nothing a night reads."""

import contextlib
import datetime as dt
import sqlite3
from dataclasses import dataclass
from pathlib import Path

TABLES = {
    "flow_run": "created",
    "log": "created",
    "artifact": "created",
    "events": "occurred",
    "event_resources": "occurred",
}
"""Table -> when a row of it was made; what hangs on a run goes with it."""


@dataclass(frozen=True)
class PrefectHistory:
    """Rows older than some days.

    Attributes:
        database: SQLite file of the embedded server.
        before: rows made earlier go, UTC.
        rows: how many.
    """

    database: Path
    before: str
    rows: int

    def __str__(self) -> str:
        return f"rows of Prefect's history before {self.before[:10]}: {self.rows}; then no longer: see those runs in its UI"

    @classmethod
    def of(cls, database: Path, days: int) -> "PrefectHistory | None":
        """Return what is older than some days; None: nothing, or there is no such database."""
        if not database.is_file():
            return None
        before = (dt.datetime.now(dt.UTC) - dt.timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            try:
                rows = sum(
                    connection.execute(f"SELECT count(*) FROM {table} WHERE {column} < ?", (before,)).fetchone()[0]
                    for table, column in TABLES.items()
                )
            except sqlite3.Error:  # another version's tables, or a server is migrating them
                return None
        return cls(database, before, rows) if rows else None

    def forget(self) -> None:
        """Delete the rows and give their space back; a server that is writing meanwhile is left alone."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            with contextlib.suppress(sqlite3.OperationalError):
                with connection:
                    for table, column in TABLES.items():
                        connection.execute(f"DELETE FROM {table} WHERE {column} < ?", (self.before,))
                connection.execute("VACUUM")
