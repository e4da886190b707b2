"""Pages keep their places, and every link of theirs leads to something that the site has."""

from pathlib import Path

import pytest

from manual.navigation import navigation
from manual.pictures import pictures_page
from manual.places import REPOSITORY
from manual.tree import Tree

PAGE = """# A page

[page](other.md#there) [home](../README.md) [code](../code/run.py) [folder](../code) [benchmarks](../benchmarks)
[web](https://example.org/x.md) [here](#a-page) [gone](gone.md) ![drawn](drawn.svg)

```text
[not](a-link.md)
```
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "docs/page.md": PAGE,
        "docs/other.md": "# Other\n\n## There\n",
        "docs/drawn.svg": "<svg/>",
        "code/run.py": "x = 1\n",
        "benchmarks/README.md": "# Benchmarks\n",
        "README.md": "# Top\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_links_lead_to_pages_files_and_folders_of_the_site(root: Path) -> None:
    tree = Tree(root, {"index.md": "# Home\n"})
    page = tree.settled()["docs/page.md"]
    for settled in (
        "[page](other.md#there)",
        "[home](../index.md)",
        "[code](../shown/code/run.py.md)",
        "[folder](../shown/code.md)",
        "[benchmarks](../benchmarks/README.md)",
        "[web](https://example.org/x.md)",
        "[here](#a-page)",
        "[gone](gone.md)",
        "![drawn](drawn.svg)",
        "```text\n[not](a-link.md)\n```",
    ):
        assert settled in page
    assert tree.pictures == {"docs/drawn.svg"}


def test_bars_in_code_of_a_table_are_bars(root: Path) -> None:
    (root / "docs/other.md").write_text("# Other\n\n| a | b |\n|---|---|\n| `\\|O\\|` | x \\| y |\n\n`\\|` stays\n")
    page = Tree(root, {}).settled()["docs/other.md"]
    assert "| `|O|` | x \\| y |\n" in page and "`\\|` stays" in page


def test_a_file_is_shown_and_a_folder_is_listed(root: Path) -> None:
    pages = Tree(root, {}).settled()
    assert "~~~~python\nx = 1\n~~~~" in pages["shown/code/run.py.md"]
    assert pages["shown/code.md"] == "# code\n\n- `run.py`\n"


def test_the_menu_has_every_page_of_the_repository_once() -> None:
    made = ["index.md", "docs/page_without_a_place.md", "benchmarks/gate/results/power.md"]
    tree = Tree(REPOSITORY, dict.fromkeys(made, "# Page\n"))
    menu = navigation(tree.pages)
    listed = [
        page for entry in menu for pages in entry.values() for page in ([pages] if isinstance(pages, str) else pages)
    ]
    assert len(listed) == len(set(listed))
    missing = [page for page in tree.pages if page not in listed]
    assert missing == ["docs/page_without_a_place.md"], "a new page of docs is given its place in manual/navigation.py"


def test_pictures_lead_to_their_numbers() -> None:
    pages = {"benchmarks/a/results/b.md": "# What came\n\n![A curve](b-1.svg)\n", "docs/c.md": "# C\n\n![Not](c.svg)\n"}
    page = pictures_page(pages, "night.html")
    assert "## [What came](benchmarks/a/results/b.md)\n\n![A curve](benchmarks/a/results/b-1.svg)" in page
    assert "c.svg" not in page and "](night.html)" in page
    assert "night" not in pictures_page(pages, None)
