"""The questions are of messages that there are: one that was reworded or has gone takes its answer along."""

import re

import pytest

from manual.markdown import FENCE
from manual.messages import messages
from manual.places import REPOSITORY
from manual.readme import sections

FAQ = (REPOSITORY / "docs/faq.md").read_text(encoding="utf-8")


def quoted(text: str) -> list[str]:
    return re.findall(r"^```text\n(.*?)\n```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("message", quoted(FAQ))
def test_every_message_of_the_questions_exists(message: str) -> None:
    assert message in {known.template for known in messages()}


def test_every_question_has_an_answer() -> None:
    _, *answered = sections(FAQ)
    assert len(answered) > 10
    assert all(len(FENCE.sub("", text).split()) > 10 for _, text in answered)
