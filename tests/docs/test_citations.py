"""What the code and the documents point at exists: methods by heading, documents by link, and nothing by a number."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SUFFIXES = (".py", ".md", ".yaml", ".yml", ".toml")
CITATION = re.compile(r"docs/methods/([a-z_]+\.md)(?:#([\w-]*))?")
BY_NUMBER = re.compile(
    r"\.md[`'\")]*,?\s+(?:\(?sections?\s+)?\d|\bspecs/\w+\.md|\b[Ss]ections?\s+(?>\d+(?:\.\d+)*)(?!\s+of\b)"
)
"""`x.md` section 4, x.md 4.2, sections 2 to 5: what nobody can look up once the document has changed. The section of a
paper is cited as "section 3.2 of" it."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def slug(heading: str) -> str:
    """Return GitHub's anchor of a heading: its text in lower case, letters, digits, "-" and "_" kept, spaces hyphens."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def anchors(markdown: str) -> set[str]:
    """Return the anchors of a document's headings; of equal ones the second ends in -1, the third in -2."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", FENCE.sub("", markdown), re.MULTILINE):
        name, number = slug(heading), 0
        while (f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(f"{name}-{number}" if number else name)
    return found


def broken_citations(text: str, documents: Mapping[str, set[str]]) -> Iterator[str]:
    """Yield the citations of methods that name no document, no heading of it, or a section by its number.

    Args:
        text: of a file.
        documents: name of a document of docs/methods -> its anchors.
    """
    for match in CITATION.finditer(text):
        document, anchor = match.groups()
        if document not in documents or (anchor is not None and anchor not in documents[document]):
            yield match[0]
    for match in BY_NUMBER.finditer(text):
        yield " ".join(match[0].split())


def broken_links(path: Path, text: str) -> Iterator[str]:
    """Yield the relative links of a document that lead nowhere: to no file, or to no heading of a Markdown file."""
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors_of(file)):
            yield target


@cache
def anchors_of(path: Path) -> set[str]:
    return anchors(path.read_text(encoding="utf-8"))


@cache
def files() -> tuple[Path, ...]:
    """Return the text files of the repository, whether committed yet or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    found = tuple(REPOSITORY / name for name in listed if name.endswith(SUFFIXES))
    return tuple(path for path in found if path.exists() and path != Path(__file__).resolve())


@cache
def methods() -> dict[str, set[str]]:
    return {path.name: anchors_of(path) for path in (REPOSITORY / "docs/methods").glob("*.md")}


def located(path: Path, found: Iterator[str]) -> list[str]:
    return [f"{path.relative_to(REPOSITORY)}: {what}" for what in found]


def test_every_citation_leads_to_a_heading() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in files()}
    assert sum(len(CITATION.findall(text)) for text in texts.values()) > 100
    assert [place for path, text in texts.items() for place in located(path, broken_citations(text, methods()))] == []


def test_every_relative_link_of_a_document_leads_somewhere() -> None:
    documents = [path for path in files() if path.suffix == ".md"]
    found = [
        place for path in documents for place in located(path, broken_links(path, path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_every_document_of_the_methods_is_in_their_index() -> None:
    index = (REPOSITORY / "docs/methods/README.md").read_text(encoding="utf-8")
    assert {name for name in methods() if f"({name})" not in index} == {"README.md"}


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Doubly robust with joint learning", "doubly-robust-with-joint-learning"),
        ("IPS-V2 and DR-V2", "ips-v2-and-dr-v2"),
        ("What `fit_state` does, and when", "what-fit_state-does-and-when"),
        ("A & B", "a--b"),
        ("[Linked](x.md) *words*", "linked-words"),
    ],
)
def test_slugs_are_githubs(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def test_equal_headings_are_numbered_and_code_has_none() -> None:
    text = "# Top\n\n## Same\n\n```sh\n# not a heading\n```\n\n### Same\n\n## Same ##\n"
    assert anchors(text) == {"top", "same", "same-1", "same-2"}


METHODS = {"debias.md": {"proxy-priors"}}


@pytest.mark.parametrize(
    "text",
    [
        "docs/methods/debias.md#proxy-priors",
        "see docs/methods/debias.md.",
        "section 3.2 of the paper",
        "as in README.md",
    ],
)
def test_a_sound_citation_passes(text: str) -> None:
    assert list(broken_citations(text, METHODS)) == []


@pytest.mark.parametrize(
    "text",
    [
        "docs/methods/debias.md#proxy-prior",
        "docs/methods/debias.md#",
        "docs/methods/nowhere.md#proxy-priors",
        "`debias.md` section 4.3",
        "(`metrics.md`, sections 2 to 5)",
        "as `watch_time.md`\n    section 9 has it",
        "specs/metrics.md 8",
        "Section 5.5: the best a is .2",
    ],
)
def test_a_planted_citation_is_found(text: str) -> None:
    assert list(broken_citations(text, METHODS)) != []


def test_a_planted_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading\n")
    page = tmp_path / "page.md"
    text = "# Mine\n[1](there.md) [2](there.md#a-heading) [3](#mine) [4](https://example.org/x.md#y)\n"
    page.write_text(text)
    assert list(broken_links(page, text)) == []
    planted = "[1](gone.md) [2](there.md#no-heading) [3](#yours)"
    assert list(broken_links(page, planted)) == ["gone.md", "there.md#no-heading", "#yours"]
