"""The pages of the site, and where their links lead.

Pages keep the places they have in the repository, so that their links hold as they are written. A link to a file that is
no page leads to a page that shows it; one to a folder, to its README or to a list of what it holds.
"""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from manual.markdown import FENCE, LINK, title

_PAGES = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "infra/README.md",
    "examples/README.md",
    "docs/**/*.md",
    "benchmarks/**/*.md",
)
_PICTURES = (".svg", ".png")
_LANGUAGES = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".json": "json", ".sh": "sh"}
_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_CODE = re.compile(r"(`+)(.+?)\1")
SHOWN = "shown"
"""Folder of the site for files that are no pages, and for lists of folders."""


class Tree:
    """Pages by their place in the site, and what they show.

    Attributes:
        pages: place -> Markdown; links still as they are written in the repository.
        pictures: places of pictures, which are those in the repository.
    """

    def __init__(self, repository: Path, generated: dict[str, str]) -> None:
        """Find the pages of the repository.

        Args:
            repository: its root.
            generated: further pages by place.
        """
        self._root = repository
        written = sorted(path for pattern in _PAGES for path in repository.glob(pattern))
        self.pages = {path.relative_to(repository).as_posix(): path.read_text(encoding="utf-8") for path in written}
        self.pages |= generated
        self.pictures: set[str] = set()

    def settled(self) -> dict[str, str]:
        """Return place -> Markdown whose links lead to what the site has; pages that show files and folders come with it."""
        done: dict[str, str] = {}
        while waiting := sorted(set(self.pages) - set(done)):
            done |= {place: self._linked(place) for place in waiting}
        return done

    def _linked(self, place: str) -> str:
        """Return a page with its links settled; what is code stays, but that its bars in tables are escaped on GitHub only."""
        text, parts, end = self.pages[place], list[str](), 0
        if place.startswith(f"{SHOWN}/"):
            return text
        for fence in FENCE.finditer(text):
            parts += [self._relinked(place, text[end : fence.start()]), fence[0]]
            end = fence.end()
        return "".join([*parts, self._relinked(place, text[end:])])

    def _relinked(self, place: str, text: str) -> str:
        linked = LINK.sub(lambda link: f"{link[1]}{self._target(place, link[2])}{link[3]}", text)
        return _ROW.sub(lambda row: _CODE.sub(lambda code: code[0].replace("\\|", "|"), row[0]), linked)

    def _target(self, place: str, target: str) -> str:
        name, hash_sign, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target) or not name:
            return target
        found = posixpath.normpath(posixpath.join(posixpath.dirname(place), name))
        return posixpath.relpath(self._shown(found), posixpath.dirname(place) or ".") + hash_sign + anchor

    def _shown(self, found: str) -> str:
        """Return the place in the site of what a link leads to in the repository; what is not there is left for mkdocs to find."""
        path = self._root / found
        if found == "README.md":
            return "index.md"
        if found in self.pages or not path.exists():
            return found
        if path.suffix in _PICTURES:
            self.pictures.add(found)
            return found
        if path.is_dir() and f"{found}/README.md" in self.pages:
            return f"{found}/README.md"
        page = f"{SHOWN}/{found}.md"
        if page not in self.pages:
            self.pages[page] = self._folder(found, page) if path.is_dir() else _file(found, path)
        return page

    def _folder(self, found: str, page: str) -> str:
        """Return a page that lists a folder; what is a page itself, as a link."""
        lines = [f"# {found}", ""]
        for name in sorted(
            path.name for path in (self._root / found).iterdir() if not path.name.startswith(("_", "."))
        ):
            here = f"{found}/{name}"
            if here in self.pages:
                lines.append(f"- [{title(self.pages[here])}]({posixpath.relpath(here, posixpath.dirname(page))})")
            else:
                lines.append(f"- `{name}`")
        return "\n".join(lines) + "\n"


def _file(found: str, path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return f"# {found}\n\n~~~~{_LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n~~~~\n"


def below(places: Iterable[str], folder: str) -> list[str]:
    """Return the pages of a folder and of its folders, its README first."""
    found = [place for place in places if place.startswith(f"{folder}/")]
    return sorted(found, key=lambda place: (place != f"{folder}/README.md", place))
