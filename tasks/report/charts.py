"""Charts of the page as data: a Vega-Lite specification each, of which `tasks.report.vega` makes pictures.

Texts of a log or a person stand in a specification as values of data, of domains and of titles alone. Fields have names of
our own, and no expression is put together, so nothing that they say is evaluated. Colours are the variables of `style.css`,
so a chart is legible on light and on dark pages.
"""

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.report.chart_style import MUTED, Json
from tasks.report.view import Plot

WIDTH = 400
"""Pixels of a still picture: narrow, so that letters are still readable where a phone shrinks it."""
CYCLE = tuple(f"var(--series-{number})" for number in range(6))
"""Colours of lines and bars."""
ZOOM = "zoom"
"""Name of the parameter by which a chart moves."""
_MARKED = 100
"""Points of a line that are marked at most: a longer one is drawn as a line alone."""
_FADED = 0.06
"""Opacity of what is not chosen in a legend."""
_ROW = 20
"""Pixels of a row of names."""
_DASH = [4, 3]
_DAY = dt.timedelta(days=1)
_MONTHS = 60
"""Days from which an axis of time counts months."""
_LETTERS = 80
"""Of a name that are kept at most: a log may hold any, and tables show them whole."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no drawing may hold; names of a log may."""
_TOOLTIP_ENDS = (("low", "from"), ("high", "to"))


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: its entry in the legend; "" for none.
        x: horizontal values.
        y: vertical values; where one is not finite, the line breaks.
        colour: number of its colour; lines that belong together share one.
        dashed: whether it is the lesser of them.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False


def intervals(
    rows: Sequence[tuple[str, float, float | None, float | None]],
    label: str,
    description: str,
    reference: float | None = None,
) -> Plot:
    """Draw one point with its interval per row.

    Args:
        rows: (name, value, low, high), drawn top to bottom; without ends (None) the point alone.
        label: what the horizontal axis measures, with its unit.
        description: the chart in words.
        reference: a value marked by a vertical line.
    """
    names = _distinct(name for name, *_ in rows)
    values = [
        {"name": name, "value": _number(value)} | _ends(low, high)
        for name, (_, value, low, high) in zip(names, rows, strict=True)
    ]
    form = _format(number for _, *numbers in rows for number in numbers)
    y = _rows(names)
    x = _axis("value", label, _domain(number for _, *numbers in rows for number in (*numbers, reference)))
    tooltip = [_said("name", "title"), _said("value", "value", form)]
    if any("low" in row for row in values):
        tooltip += [_said(field, title, form) for field, title in _TOOLTIP_ENDS]
    layers: list[Json] = [
        {
            "mark": {"type": "rule", "strokeWidth": 2, "strokeCap": "round", "color": CYCLE[0]},
            "encoding": {"y": y, "x": x | {"field": "low"}, "x2": {"field": "high"}, "tooltip": tooltip},
        },
        {"mark": _point(60), "encoding": {"y": y, "x": x, "tooltip": tooltip}},
    ]
    if reference is not None:
        layers.append(_reference("x", reference))
    return _plot(description, values, layers, height=_ROW * max(len(rows), 1), zoom=("x",))


def lines(series: Sequence[Series], x_label: str, y_label: str, description: str, whole_x: bool = False) -> Plot:
    """Draw lines; `whole_x` where only whole numbers mean something on the horizontal axis."""
    steps: Json = {"tickMinStep": 1, "format": "d"} if whole_x else {}
    x = _axis("x", x_label, _domain(value for line in series for value in line.x)) | {"axis": steps}
    y = _axis("y", y_label, _domain(value for line in series for value in line.y))
    return _lines(series, x, y, description)


