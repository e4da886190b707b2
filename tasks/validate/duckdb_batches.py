"""Let Great Expectations judge Parquet where it lies: one DuckDB connection, no copy in memory.

Imports Great Expectations; see `tasks.validate.expectations`.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar, Literal

# Read when Great Expectations is imported.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import Expectation

from tasks.validate.expectations import TableRule
from tasks.validate.verdicts import Verdict


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Keeps one connection open: the parent closes it before it fetches, and DuckDB's rows vanish with it."""

    _duck: Any = None

    @contextlib.contextmanager
    def get_connection(self) -> Iterator[Any]:
        """Yield the one connection."""
        if self._duck is None:
            self._duck = self.engine.connect()
        yield self._duck

    def close(self) -> None:
        """Close it."""
        if self._duck is not None:
            self._duck.close()
            self._duck = None
        self.engine.dispose()


class DuckDBDatasource(SQLDatasource):
    """Registers `add_duckdb` with Great Expectations."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]
    connection_string: str
    create_temp_table: bool = False
    execution_engine_override: ClassVar[Any] = DuckDBExecutionEngine


class SuiteRunner:
    """One Great Expectations context and one connection, for as many tables as a run has."""

    def __init__(self, scratch: Path) -> None:
        """Open an ephemeral context: it writes no file and knows no project.

        Args:
            scratch: folder for what does not fit in memory; DuckDB makes it when it needs it.
        """
        in_memory = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
        quiet = ProgressBarsConfig(globally=False)
        settings = DataContextConfig(store_backend_defaults=in_memory, progress_bars=quiet)
        self._context = gx.get_context(mode="ephemeral", project_config=settings)
        self._source: Any = self._context.data_sources.add_duckdb("duckdb", connection_string="duckdb:///:memory:")
        with self._source.get_execution_engine().get_connection() as connection:
            connection.exec_driver_sql(f"set temp_directory = {_literal(scratch)}")
            connection.exec_driver_sql(f"set memory_limit = '{_MEMORY}'")

    def judge(self, path: Path, name: str, rules: Sequence[TableRule]) -> list[Verdict]:
        """Hold one Parquet file against its rules, in the order of the rules.

        Args:
            path: the file.
            name: the day, or the name of the side table.
            rules: the suite.
        """
        query = f"select * from read_parquet({_literal(path)}, hive_partitioning=false)"
        batch = self._source.add_query_asset(name, query=query).add_batch_definition_whole_table("whole").get_batch()
        for number, rule in enumerate(rules):
            rule.expectation.meta = {"number": number}
        suite = gx.ExpectationSuite(name=name, expectations=[rule.expectation for rule in rules])
        with _configured_once():
            found = batch.validate(suite, result_format="BASIC").to_json_dict()["results"]
        by_number = {result["expectation_config"]["meta"]["number"]: result for result in found}
        return [_verdict(rule, name, by_number[number]) for number, rule in enumerate(rules)]

    def __enter__(self) -> "SuiteRunner":
        return self

    def __exit__(self, *_: object) -> None:
        engine = self._source.get_execution_engine()
        engine.close()


@contextlib.contextmanager
def _configured_once() -> Iterator[None]:
    """Let every expectation say once how it is configured, in this thread.

    Great Expectations asks each of them sixty times, key by key, and it puts the answer together anew: a quarter of the work
    on a table.
    """
    token = _CONFIGURED.set({})
    try:
        yield
    finally:
        _CONFIGURED.reset(token)


def _configuration(expectation: Any) -> Any:
    known = _CONFIGURED.get()
    if known is None:
        return _CONFIGURATION.fget(expectation)
    if id(expectation) not in known:
        # Held, lest another one takes its place in memory.
        known[id(expectation)] = expectation, _CONFIGURATION.fget(expectation)
    return known[id(expectation)][1]


_CONFIGURED: ContextVar[dict[int, tuple[Any, Any]] | None] = ContextVar("configured", default=None)
_CONFIGURATION: Any = Expectation.configuration
Expectation.configuration = property(_configuration)  # type: ignore[method-assign, assignment]


def _literal(path: Path) -> str:
    """Return a path as an SQL string."""
    return "'" + str(path).replace("'", "''") + "'"


_MEMORY = "512MB"
_NUMBERS = ("observed_value", "element_count", "unexpected_count", "unexpected_percent", "missing_count")


def _verdict(rule: TableRule, name: str, result: dict[str, Any]) -> Verdict:
    """Keep what is the same on every run: no batch ids, and none of the arbitrary examples."""
    config = result["expectation_config"]
    numbers = {key: result["result"][key] for key in _NUMBERS if key in result["result"]}
    kwargs = {key: value for key, value in config["kwargs"].items() if key != "batch_id"}
    messages = _exceptions(result.get("exception_info") or {})
    observed = f"could not be judged: {messages[0]}" if messages else _observed(rule, numbers)
    return Verdict(
        rule=rule.name,
        day=name,
        status="passed" if result["success"] else "warning" if rule.level == "warning" else "failed",
        observed=observed,
        expected=rule.expected,
        advice=rule.advice,
        column=rule.column,
        details={
            "expectation": config["type"],
            "kwargs": kwargs,
            "result": numbers,
            "success": bool(result["success"]),
        },
    )


def _exceptions(info: dict[str, Any]) -> list[str]:
    nested = info.values() if "raised_exception" not in info else [info]
    return sorted({str(item["exception_message"]) for item in nested if item.get("raised_exception")})


def _observed(rule: TableRule, numbers: dict[str, Any]) -> str:
    if rule.show is not None:
        return rule.show(numbers.get("observed_value"))
    if numbers.get("element_count") == 0:
        return "no rows"
    if "unexpected_count" in numbers:
        return f"{numbers['unexpected_count']:,} of {numbers['element_count']:,} rows differ"
    value = numbers.get("observed_value")
    return f"{value:,}" if isinstance(value, int) else str(value)
