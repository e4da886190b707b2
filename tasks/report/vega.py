"""Pictures of charts: a still one of each for paper and for browsers without scripts, and what makes them answer.

Both come from the same specification and the same release of Vega. The package holds its JavaScript and an engine to run
it, so neither a browser nor a network is needed to draw.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import vl_convert

from tasks.report.chart_style import CONFIG, Json
from tasks.report.charts import ZOOM
from tasks.report.library import packed
from tasks.report.view import Plot

_MARKED = 60
"""Points of several lines that a still picture marks at most: each takes as much room as a line."""
_ALIVE = "window.vegaEmbed = vegaEmbed;"


def still(plot: Plot) -> str:
    """Return the picture as SVG, coloured by the variables of the page it stands in."""
    many = len(plot.spec["data"]["values"]) > _MARKED
    layers = [_at_rest(layer) for layer in plot.spec["layer"] if not (many and _marks_lines(layer))]
    with _own_fonts():
        return vl_convert.vegalite_to_svg({**plot.spec, "layer": layers}, config=CONFIG)


@contextmanager
def _own_fonts() -> Iterator[None]:
    """Keep the fonts of this machine from the engine, which lists fonts when it first draws and measures letters by them.

    It has no other way to be told (Linux alone asks the variable); children of this process are not to know of it.
    """
    name, before = "FONTCONFIG_FILE", os.environ.get("FONTCONFIG_FILE")
    os.environ[name] = str(Path(__file__).parent / "no_fonts.conf")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _marks_lines(layer: Json) -> bool:
    return layer["mark"]["type"] == "point" and "color" in layer["encoding"]


def _at_rest(layer: Json) -> Json:
    """Return a layer that does not move: what moves is cut off by a path with an id, which other pictures would have too."""
    if "params" not in layer:
        return layer
    return layer | {"params": [param for param in layer["params"] if param["name"] != ZOOM]}


def alone(plot: Plot) -> str:
    """Return the picture as an SVG file: with its description, and on white in the colours of light pages."""
    opened, _, rest = still(plot).partition(">")
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8").partition("}")[0] + "}"
    title = plot.description.replace("&", "&amp;").replace("<", "&lt;")
    return f'{opened} style="background: white"><title>{title}</title><style>{style}</style>{rest}\n'


def embedded(value: Any) -> str:
    """Return data as JSON that no element of a page can be ended by."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def library() -> str:
    """Return the script that draws in a browser: licences, then Vega, Vega-Lite and Vega-Embed, with everything they need."""
    # In a function, so that its names do not meet those of other scripts.
    return f"/*!\n{licences()}*/\n(() => {{{vl_convert.javascript_bundle(_ALIVE)}}})();"


@cache
def packed_library() -> str:
    """Return the script as a page holds it."""
    return packed(library())


def licences() -> str:
    """Return what the works in the library ask to be said in every copy: notices, conditions and disclaimers."""
    return (Path(__file__).parent / "library_licences.txt").read_text(encoding="utf-8")


def notice() -> str:
    """Return what stands in a page beside the library: its releases, and the licences, which are packed in it too."""
    return f"Vega {vl_convert.get_vega_version()} and Vega-Embed {vl_convert.get_vega_embed_version()}.\n{licences()}"
