"""The section about proposals: there where a night proposes, saying what was measured and holding each against the floor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.candidates.document import JUDGED_FILE, Health, ProposerMetrics
from tasks.candidates.measure import estimates, recall_statistic
from tasks.core.files import write_json
from tasks.evaluate.stage import rounded
from tasks.report.inputs import Artifacts
from tasks.report.sections.candidates import candidates
from tests.report.conftest import EVALUATION
from tests.report.reading import tables, texts, words

MINUS = "\N{MINUS SIGN}"
USERS = 60


def write(folder: Path, kind: str, luck: float, health: Health | None = None) -> None:
    """Write what the stage leaves of a proposer that finds each watched video with a probability."""
    relevant = np.random.default_rng(0).integers(1, 5, USERS)
    hits = np.random.default_rng(1).binomial(relevant, luck)
    folder.mkdir(parents=True)
    pl.DataFrame({"user_id": range(USERS), "relevant": relevant, "hits": hits}).write_parquet(folder / JUDGED_FILE)
    found = estimates({"proposed_recall@50": recall_statistic(relevant, hits)}, USERS, EVALUATION)
    metrics = ProposerMetrics(
        name=folder.name,
        kind=kind,
        days=("2026-01-15",),
        length=50,
        watched="long_view",
        users=USERS,
        new_users=1,
        relevant=int(relevant.sum()),
        unreachable=15,
        shown_again=1,
        catalogue=400,
        metrics=found,
        health=health,
        served_users=700,
    )
    write_json(folder / "metrics.json", rounded(metrics.as_json()))


HEALTH = Health(
    epoch=7,
    alignment=0.91,
    uniformity_users=-3.5,
    uniformity_videos=-3.6,
    alignment_by_activity=(0.5, 0.6),
    uniformity_by_popularity=(-3.0,),
)


def test_nights_that_propose_nothing_have_no_section(read: dict[str, Artifacts]) -> None:
    assert all(candidates(artifacts) == () for artifacts in read.values())


def test_it_holds_every_proposer_against_popularity(copy_of: Callable[[str], Any]) -> None:
    workspace = copy_of("first").workspace
    write(workspace.proposer("mine"), "directau", 0.7, HEALTH)
    write(workspace.proposer("popularity"), "popularity", 0.2)
    (section,) = candidates(Artifacts.read(workspace))
    said = words(section)
    assert "named 50 videos to each of 60 users of the judge day, of 400 videos that the fit days know" in said
    assert "1 watch of what had been shown before is left out. 1 user came after the fit days" in said
    judged, health, deciles = tables(section)
    (mine, floor) = judged.rows
    assert (mine.cells[0].text, mine.cells[0].detail, floor.cells[0].text) == ("mine", "directau", "popularity")
    assert mine.cells[1].tone == "good" and floor.cells[1].text == ""
    gap = float(mine.cells[2].text) - float(floor.cells[2].text)
    assert float(mine.cells[1].text) == pytest.approx(gap, abs=2e-4) and gap > 0.3
    assert judged.heads[2].text == "Recall@50"
    assert texts(health) == [["mine", "0.91", f"{MINUS}3.50", f"{MINUS}3.60", "7"]]
    assert texts(deciles) == [["1", "0.50", f"{MINUS}3.00"], ["2", "0.60", "\N{EN DASH}"]]


def test_it_says_who_reaches_later_videos_and_what_the_validation_day_chose(copy_of: Callable[[str], Any]) -> None:
    workspace = copy_of("first").workspace
    write(workspace.proposer("slots"), "setrec", 0.6)
    write(workspace.proposer("popularity"), "popularity", 0.2)
    folder = workspace.proposer("slots")
    found = ProposerMetrics.model_validate_json((folder / "metrics.json").read_text())
    further = {"catalogue": 412, "unreachable": 4, "chosen": {"beta, watched videos": 0.3, "beta, other videos": 1.0}}
    found.model_copy(update=further).write(folder / "metrics.json")
    (section,) = candidates(Artifacts.read(workspace))
    said = words(section)
    assert "of 400 videos that the fit days know" in said
    assert (
        "slots reaches 12 later videos by their content as well: of what was watched it could not have proposed 4."
        in said
    )
    assert "For slots the validation day chose: beta, other videos 1; beta, watched videos 0.3." in said
    assert "popularity the validation day" not in said


def test_a_day_without_a_new_watch_has_counts_and_no_table(copy_of: Callable[[str], Any]) -> None:
    workspace = copy_of("first").workspace
    folder = workspace.proposer("popularity")
    write(folder, "popularity", 0.2)
    found = ProposerMetrics.model_validate_json((folder / "metrics.json").read_text())
    found.model_copy(update={"users": 0, "relevant": 0, "metrics": {}}).write(folder / "metrics.json")
    (section,) = candidates(Artifacts.read(workspace))
    assert tables(section) == [] and "each of 0 users" in words(section)
