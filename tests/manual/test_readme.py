"""The README falls into pages, and no section of it is lost or stands twice."""

import pytest

from manual.places import REPOSITORY
from manual.readme import PAGES, readme_pages, sections

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_every_section_is_on_one_page() -> None:
    pages = readme_pages(README)
    text = "".join(pages.values())
    for name, body in sections(README):
        assert text.count(body) == 1, name
    assert pages["first_night.md"].startswith("# Run it\n")
    assert list(pages) == list(PAGES)


def test_a_new_section_has_to_be_given_a_page() -> None:
    with pytest.raises(ValueError, match="A new section"):
        readme_pages(README + "\n## A new section\n\nText.\n")


def test_headings_in_code_are_none() -> None:
    text = "top\n```sh\n## no heading\n```\n## One\nbody\n"
    assert dict(sections(text)) == {"": "top\n```sh\n## no heading\n```\n", "One": "body\n"}
