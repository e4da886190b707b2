"""How charts look: colours, letters, axes and legends, in the variables of `style.css`."""

from typing import Any

Json = dict[str, Any]
INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--line)"
CONFIG: Json = {
    # the page says what a chart shows, once
    "aria": False,
    "mark": {"aria": False},
    "background": "transparent",
    # The first comes with the renderer, which sees no other (tasks/report/vega.py); letters of the others are as wide.
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "padding": 4,
    "autosize": {"type": "fit-x", "contains": "padding"},
    "view": {"stroke": None},
    "axis": {
        "domainColor": MUTED,
        "tickColor": MUTED,
        "gridColor": GRID,
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 11.5,
        "titleFontSize": 11.5,
        "titleFontWeight": "normal",
        "labelLimit": 150,
        "labelPadding": 4,
        "tickCount": 5,
    },
    "legend": {
        "orient": "top",
        "title": None,
        "columns": 2,
        "symbolLimit": 0,  # all series: the default would leave some out and not say which
        "labelColor": INK,
        "labelFontSize": 11.5,
        "labelLimit": 150,
        "symbolStrokeWidth": 2,
    },
}
"""What all charts share."""
