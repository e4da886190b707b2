"""Put the pages together and build the site, strictly: a link that leads nowhere, or a page that nothing leads to, ends it."""

import io
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from mkdocs.commands.build import build as mkdocs_build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from manual.cells import notebook_page
from manual.commands import commands_page
from manual.contract import contract_page
from manual.keys import keys_page
from manual.messages import messages_page
from manual.navigation import navigation
from manual.pictures import pictures_page
from manual.places import REPOSITORY
from manual.readme import readme_pages
from manual.tree import SHOWN, Tree
from manual.versions import list_version
from tasks.core.errors import DwellError
from tasks.core.files import read_json, write_text

_SETTINGS = Path(__file__).with_name("mkdocs.yml")
_SEARCH = "iframe-worker.js"
_TOUR, _NOTEBOOK, _REPORT = REPOSITORY / "examples/tour.py", "tour.ipynb", "night.html"


def build(out: Path, tour: Path, night: Path | None = None) -> Path:
    """Build the site of this version and return the page that leads to the newest of those in the folder.

    Args:
        out: folder with a folder per version; of this version, what is there goes.
        tour: notebook of the tour, as it ran.
        night: archive of a night (`nights/SOURCE/AS_OF`) whose report is shown among the pictures; None: of none.

    Raises:
        DwellError: if a link leads nowhere, a page is in no menu, or the night has no report.
    """
    if night is not None and not (night / "report.html").is_file():
        raise DwellError(f"{night} holds no report.html: name the archive of a night, nights/SOURCE/AS_OF")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        shutil.copy(tour, source / _NOTEBOOK)
        if night is not None:
            shutil.copy(night / "report.html", source / _REPORT)
        tree = Tree(REPOSITORY, _generated(source))
        tree.pages["pictures.md"] = pictures_page(tree.pages, None if night is None else _REPORT)
        pages = tree.settled()
        for place, text in pages.items():
            write_text(source / place, text)
        for place in sorted(tree.pictures):
            (source / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / place, source / place)
        scripts = source / "assets/javascripts"
        scripts.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name(_SEARCH), scripts)
        _build_strictly(source, out / version("dwell"), navigation(pages))
    return list_version(out, version("dwell"))


def run_tour(made: Path) -> Path:
    """Run the tour in a process of its own, since it sets what belongs to a process; return the notebook it made.

    Args:
        made: file to write.

    Raises:
        DwellError: if a cell fails.
    """
    done = subprocess.run([sys.executable, "-m", "manual.cells", str(_TOUR), str(made)], cwd=REPOSITORY, check=False)
    if done.returncode:
        raise DwellError(f"{_TOUR.relative_to(REPOSITORY)} does not run: its error stands above")
    return made


def _generated(source: Path) -> dict[str, str]:
    """Return the pages that are made here."""
    return {
        **readme_pages((REPOSITORY / "README.md").read_text(encoding="utf-8")),
        "tour.md": notebook_page(read_json(source / _NOTEBOOK)) + f"\n[This page as a notebook]({_NOTEBOOK}).\n",
        "commands.md": commands_page(),
        "keys.md": keys_page("params"),
        "recipe_keys.md": keys_page("recipe"),
        "contract.md": contract_page(),
        "messages.md": messages_page(),
    }


def _build_strictly(source: Path, out: Path, menu: list[dict[str, Any]]) -> None:
    """Let mkdocs build, and say what it warns of.

    Raises:
        DwellError: if it warns of anything.
    """
    settings = _SETTINGS.read_text(encoding="utf-8") + yaml.safe_dump({"nav": menu, "not_in_nav": f"/{SHOWN}/"})
    file = io.BytesIO(settings.encode())
    file.name = str(_SETTINGS)
    config = load_config(config_file=file, strict=True, docs_dir=str(source), site_dir=str(out.resolve()))
    try:
        mkdocs_build(config)
    except Abort as error:
        raise DwellError(f"the site was not built: {error.message}; each warning above says where") from error
