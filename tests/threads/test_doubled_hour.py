"""pola-rs/polars#6672, #15319: the hour that summer time doubles raises, or is two instants; PrefectHQ/prefect#10678: cron.

A log in local time holds it every October, and one row of it must neither stop a night nor move to another day.
"""

import asyncio
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import yaml

from tasks.core.days import Days
from tasks.ingest import ingest
from tests.ingest.foreign import rows_of, source

BERLIN = "Europe/Berlin"
CHANGE = dt.date(2024, 10, 27)
DOUBLED = "2024-10-27 02:30:00"


def test_bare_polars_raises() -> None:
    written = pl.Series([DOUBLED]).str.to_datetime()
    with pytest.raises(pl.exceptions.ComputeError, match="ambiguous in time zone 'Europe/Berlin'"):
        written.dt.replace_time_zone(BERLIN)


def test_the_doubled_hour_is_read_and_stays_in_its_day(tmp_path: Path) -> None:
    days = [CHANGE + dt.timedelta(days=offset) for offset in (-4, -3, -2, -1, 0)]
    rows = [f"{day} {hour:02}:30:00" for day in days for hour in range(24)]
    count = len(rows)
    log = {"uid": [1] * count, "vid": [2] * count, "ts": rows, "play": [500] * count, "dur": [900] * count,
           "tab": [0] * count, "like": [0] * count}  # fmt: skip
    pl.DataFrame(log).write_csv(tmp_path / "log.csv")
    config = source(tmp_path).model_copy(update={"timezone": BERLIN})
    ingest(config, Days.of_night(CHANGE, 2, 1), tmp_path / "raw")
    found = rows_of(tmp_path / "raw")
    last = found.filter(pl.col("event_time_ms") >= _ms(CHANGE, BERLIN))
    assert last.height == 24, "every row of the day with 25 hours, once"
    assert last["event_time_ms"].is_in([_ms(CHANGE, BERLIN) + 2 * 3_600_000 + 1_800_000]).sum() == 1, "the earlier one"


def _ms(day: dt.date, zone: str) -> int:
    return int(dt.datetime.combine(day, dt.time(), ZoneInfo(zone)).timestamp()) * 1000


def dates(cron: str, zone: str, start: dt.datetime) -> list[dt.datetime]:
    from prefect.server.schemas.schedules import CronSchedule  # takes seconds to load

    return [date.astimezone(dt.UTC) for date in asyncio.run(CronSchedule(cron=cron, timezone=zone).get_dates(3, start))]


def test_the_schedule_of_a_night_runs_once_on_each_of_these_days() -> None:
    """Also where somebody deploys it in a zone with summer time, at the doubled and at the skipped hour."""
    deployments = yaml.safe_load(Path("prefect.yaml").read_text())["deployments"]
    (schedule,) = next(deployment["schedules"] for deployment in deployments if deployment["name"] == "nightly")
    for zone in (schedule["timezone"], BERLIN):
        for change in (CHANGE, dt.date(2024, 3, 31)):
            start = dt.datetime.combine(change - dt.timedelta(days=1), dt.time(), ZoneInfo(zone))
            nights = [date.astimezone(ZoneInfo(zone)).date() for date in dates(schedule["cron"], zone, start)]
            assert nights == [change + dt.timedelta(days=offset) for offset in (-1, 0, 1)]
