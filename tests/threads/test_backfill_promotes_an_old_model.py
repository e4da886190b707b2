"""PostHog/posthog#85876: a backfill of an old day passes the gate and overwrites the champion with a historical model.

What points at the champion is written last by whoever ran last, not by whoever is newest.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.registry.conftest import Nights, day


@pytest.fixture
def server(prefect_server: dict[str, str]) -> Iterator[None]:
    from prefect.settings import PREFECT_API_URL, temporary_settings  # takes seconds to load

    with temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}):
        yield


@pytest.fixture
def nights(tmp_path: Any) -> Nights:
    return Nights(tmp_path)


@pytest.mark.slow
def test_the_latest_artifact_of_prefect_is_the_one_written_last(server: None) -> None:
    from prefect.artifacts import Artifact

    for night in ("2022-05-05", "2022-05-02"):
        Artifact(key="thread-champion", type="markdown", data=night).create(_sync=True)
    found = Artifact.get("thread-champion", _sync=True)
    assert "2022-05-02" in str(getattr(found, "data", None))


def test_an_old_night_run_again_or_late_leaves_the_champion_of_the_newest(nights: Nights) -> None:
    for number in (1, 2, 4, 5):  # night 3 was missed
        nights.run(number, winner="a")
    champion = nights.registry.champion_for(day(6))
    again, late = nights.run(2, winner="b"), nights.run(3, winner="b")
    assert again.entry != late.entry
    assert nights.registry.champion_for(day(6)) == champion
    assert nights.registry.champion_for(day(4)) == late.entry, "the nights after it are decided against what it found"
