"""A drawing of matplotlib as a part of a page: a label for those who cannot see it, and the colours of the style sheet.

The drawing is made in colours that nobody would choose, one per role, and each becomes the variable of that role in
`style.css`, which gives it a value for light and for dark pages. So a colour stands in one place.
"""

import hashlib
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

INK, MUTED, GRID = "#000001", "#000002", "#000003"
CYCLE = tuple(f"#00001{number}" for number in range(6))
"""Colours of lines and bars; roles, not values."""
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--line"} | {
    colour: f"--series-{number}" for number, colour in enumerate(CYCLE)
}
_LINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = ("metadata", "style")
_FONT_SIZE = re.compile(r"[\d.]+px")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML may hold; names of a log may."""
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def embeddable(drawing: str, description: str) -> str:
    """Return a drawing fit to stand beside others in one page: a label, ids of its own, no fixed size, font or colour.

    Args:
        drawing: an SVG file as matplotlib writes it, text as text, coloured by `INK`, `MUTED`, `GRID` and `CYCLE`.
        description: the drawing in words.
    """
    root = ElementTree.fromstring(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", drawing))
    prefix = "c" + hashlib.sha256((description + drawing).encode()).hexdigest()[:8]
    for element in root.iter():
        element.tag = _local(element.tag)
        for child in [child for child in element if _local(child.tag) in _DROPPED]:
            element.remove(child)
        element.text, element.tail = _unindented(element.text), _unindented(element.tail)
    referred = _referred(root)
    for element in root.iter():
        _rename(element, prefix, referred)
        if style := element.get("style"):
            element.set("style", _style(style))
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib |= {"class": "chart", "viewBox": box, "role": "img", "aria-label": description}
    return ElementTree.tostring(root, encoding="unicode")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _unindented(text: str | None) -> str | None:
    return "\n" if text is not None and text.isspace() else text


def _referred(root: Element) -> set[str]:
    """Return the ids that something in the drawing refers to; the others name parts for people, and go."""
    links = {element.get(_LINK, "").removeprefix("#") for element in root.iter()}
    return links | {
        name for element in root.iter() for value in element.attrib.values() for name in _REFERENCE.findall(value)
    }


def _rename(element: Element, prefix: str, referred: set[str]) -> None:
    """Give ids and references of an element a prefix that no other drawing of the page has."""
    name, link = element.attrib.pop("id", None), element.attrib.pop(_LINK, None)
    if name in referred:
        element.set("id", f"{prefix}-{name}")
    if link is not None:
        element.set("href", f"#{prefix}-{link.removeprefix('#')}")
    if clip := element.get("clip-path"):
        element.set("clip-path", _REFERENCE.sub(rf"url(#{prefix}-\1)", clip))


def _style(text: str) -> str:
    """Return declarations with variables for colours, and of a font nothing but its size."""
    kept = {}
    for declaration in filter(None, map(str.strip, text.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            name, value = "font-size", _FONT_SIZE.findall(value)[0]
        if name != "font-family":
            kept[name] = f"var({_VARIABLES[value]})" if value in _VARIABLES else value
    return "; ".join(f"{name}: {value}" for name, value in kept.items())
