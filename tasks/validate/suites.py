"""Hold every table against its suite, once: a stored result with the same key is the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.cluster import Map
from tasks.core.contract import impressions_schema
from tasks.core.files import hash_file, hash_value, write_json
from tasks.core.partition_cache import stored
from tasks.core.remote import Files
from tasks.validate.code import versions
from tasks.validate.config import ValidationConfig
from tasks.validate.partitions import DayTask
from tasks.validate.verdicts import Verdict

_TABLES_AT_A_TIME = 8
"""Tables that one context and connection judge: a day a night is one, a backfill is shared among workers."""


@dataclass(frozen=True)
class SuiteTable:
    """One Parquet file to judge.

    Attributes:
        name: ISO day of a partition, or users or videos.
        path: the validated file.
        task: what the partition was made from; None for a side table.
    """

    name: str
    path: Path
    task: DayTask | None = None

    @property
    def result_name(self) -> str:
        """File name of the result, below results/."""
        return f"{self.name}.json" if self.task is None else f"day={self.name}.json"

    def key(self, config: ValidationConfig) -> str:
        """Return what the verdicts of Great Expectations are a function of, as one hash."""
        limits: dict[str, Any]
        if self.task is None:
            content, limits = hash_file(self.path), config.tables.model_dump(mode="json", include={"may_be_null"})
        else:
            content = self.task.key  # holds the row rules
            limits = config.tables.model_dump(mode="json", include={"min_rows", "freshness_hours"})
        return hash_value({"content": content, "limits": limits, "code": versions()})


def judge_tables(
    tables: Sequence[SuiteTable], config: ValidationConfig, results: Path, scratch: Path, run: Map
) -> dict[str, list[Verdict]]:
    """Return the verdicts of Great Expectations by table name.

    Args:
        tables: what to judge.
        config: the stage's configuration.
        results: folder of earlier results.
        scratch: folder for what does not fit in memory.
        run: how functions are mapped.
    """
    found = {table.name: _stored_verdicts(results / table.result_name, table.key(config)) for table in tables}
    pending = [table for table in tables if found[table.name] is None]
    judge = partial(_judge, config=config, scratch=scratch)
    parts = [pending[at : at + _TABLES_AT_A_TIME] for at in range(0, len(pending), _TABLES_AT_A_TIME)]
    for verdicts in run(judge, parts, lambda of: Files(tuple(table.path for table in of))):
        found |= verdicts
    return {name: verdicts for name, verdicts in found.items() if verdicts is not None}


def _judge(tables: Sequence[SuiteTable], config: ValidationConfig, scratch: Path) -> dict[str, list[Verdict]]:
    # Great Expectations takes seconds to import, and a night with nothing new does not need it.
    from tasks.validate.duckdb_batches import SuiteRunner

    with SuiteRunner(scratch) as runner:
        return {table.name: runner.judge(table.path, table.name, _suite(table, config)) for table in tables}


def write_result(
    folder: Path, table: SuiteTable, config: ValidationConfig, judged: Sequence[Verdict], counted: Sequence[Verdict]
) -> None:
    """Write one table's result: verdicts of Great Expectations, verdicts on the counts, and what a person accepted."""
    accepted = [item for item in config.tables.accept if item.day.isoformat() == table.name]
    content = {
        "key": table.key(config),
        "great_expectations": [verdict.as_json() for verdict in judged],
        "counts": [verdict.as_json() for verdict in counted],
        "accepted": [item.model_dump(mode="json") for item in accepted],
    }
    write_json(folder / table.result_name, content)


def _suite(table: SuiteTable, config: ValidationConfig) -> list[Any]:
    from tasks.validate.expectations import impressions_suite, side_suite

    if table.task is None:
        return side_suite(table.name, dict(pl.read_parquet_schema(table.path)), config.tables)
    day, schema = table.task.context, impressions_schema(pl.read_parquet_schema(table.path))
    return impressions_suite(config.rows, config.tables, day.start_ms, day.end_ms, schema)


def _stored_verdicts(path: Path, key: str) -> list[Verdict] | None:
    result = stored(path, key)
    return None if result is None else [Verdict(**verdict) for verdict in result["great_expectations"]]
