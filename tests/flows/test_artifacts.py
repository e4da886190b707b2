"""What a night shows in Prefect's UI, while its server is away."""

import httpx
import pytest
from prefect.artifacts import create_markdown_artifact
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.artifacts import show

AWAY = "http://127.0.0.1:1/api"


def test_a_server_that_is_away_fails_nothing_and_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", AWAY)
    with temporary_settings({PREFECT_API_URL: AWAY}):
        show(create_markdown_artifact, "decision", markdown="promote")
    assert "the Prefect server did not take the artifact decision" in caplog.text


def test_without_its_embedded_server_a_night_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_settings({PREFECT_API_URL: AWAY}), pytest.raises(httpx.ConnectError):
        show(create_markdown_artifact, "decision", markdown="promote")