def over_days(
    days: Sequence[dt.date],
    values: Sequence[float],
    label: str,
    description: str,
    bands: Sequence[tuple[float, float]] | None = None,
) -> Plot:
    """Draw one number per day; a band holds its intervals, a stroke that of a day without neighbours. A missing day breaks the line.

    Args:
        days: in order.
        values: one per day.
        label: what the vertical axis measures, with its unit.
        description: the chart in words.
        bands: ends of the interval of each; None: they have none.
    """
    place = {day: index for index, day in enumerate(days)}
    span = (days[-1] - days[0]).days + 1 if days else 0
    data: list[Json] = []
    for day in (days[0] + number * _DAY for number in range(span)):
        index = place.get(day)
        # The day twice: an axis takes it for a time, and a tooltip shall not turn it by the reader's time zone.
        row: Json = {"day": day.isoformat(), "night": day.isoformat()}
        row["value"] = None if index is None else _number(values[index])
        if bands is not None:
            row |= {"low": None, "high": None} if index is None else _ends(*bands[index])
            if index is not None and not {day - _DAY, day + _DAY} & place.keys():
                row |= {"bottom": row["low"], "top": row["high"]}
        data.append(row)
    shown = [*values, *(end for band in bands or () for end in band)]
    form = _format(shown)
    x = {
        "field": "day",
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc"} | ({"domain": [_noon(days[0] - _DAY), _noon(days[-1])]} if days else {}),
        "axis": _calendar(span) | {"labelFlush": True},
    }
    y = _axis("value", label, _domain(shown))
    tooltip = [_said("night", "title"), _said("value", "value", form)]
    layers: list[Json] = []
    if bands is not None:
        tooltip += [_said(field, title, form) for field, title in _TOOLTIP_ENDS]
        layers.append(
            {
                "mark": {"type": "area", "opacity": 0.18, "color": CYCLE[0]},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
            }
        )
        layers.append(
            {
                "mark": {"type": "rule", "strokeWidth": 2, "color": CYCLE[0]},
                "encoding": {"x": x, "y": y | {"field": "bottom"}, "y2": {"field": "top"}},
            }
        )
    layers += [
        {"mark": {"type": "line", "strokeWidth": 1.5, "color": CYCLE[0]}, "encoding": {"x": x, "y": y}},
        {"mark": _point(30), "encoding": {"x": x, "y": y, "tooltip": tooltip}},
    ]
    return _plot(description, data, layers, height=150, zoom=("x",))


def reliability(series: Sequence[Series], unit: str, description: str) -> Plot:
    """Draw observed (y) against predicted (x) means, with the diagonal of a calibrated model."""
    top = max((value for line in series for value in (*line.x, *line.y) if math.isfinite(value)), default=1.0) or 1.0
    ends = _domain((0, top))
    x, y = _axis("x", f"predicted, {unit}", ends), _axis("y", f"observed, {unit}", ends)
    diagonal = {
        "mark": {"type": "rule", "strokeDash": _DASH, "color": MUTED},
        "encoding": {"x": {"datum": 0}, "y": {"datum": 0}, "x2": {"datum": top}, "y2": {"datum": top}},
    }
    return _lines(series, x, y, description, height=210, below=diagonal)


def stacked_bars(labels: Sequence[str], parts: Mapping[str, Sequence[float]], y_label: str, description: str) -> Plot:
    """Draw one bar per label, stacked from the named parts, the first at the bottom."""
    shown = _distinct(labels)
    values = [
        {"label": label, "series": part, "value": _number(number), "place": place}
        for place, (part, numbers) in enumerate(zip(_distinct(parts), parts.values(), strict=True))
        for label, number in zip(shown, numbers, strict=True)
    ]
    form = _format(number for numbers in parts.values() for number in numbers)
    colours = {part: CYCLE[place % len(CYCLE)] for place, part in enumerate(_distinct(parts))}
    encoding = {
        "x": {
            "field": "label",
            "type": "ordinal",
            "sort": None,
            "title": None,
            "axis": {"labelAngle": -45, "labelOverlap": "greedy"},
        },
        "y": _axis("value", y_label, [0, max([*map(sum, zip(*map(_finite, parts.values()), strict=True)), 1])])
        | {"axis": {"format": ",~f", "tickMinStep": 1}},
        "order": {"field": "place"},
        "color": _colour(colours, list(colours), "square"),
        "tooltip": [_said("label", "title"), _said("series", "part"), _said("value", y_label, form)],
    }
    return _plot(
        description, values, [{"mark": {"type": "bar"}, "encoding": encoding}], height=150, chosen=len(parts) > 1
    )


