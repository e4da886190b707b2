"""The stage `forecast`: say what the day to come will show, and judge what was said of the night's own day.

Source: docs/methods/forecast.md.
"""

import datetime as dt
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from tasks.core.files import writing
from tasks.forecast.inputs import ForecastInputs
from tasks.forecast.intervals import alarms, coverage
from tasks.forecast.measured import DayTotals, JudgedRows, day_totals
from tasks.forecast.nowcast import nowcast
from tasks.forecast.tomorrow import WEEK, between_nights, carried, tomorrow
from tasks.registry.forecast import FILE, Bounds, Metric, NightForecast

_DAY = dt.timedelta(days=1)


def forecast(inputs: ForecastInputs, out: Path) -> NightForecast:
    """Write `forecast.json`: XAUC, seconds watched and skip rate of the day to come, and how the night's own day came out.

    Args:
        inputs: what it depends on.
        out: artifacts/forecast.

    Raises:
        ContractError: if a table or a column is missing.
        PredictionError: if a prediction is NaN or infinite.
    """
    days = day_totals(inputs.features, inputs.days[-WEEK - 1 :], inputs.truncate_watch)
    champion, serves, notes = inputs.champion, inputs.serves, list[str]()
    judged = JudgedRows.read("champion", champion.judged) if champion else None
    serving = judged if serves is champion else JudgedRows.read(serves.served.recipe, serves.judged) if serves else None
    record = NightForecast(
        night=inputs.night,
        served=champion.served if champion else None,
        realised=_realised(inputs.night, days, judged),
        forecast=_said_before(inputs, notes),
        nowcast=_nowcast(inputs, days, judged, notes),
        day=inputs.night + _DAY,
        serves=serves.served if serves else None,
        reached=serving.xauc[0] if serving and math.isfinite(serving.xauc[0]) else None,
        rows=None,
        tomorrow={},
        coverage={},
        notes=(),
        alarms=(),
    )
    if serving:
        week = days[-WEEK:]
        levels = carried(serving.xauc[0], record.served, record.realised.get("xauc"), inputs.past)
        said = tomorrow(serving, levels, week, inputs.past)
        rows = fmean(day.rows for day in week) if said else None
        record = record.model_copy(update={"rows": rows, "tomorrow": said})
    else:
        notes.append(f"every model was refused, nothing serves {record.day}: nothing is forecast")
    nights = (*inputs.past, record)
    found = {"notes": tuple(notes), "coverage": coverage(nights), "alarms": tuple(alarms(nights))}
    record = record.model_copy(update=found)
    with writing(out) as folder:
        folder.mkdir(parents=True)
        record.write(folder / FILE)
    return record


def _realised(night: dt.date, days: Sequence[DayTotals], judged: JudgedRows | None) -> dict[Metric, float]:
    totals = next((day for day in days if day.day == night), None)
    found: dict[Metric, float] = {"xauc": judged.xauc[0]} if judged and math.isfinite(judged.xauc[0]) else {}
    return found if totals is None else {**found, "seconds": totals.seconds, "skip_rate": totals.skip_rate}


def _said_before(inputs: ForecastInputs, notes: list[str]) -> dict[Metric, Bounds]:
    """Return what the night before forecast of this one's day; XAUC only if it was of the model that served."""
    before = inputs.past[-1] if inputs.past and inputs.past[-1].day == inputs.night else None
    if before is None:
        return {}
    served = inputs.champion.served if inputs.champion else None
    if before.serves == served:
        return dict(before.tomorrow)
    if before.serves is not None:
        chosen = f"{before.serves.recipe} of night {before.serves.made}"
        came = f"{served.recipe} of night {served.made}" if served else "nothing"
        notes.append(f"XAUC of {inputs.night} was forecast for {chosen}, and {came} served: it is not judged")
    return {metric: said for metric, said in before.tomorrow.items() if metric != "xauc"}


def _nowcast(
    inputs: ForecastInputs, days: Sequence[DayTotals], judged: JudgedRows | None, notes: list[str]
) -> dict[Metric, Bounds]:
    champion = inputs.champion
    if champion is None or judged is None:
        notes.append(f"no model served {inputs.night}: there is no nowcast of it")
        return {}
    if not champion.earlier:
        notes.append("no evidence of an earlier night holds the champion's predictions: there is no nowcast")
        return {}
    before = [day for day in days if day.day < inputs.night][-WEEK:]
    levels = [level for record in inputs.past[-WEEK:] if (level := record.realised.get("xauc")) is not None]
    labelled, own = (JudgedRows.read("champion", *tables) for tables in (champion.earlier, champion.earlier[-1:]))
    found = nowcast(judged, labelled, own, inputs.past, between_nights(levels, before))
    if "skip_rate" not in found:
        notes.append(
            f"{champion.served.recipe} does not predict skips on every night: there is no nowcast of their rate"
        )
    if judged.table.truncate_watch != inputs.truncate_watch:
        notes.append("the champion counts replays otherwise than this night: there is no nowcast of seconds")
        del found["seconds"]
    return found
