"""Versions of the documentation side by side in one folder, and the page that leads to the newest of them."""

from html import escape
from pathlib import Path

from packaging.version import Version

from tasks.core.files import read_json, write_json, write_text

_VERSIONS = "versions.json"
"""What the theme reads to offer the other versions on every page, in the form of mike: entries with `version`, `title`, `aliases`."""
_INDEX = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>dwell: documentation</title><meta http-equiv="refresh" content="0; url={newest}/index.html"></head>
<body><h1>Documentation of dwell</h1><ul>{links}</ul></body>
</html>
"""


def list_version(out: Path, version: str) -> Path:
    """Add a version that was built to those beside it and return the page that leads to the newest.

    A version whose folder is gone is no longer listed.

    Args:
        out: folder that holds a folder per version.
        version: what was built, by PEP 440.
    """
    file = out / _VERSIONS
    earlier = [str(entry["version"]) for entry in read_json(file)] if file.is_file() else []
    there = {name for name in (*earlier, version) if (out / name / "index.html").is_file()}
    newest_first = sorted(there, key=Version, reverse=True)
    write_json(file, [{"version": name, "title": name, "aliases": []} for name in newest_first])
    links = "".join(f'<li><a href="{escape(name)}/index.html">{escape(name)}</a></li>' for name in newest_first)
    return write_text(out / "index.html", _INDEX.format(newest=escape(newest_first[0]), links=links))
