"""Cards of data from summaries as the stage writes them; those of models are read in `tests/flows/test_night.py`."""

import datetime as dt

from tasks.cards import data_card
from tasks.cards.markdown import table, words
from tasks.core.run_key import RunKey
from tests.hostile import HOSTILE
from tests.report.summary import data_summary

KEY = RunKey(as_of=dt.date(2026, 1, 15), source="clips", data="d", arithmetic="native")


def test_text_of_others_stays_text() -> None:
    for text in HOSTILE:
        written = words(text)
        assert "\n" not in written
        assert "<" not in written
        (line,) = table(("a",), [(text,)]).splitlines()[2:]
        assert line.replace("\\|", "").count("|") == 2, "one cell"


def test_the_card_says_what_was_kept_and_what_was_not() -> None:
    summary = data_summary()
    card = data_card(KEY, summary)
    assert card.startswith("# Data of clips, night 2026-01-15\n")
    assert f"| rows that came in | {summary.rows_in:,} |" in card
    for step in summary.cleaning[1:]:
        assert f"| {step.step.replace('_', ' ')} | {step.taken:,} | {summary.why[step.step]} |" in card
    column, drift = max(summary.days[-1].drift.items(), key=lambda found: found[1])
    assert f"| {words(column)} | {drift:.4f} |" in card


def test_a_gap_and_its_reason_stand_in_the_card() -> None:
    summary = data_summary().model_copy(update={"gaps": {"2026-01-10": "collector outage"}})
    assert "- 2026-01-10 was accepted to be without rows: collector outage" in data_card(KEY, summary)


def test_sensitive_attributes_are_said_with_what_they_were_collected_for() -> None:
    told = {"traits": {"band": "new users"}, "trait_users": {"asked": 1200, "used": 1100}}
    card = data_card(KEY, data_summary().model_copy(update=told))
    assert "## Sensitive attributes of users" in card and "| band | new users |" in card
    assert "1,100 of 1,200 users" in card and "Sensitive" not in data_card(KEY, data_summary())