def bars(rows: Sequence[tuple[str, float]], label: str, description: str) -> Plot:
    """Draw one horizontal bar per row, top to bottom."""
    names = _distinct(name for name, _ in rows)
    values = [{"name": name, "value": _number(value)} for name, (_, value) in zip(names, rows, strict=True)]
    encoding = {
        "y": _rows(names),
        "x": _axis("value", label, [0, max([*_finite(value for _, value in rows), 0]) or 1]),
        "tooltip": [_said("name", "title"), _said("value", label, _format(value for _, value in rows))],
    }
    return _plot(
        description,
        values,
        [{"mark": {"type": "bar", "color": CYCLE[0]}, "encoding": encoding}],
        _ROW * max(len(rows), 1),
    )


def _lines(
    series: Sequence[Series], x: Json, y: Json, description: str, height: int = 180, below: Json | None = None
) -> Plot:
    names = _distinct(line.name for line in series)
    named = [name for name, line in zip(names, series, strict=True) if line.name]
    values = [
        {"series": name, "x": _number(at), "y": _number(value)}
        for name, line in zip(names, series, strict=True)
        for at, value in zip(line.x, line.y, strict=True)
    ]
    colours = {name: CYCLE[line.colour % len(CYCLE)] for name, line in zip(names, series, strict=True)}
    colour = _colour(colours, named, "stroke")
    dashes = [_DASH if line.dashed else [1, 0] for line in series]
    dash = colour | {"scale": {"domain": names, "range": dashes}}
    tooltip = [_said("series", "title")] if named else []
    tooltip += [
        _said(field, axis["title"], _format(number for line in series for number in getattr(line, field)))
        for field, axis in (("x", x), ("y", y))
    ]
    encoding = {"x": x, "y": y, "color": colour}
    layers = [] if below is None else [below]
    layers.append(
        {
            # In the order of the data: a curve over a parameter may turn back.
            "mark": {"type": "line", "strokeWidth": 1.5},
            "encoding": encoding | {"strokeDash": dash, "order": {"value": None}},
        }
    )
    if max((len(line.x) for line in series), default=0) <= _MARKED:
        layers.append({"mark": _point(30, None), "encoding": encoding | {"tooltip": tooltip}})
    return _plot(description, values, layers, height, chosen=len(named) > 1, zoom=("x", "y"))


def _plot(
    description: str,
    values: Sequence[Json],
    layers: Sequence[Json],
    height: int,
    chosen: bool = False,
    zoom: Sequence[Literal["x", "y"]] = (),
) -> Plot:
    """Return a chart.

    Args:
        description: the chart in words.
        values: its data.
        layers: drawn one above the other.
        height: pixels inside the axes.
        chosen: whether series can be chosen in the legend.
        zoom: axes along which the chart moves.
    """
    params: list[Json] = []
    if chosen:
        select = {"type": "point", "fields": ["series"], "toggle": "true"}
        params.append({"name": "chosen", "select": select, "bind": "legend"})
        opacity = {"condition": {"param": "chosen", "value": 1}, "value": _FADED}
        layers = [
            layer | {"encoding": layer["encoding"] | {"opacity": opacity}} if "color" in layer["encoding"] else layer
            for layer in layers
        ]
    if zoom:
        select = {
            "type": "interval",
            "encodings": list(zoom),
            # A finger and a bare wheel scroll the page.
            "translate": "[pointerdown[event.pointerType === 'mouse'], window:pointerup] > window:pointermove!",
            "zoom": "wheel![event.ctrlKey]",
        }
        params.append({"name": ZOOM, "select": select, "bind": "scales"})
    first = next(place for place, layer in enumerate(layers) if "field" in layer["encoding"]["x"])
    drawn = [layer | {"params": params} if params and place == first else layer for place, layer in enumerate(layers)]
    return Plot(
        {"data": {"values": list(values)}, "width": WIDTH, "height": height, "layer": drawn}, _shown(description)
    )


