"""Data Docs open offline and say what happened."""

import re
from html.parser import HTMLParser
from pathlib import Path

from tasks.validate.data_docs import write_docs
from tasks.validate.summary import DataSummary
from tasks.validate.verdicts import Verdict
from tests.validate.by_hand import DAYS


class Links(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found |= {value for name, value in attrs if name in ("href", "src") and value}


def test_pages_load_nothing_and_their_links_lead_somewhere(out: Path, earlier: dict[str, bytes]) -> None:
    pages = sorted((out / "docs").glob("*.html"))
    assert [page.stem for page in pages] == [*map(str, DAYS.read), "index", "users", "videos"]
    for page in pages:
        text = page.read_text()
        links = Links(text)
        assert not links.tags & {"script", "link", "img", "iframe"}
        assert all((page.parent / link).exists() for link in links.found)
        assert not re.search(r"https?:|url\(|@import", text)
        assert 'name="viewport"' in text


def test_every_day_and_every_rule_is_on_a_page(out: Path, earlier: dict[str, bytes]) -> None:
    index = (out / "docs/index.html").read_text()
    assert all(f'href="{day}.html"' in index for day in DAYS.read)
    judge = (out / f"docs/{DAYS.judge[-1]}.html").read_text()
    for words in ("unique key", "freshness", "quarantined share", "volume", "drift", "1,500"):
        assert words in judge


def test_what_the_data_say_is_escaped(tmp_path: Path) -> None:
    summary = {"side_tables": {"users": {"table": "users", "key": "user_id", "rows": 1, "found": {}, "problems": [],
                                         "verdicts": {}}}, "why": {}, "source": "<b>",
               "days": [{"day": "2022-05-01", "problems": [], "rows_in": 1, "rows_out": 1, "rows_quarantined": 0, "notes": {},
                         "mean_watch_s": 1.0, "verdicts": {}, "quarantined": {}, "drift": {},
                         "volume_factor": None}],
               "passed": False, "rows_in": 1, "rows_out": 1, "cleaning": [], "duration_filter": "none"}  # fmt: skip
    verdict = Verdict("types", "users", "failed", "<script>alert(1)</script>", "&", "mend")
    write_docs(tmp_path, DataSummary.model_validate(summary), {"users": [verdict]})
    assert "<script>" not in (tmp_path / "users.html").read_text()
    assert "&lt;b&gt;" in (tmp_path / "index.html").read_text()
