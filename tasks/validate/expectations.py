"""The Great Expectations suites: what each validated table must satisfy.

Row rules have run before, so a failure here means that the table as a whole is wrong. What a row rule would have
ensured is not asked for where the configuration switches that rule off.
Imports Great Expectations (3-5 s, 250 MB): only the stage function imports this module, and only when it must.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import great_expectations.expectations as gxe
import polars as pl

from tasks.core.contract import FLAGS, KEY, POLICIES, TABLES
from tasks.core.days import HOUR_MS
from tasks.validate.config import RowRuleName, RowRulesConfig, TableRulesConfig

_SQL_TYPES = {
    pl.Int64(): "BIGINT",
    pl.Int16(): "SMALLINT",
    pl.Int8(): "TINYINT",
    pl.Float64(): "DOUBLE",
    pl.String(): "VARCHAR",
    pl.List(pl.Float32()): "FLOAT[]",
}
_GUARDS: dict[str, RowRuleName] = {
    **dict.fromkeys((*KEY, "known_at_ms"), "null_key"),
    "duration_ms": "zero_duration",
    "watch_ms": "negative_watch",
    "scene": "unknown_scene",
    "policy": "unknown_policy",
}
"""Column -> the row rule that leaves no null in it."""

_TEXT, _NAME = "'", '"'
"""Quotes of text and of names in SQL."""
_INGEST = "ingest the data again"
_ACCEPT = "or let the day pass under validation.tables.accept"


@dataclass(frozen=True)
class TableRule:
    """An expectation under the name, the words and the advice that a person reads.

    Attributes:
        level: status of the verdict when the expectation is not met.
        guard: the row rule that ensures it; without that rule it is not asked for.
        show: the observed value in words; None: as it is.
    """

    name: str
    expectation: Any
    expected: str
    advice: str
    column: str = ""
    level: str = "failed"
    guard: RowRuleName | None = None
    show: Callable[[Any], str] | None = None


def impressions_suite(
    rows: RowRulesConfig, tables: TableRulesConfig, start_ms: int, end_ms: int, types: Mapping[str, pl.DataType]
) -> list[TableRule]:
    """Return the rules of one validated partition of impressions that arrived within (start_ms, end_ms].

    Args:
        rows: rules of rows.
        tables: rules of tables.
        start_ms: when the day begins.
        end_ms: when it ends.
        types: columns that a partition has: those of the contract and further ones of context.
    """
    rules = [
        *_layout("impressions", types),
        *(_not_null(column, guard) for column, guard in _GUARDS.items()),
        TableRule("flags", _no_rows(_BAD_FLAGS), "every feedback flag 0 or 1", _INGEST, guard="bad_flag", show=_at_least),
        _values("policy", "unknown_policy", " or ".join(POLICIES), value_set=list(POLICIES)),
        _scenes(rows),
        _values("watch_ms", "negative_watch", "at least 0 ms", min_value=0),
        _durations(rows),
        _values("event_time_ms", "future_event", "not after the day's end", max_value=end_ms),
        _values("known_at_ms", "future_event", "not after the day's end", max_value=end_ms),
        _values("known_at_ms", "wrong_day", "after the day's beginning", min_value=start_ms + 1),
        TableRule(
            "unique_key",
            _no_rows(_REPEATED_KEY),
            "every (user, video, event time) once, in order",
            _INGEST,
            guard="key_duplicate",
            show=_at_least,
        ),
        TableRule(
            "one_duration",
            _no_rows(_MANY_DURATIONS),
            "one duration per video",
            "check the catalogue",
            column="duration_ms",
            level="warning",
            show=_at_least,
        ),
        TableRule(
            "min_rows",
            gxe.ExpectTableRowCountToBeBetween(min_value=tables.min_rows),
            f"at least {tables.min_rows:,} rows",
            f"check that the log is complete and {_INGEST}, {_ACCEPT}",
        ),
        _freshness(tables.freshness_hours, end_ms),
    ]  # fmt: skip
    return [rule for rule in rules if rule.guard not in rows.off]


def side_suite(table: str, types: Mapping[str, pl.DataType], config: TableRulesConfig) -> list[TableRule]:
    """Return the rules of users or videos; `types` are the columns that the file has."""
    key = TABLES[table][0].name
    lost = f"the source lost the column: {_INGEST}, or name it in validation.tables.may_be_null"
    return [
        *_layout(table, types),
        _not_null(key, None),
        TableRule("unique_key", gxe.ExpectColumnValuesToBeUnique(column=key), f"every {key} once", f"mend the source and {_INGEST}", key),
        TableRule("min_rows", gxe.ExpectTableRowCountToBeBetween(min_value=1), "at least 1 row", _INGEST),
        *(
            TableRule(
                "all_null_column",
                gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(column=column, min_value=0, strict_min=True),
                "at least one value",
                lost,
                column,
            )
            for column in types
            if column != key and column not in config.may_be_null
        ),
    ]  # fmt: skip


_REPEATED_KEY = (
    "select e, u, v from (select event_time_ms e, user_id u, video_id v, lag(event_time_ms) over () pe, lag(user_id) over () pu, "
    "lag(video_id) over () pv from {batch}) where pe is not null and (pe, pu, pv) >= (e, u, v) limit 1000"
)
"""Rows are sorted by key, so one look at the row before finds a repeated key without a hash table of all keys."""

_BAD_FLAGS = (
    "select 1 from {batch} where ("
    + " and ".join(f'"{flag}" in (0, 1)' for flag in FLAGS)
    + " and coalesce(long_view, 0) in (0, 1)) is not true limit 1000"
)
"""One query for all flags: Great Expectations takes longer over one expectation per flag than DuckDB over the rows."""

_MANY_DURATIONS = "select video_id from {batch} group by video_id having min(duration_ms) < max(duration_ms) limit 1000"


def _layout(table: str, types: Mapping[str, pl.DataType]) -> list[TableRule]:
    checks = " union all ".join(
        f"select {_quoted(name, _TEXT)} as name, typeof({_quoted(name, _NAME)}) as type, '{_SQL_TYPES[dtype]}' as wanted from head"
        for name, dtype in types.items()
    )
    wrong = f"with head as (select * from {{batch}} limit 1) select name, type from ({checks}) where type <> wanted"
    advice = f"{_INGEST} with an adapter that meets the contract of {table}"
    columns = gxe.ExpectTableColumnsToMatchOrderedList(column_list=list(types))
    return [
        TableRule("columns", columns, "the columns of the contract, in order", advice),
        TableRule("types", _no_rows(wrong), "the types of the contract", advice, show=_at_least),
    ]


def _quoted(text: str, mark: str) -> str:
    """Return a text as SQL has it between marks, for a query that is a template of placeholders {x} and parameters :x."""
    doubled = text.replace(mark, 2 * mark).replace("{", "{{").replace("}", "}}")
    return mark + doubled.replace(":", "\\:") + mark


def _not_null(column: str, guard: RowRuleName | None) -> TableRule:
    expectation = gxe.ExpectColumnValuesToNotBeNull(column=column)
    return TableRule("not_null", expectation, "no nulls", _INGEST, column, guard=guard)


def _values(column: str, guard: RowRuleName, expected: str, **limits: Any) -> TableRule:
    kind = gxe.ExpectColumnValuesToBeInSet if "value_set" in limits else gxe.ExpectColumnValuesToBeBetween
    return TableRule("values", kind(column=column, **limits), expected, _INGEST, column, guard=guard)


def _scenes(rows: RowRulesConfig) -> TableRule:
    if rows.known_scenes is None:
        return _values("scene", "unknown_scene", "at least 0", min_value=0)
    return _values("scene", "unknown_scene", "a known scene", value_set=sorted(rows.known_scenes))


def _durations(rows: RowRulesConfig) -> TableRule:
    keep = rows.duration_range
    if keep is None or "duration_range" in rows.off:
        return _values("duration_ms", "zero_duration", "more than 0 ms", min_value=1)
    shortest, longest = keep.limits_ms
    return _values("duration_ms", "duration_range", keep.name, min_value=shortest, max_value=longest)


def _freshness(hours: float, end_ms: int) -> TableRule:
    def show(newest: Any) -> str:
        return (
            "no row"
            if newest is None
            else f"the newest row arrived {(end_ms - newest) / HOUR_MS:.1f} hours before its end"
        )

    return TableRule(
        "freshness",
        gxe.ExpectColumnMaxToBeBetween(column="known_at_ms", min_value=end_ms - int(hours * HOUR_MS)),
        f"a row within the day's last {hours:g} hours",
        f"the log ends too early: wait until it is complete and {_INGEST}, {_ACCEPT}",
        column="known_at_ms",
        show=show,
    )


def _at_least(found: Any) -> str:
    return f"{found:,} differ" if found < 1000 else "1,000 or more differ"


def _no_rows(query: str) -> Any:
    return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query)
