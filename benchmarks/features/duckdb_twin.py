"""The dense sums of the features stage as one statement of DuckDB's SQL: the steps of the twin in Polars."""

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from benchmarks.features.log import CARRIED, Log
from tasks.core.labels import LONG_VIEW_MS, SKIP_MS, VALID_PLAY_MS
from tasks.features.buckets import DURATION_EDGES_MS
from tasks.features.config import FeatureGroup
from tasks.features.state import label

_LONG = f"case when duration_ms <= {LONG_VIEW_MS} then watch_ms >= duration_ms else watch_ms >= {LONG_VIEW_MS} end"
_VALID = f"case when duration_ms <= {VALID_PLAY_MS} then watch_ms >= duration_ms else watch_ms > {VALID_PLAY_MS} end"
_BUCKET = "1 + " + " + ".join(f"(duration_ms >= {edge})::int" for edge in DURATION_EDGES_MS)
_EVENTS = f"""
select * exclude (watch, long_view), watch / 1000 as watch, watch / duration_ms as ratio,
  (rank() over longer + (count(*) over same - 2) / 2) / count(*) over alike as percentile,
  coalesce(long_view, ({_LONG})::tinyint) as long_view, (watch_ms < least({SKIP_MS}, duration_ms))::tinyint as skip,
  ({_VALID})::tinyint as valid_play, (watch_ms >= duration_ms)::tinyint as finish
from (
  select *, least(watch_ms, duration_ms) as watch, ({_BUCKET})::smallint as duration_bucket
  from shown where duration_ms > 0
)
window alike as (partition by arrival_day, duration_bucket), longer as (alike order by watch),
  same as (partition by arrival_day, duration_bucket, watch)"""


def write(log: Log, target: Path) -> None:
    """Write the rows of all modelled days into one Parquet file."""
    with duckdb.connect() as connection:
        connection.execute("set threads = 1; set preserve_insertion_order = false")
        connection.register("all_weights", log.weights().to_arrow())
        connection.execute(f"copy ({query(log)}) to {_text(target)} (format parquet, compression zstd)")


def query(log: Log) -> str:
    """Return the query of the rows."""
    carried = dict.fromkeys([*CARRIED, *log.group_keys])
    windows = [label(window) for window in log.windows]
    means = (f'"{w}_{what}" / "{w}_n" as "prior_{w}_{what}"' for w in windows for what in log.statistics)
    steps = {
        "shown": _shown(log),
        "events": _EVENTS,
        "examples": f"select {_list(map(_name, carried))} from events where arrival_day in {_dates(log.days.modelled)}",
        "weights": "from all_weights where state_day in (select state_day from examples)",
        "priors": f"select state_day, {_list(means)} from ({_weighed([], windows, log.statistics)})",
    }
    columns, joins = [f"e.{_name(name)}" for name in CARRIED], ["from examples e left join priors p using (state_day)"]
    for name, group in log.config.groups.items():
        steps[f"state_{name}"] = _state(name, group)
        same = " and ".join(f"e.{key} = of_{name}.{key}" for key in (*group.keys, "state_day"))
        joins.append(f"left join state_{name} of_{name} on {same}")
        columns += _filled(name, group)
    parts = _list(f"{name} as materialized ({step})" for name, step in steps.items())
    return f"with {parts} select {_list(columns)} {' '.join(joins)}"


def _shown(log: Log) -> str:
    """Return the impressions of all days with what the catalogue says of their videos."""
    event_day = f"(epoch_ms(event_time_ms) at time zone 'UTC' at time zone {_text(log.timezone)})::date"
    files = f"read_parquet({_text(log.folder / 'impressions/*/part.parquet')}, hive_types = {{'day': date}})"
    return f"""
select i.* exclude (duration_ms, day), i.day as arrival_day, least(i.day, {event_day}) as state_day,
  coalesce(case when i.duration_ms > 0 then i.duration_ms end, v.duration_ms) as duration_ms, author_id, music_id, tag
from {files} i left join read_parquet({_text(log.folder / "videos.parquet")}) v on i.video_id = v.video_id
where i.day in {_dates(log.days.read)}"""


def _weighed(keys: Sequence[str], windows: Sequence[str], statistics: Sequence[str]) -> str:
    """Return the query of counts and sums of each window by key and morning."""
    by, known = "".join(f"{key}, " for key in keys), " and ".join(f"{key} is not null" for key in keys) or "true"
    sums = _list(["count(*) as n", *(f"sum({what}) as {what}" for what in map(_name, statistics))])
    weighed = (f'sum({_name(what)} * "{w}") as "{w}_{what}"' for w in windows for what in ("n", *statistics))
    daily = f"select {by}arrival_day, {sums} from events where {known} group by all"
    return f"select {by}state_day, {_list(weighed)} from ({daily}) join weights on arrival_day = day group by all"


def _state(name: str, group: FeatureGroup) -> str:
    """Return the query of log counts and means that are drawn to the prior."""
    columns, strength = [*group.keys, "state_day"], group.prior_strength
    for w in map(label, group.windows):
        columns.append(f'ln(1 + "{w}_n")::float as {name}_{w}_count')
        for what in group.statistics:
            mean = f'("{w}_{what}" + {strength} * "prior_{w}_{what}") / ("{w}_n" + {strength})'
            columns.append(f"({mean})::float as {name}_{w}_{what}")
    sums = _weighed(group.keys, [label(window) for window in group.windows], group.statistics)
    return f"select {_list(columns)} from ({sums}) join priors using (state_day)"


def _filled(name: str, group: FeatureGroup) -> list[str]:
    """Return what a key holds that was not seen: no impression, and the prior."""
    filled = []
    for w in map(label, group.windows):
        for what, absent in [("count", "0"), *((what, f'"prior_{w}_{what}"') for what in group.statistics)]:
            filled.append(f"coalesce({name}_{w}_{what}, {absent}::float) as {name}_{w}_{what}")
    return filled


def _list(items: Iterable[str]) -> str:
    return ", ".join(items)


def _dates(days: Iterable[dt.date]) -> str:
    return "(" + _list(f"date '{day}'" for day in days) + ")"


def _name(column: str) -> str:
    return f'"{column}"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
