"""The benchmark of item codes runs, its slices are those of the videos' fit rows; that of proposers measures every arm."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.parts.part import Options
from benchmarks.representation import pretraining
from benchmarks.representation.cold_start import run
from benchmarks.representation.retrieval import ARMS, Retrieval, short, shuffled
from tasks.candidates.config import CandidatesConfig
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.training_table import TrainingTable
from tasks.table.watches import Watches
from tests.table.small_night import DAYS, write_features


@pytest.mark.slow
def test_a_quick_run_measures_every_arm(tmp_path: Path) -> None:
    *slices, codebook = run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert slices[0].title == "All judge rows" and slices[1].title == "Videos with 0 fit rows"
    parts = [int(table.notes[0].split()[0].replace(",", "")) for table in slices]
    assert sum(parts[1:]) <= parts[0]
    for table in slices:
        assert [row[0] for row in table.rows] == ["none", "rq", "random"]
        sizes = {row[0]: row[1] for row in table.rows}
        assert sizes["rq"] == sizes["random"] != sizes["none"]
        assert len({tuple(arm["per_seed"]) for arm in table.numbers.values()}) == 3
    assert codebook.numbers["kind"] == "rq" and codebook.numbers["later"] > 0


@pytest.mark.slow
def test_a_quick_run_fits_a_ranker_with_every_pretraining_and_its_control(tmp_path: Path) -> None:
    first, *others = pretraining.run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert [row[0] for row in first.rows] == list(pretraining.ARMS)
    assert len({tuple(arm["per_seed"]) for arm in first.numbers.values()}) == len(pretraining.ARMS)
    assert sum(int(table.notes[0].split()[0]) for table in others) <= int(first.notes[0].split()[0])
    assert set(pretraining.CONTROLS.values()) == {arm for arm in pretraining.ARMS if arm.startswith("shuffled")}
    assert first.notes[1].startswith("Verdict: directau, initialise: ")


@pytest.mark.slow
def test_every_proposer_is_measured(tmp_path: Path) -> None:
    features = write_features(tmp_path)
    build_table(features, TableConfig(), DAYS, tmp_path / "table")
    days = Retrieval(
        TrainingTable.open(tmp_path / "table"), features, CandidatesConfig(watched="valid_play", length=10)
    )
    table = days.measured("Hand-made days", (0, 1), {name: short(arm) for name, arm in ARMS.items()})
    assert [row[0] for row in table.rows] == list(ARMS)
    recalls = {name: of["proposed_recall"]["per_seed"] for name, of in table.numbers.items()}
    assert recalls["popularity"] != recalls["random"] and recalls["directau"] != recalls["directau, users shuffled"]
    assert {name: len(seeds) for name, seeds in recalls.items() if len(seeds) == 1} == {
        "popularity": 1,
        "co_occurrence": 1,
    }
    popularity = next(row for row in table.rows if row[0] == "popularity")
    assert popularity[2] == "" and popularity[3] != ""


def test_shuffled_users_leave_every_video_about_its_watchers() -> None:
    user_P, video_P = np.nonzero(np.random.default_rng(0).random((40, 9)) < 0.3)
    watches = Watches(user_P, video_P, np.arange(user_P.size), user_id_U=np.arange(40), video_id_V=np.arange(9))
    dealt = shuffled(watches, 0)
    assert (dealt.watchers <= watches.watchers).all() and dealt.watchers.sum() > 0.7 * watches.watchers.sum()
    assert not np.array_equal(dealt.user_P, watches.user_P)