def _axis(field: str, title: str, domain: Sequence[float]) -> Json:
    return {"field": field, "type": "quantitative", "title": _shown(title), "scale": {"domain": list(domain)}}


def _calendar(span: int) -> Json:
    """Return ticks of about five days, or of months, for a number of days; the year is said where there may be two."""
    if span <= _MONTHS:
        return {"format": "%d %b", "tickCount": {"interval": "day", "step": max(math.ceil(span / 5), 1)}}
    step = next((months for months in (1, 2, 3, 6) if span <= 5 * 30 * months), 12)
    return {"format": "%b" if span <= 365 else "%b %Y", "tickCount": {"interval": "month", "step": step}}


def _noon(day: dt.date) -> Json:
    return {"year": day.year, "month": day.month, "date": day.day, "hours": 12, "utc": True}


def _finite(numbers: Iterable[float]) -> list[float]:
    """Return numbers as a sum can take them: what is none counts nothing."""
    return [number if math.isfinite(number) else 0 for number in numbers]


def _domain(numbers: Iterable[float | None]) -> list[float]:
    """Return ends of an axis with a little room on both sides."""
    found = [number for number in numbers if number is not None and math.isfinite(number)] or [0.0, 1.0]
    low, high = min(found), max(found)
    room = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    return [low - room, high + room]


def _rows(names: Sequence[str]) -> Json:
    axis = {"grid": False, "ticks": False, "domain": False}
    return {
        "field": "name",
        "type": "nominal",
        "sort": None,
        "title": None,
        "scale": {"domain": list(names)},
        "axis": axis,
    }


def _colour(colours: Mapping[str, str], named: Sequence[str], symbol: str) -> Json:
    scale = {"domain": list(colours), "range": list(colours.values())}
    legend = {"values": list(named), "symbolType": symbol} if named else None
    return {"field": "series", "type": "nominal", "scale": scale, "legend": legend}


def _point(size: int, colour: str | None = CYCLE[0]) -> Json:
    mark: Json = {"type": "point", "filled": True, "size": size, "opacity": 1}
    return mark if colour is None else mark | {"color": colour}


def _reference(axis: str, value: float) -> Json:
    return {
        "mark": {"type": "rule", "strokeDash": _DASH, "color": MUTED},
        "encoding": {axis: {"datum": value}},
    }


def _said(field: str, title: str, form: str = "") -> Json:
    """Return a line of a tooltip; the one entitled "title" stands above the others."""
    said: Json = {"field": field, "type": "quantitative" if form else "nominal", "title": _shown(title)}
    return said | {"format": form} if form else said


def _format(numbers: Iterable[float | None]) -> str:
    """Return a format of four significant digits of the largest number, whole ones in full."""
    top = max((abs(number) for number in numbers if number is not None and math.isfinite(number)), default=0.0)
    digits = 4 - math.floor(math.log10(top)) - 1 if top else 0
    return f",.{min(max(digits, 0), 8)}~f"


def _ends(low: float | None, high: float | None) -> Json:
    return {} if low is None or high is None else {"low": _number(low), "high": _number(high)}


def _number(value: float) -> float | None:
    """Return a number as JSON can hold it."""
    return value if math.isfinite(value) else None


def _shown(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _distinct(names: Iterable[str]) -> list[str]:
    """Return names as a drawing can hold them; an empty one is a number, and one that stood before gets its place."""
    found: dict[str, None] = {}
    for place, name in enumerate(names, start=1):
        shown = _shown(name if len(name) <= _LETTERS else f"{name[:_LETTERS]}...") or str(place)
        while shown in found:
            shown = f"{shown} ({place})"
        found[shown] = None
    return list(found)
