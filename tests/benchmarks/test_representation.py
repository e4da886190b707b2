"""The benchmark of item codes runs, its slices are those of the videos' fit rows; that of proposers measures every arm."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.parts.part import Options
from benchmarks.representation import distillation, gacn, history_codes, pretraining, setrec
from benchmarks.representation.arms import controls
from benchmarks.representation.cold_start import FILE, run
from benchmarks.representation.retrieval import ARMS, SHOWN, WALK, Retrieval, branching_of, recall_of, short, shuffled
from benchmarks.watchtime.testbed import Testbed
from tasks.candidates.config import CandidatesConfig
from tasks.candidates.measure import Proposed
from tasks.evaluate.estimate import Draw
from tasks.evaluate.metrics import lists
from tasks.evaluate.metrics.groups import Groups
from tasks.evaluate.metrics.result import MetricResult
from tasks.protocol.config import load_protocol
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.items.config import CodedItems
from tasks.table.training_table import TrainingTable
from tasks.table.watches import Watches
from tests.candidates.test_measure import later_of
from tests.table.small_night import DAYS, FEATURES, write_features
from tests.train.settings import RECIPE, training


@pytest.mark.slow
def test_a_quick_run_measures_codes_beside_their_control(tmp_path: Path) -> None:
    *slices, codebooks = run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert slices[0].title == "All judge rows" and slices[1].title == "Videos with 0 fit rows"
    parts = [int(table.notes[0].split()[0].replace(",", "")) for table in slices]
    assert sum(parts[1:]) <= parts[0]
    for table in slices:
        sizes = {row[0]: row[1] for row in table.rows}
        assert list(sizes) == ["none", "tree", "tree_shuffled", "collaborative"]
        assert sizes["none"] != sizes["tree"] == sizes["tree_shuffled"] != sizes["collaborative"]
        assert len({tuple(arm["per_seed"]) for arm in table.numbers.values()}) == 4
    found = {arm: (report["tokenizer"], report["vectors"]) for arm, report in codebooks.numbers.items()}
    assert found == {"tree": ("tree", "content"), "collaborative": ("rq_kmeans", "collaborative")}
    assert [codebooks.numbers[arm]["later"] > 0 for arm in found] == [True, False]
    (verdict,) = (note for note in codebooks.notes if note.startswith("Verdict on"))
    assert verdict.startswith("Verdict on tree: ") and "tree_shuffled keeps less than a fifth: " in verdict


@pytest.mark.slow
def test_a_quick_run_measures_codes_of_past_events_beside_those_of_the_row_alone(tmp_path: Path) -> None:
    tables = history_codes.run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert [table.title for table in tables[:2]] == ["All judge rows", "Videos with 0 fit rows"]
    for table in tables:
        assert list(table.numbers) == ["none", "rq", "rq_history", "rq_history_shuffled"]
        assert len({tuple(arm["per_seed"]) for arm in table.numbers.values()}) == 4
        assert len({row[1] for row in table.rows}) == 2, (
            "an arm with codes of past events has the embedding rows of one without"
        )
    assert tables[0].notes[1].startswith("Verdict: cold gain over codes of the row alone")
    assert controls(load_protocol(history_codes.FILE), "rq_history") == ["rq_history_shuffled"]


def test_every_control_belongs_to_the_arm_whose_codes_it_replaces() -> None:
    protocol = load_protocol(FILE)
    coded = {arm: variant.table.items for arm, variant in protocol.variants.items() if arm != "none"}
    own = [arm for arm, items in coded.items() if isinstance(items, CodedItems) and items.control is None]
    assert {arm: controls(protocol, arm) for arm in own} == {
        "rq": ["rq_shuffled", "rq_random"],
        "prefix": [],
        "bigram": [],
        "bpe": ["bpe_shuffled"],
        "tree": ["tree_shuffled"],
        "cluster": ["cluster_shuffled"],
        "collaborative": [],
        "co_watch": ["co_watch_shuffled"],
    }


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def table(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    build_table(features, TableConfig(), DAYS, out := tmp_path_factory.mktemp("table") / "table")
    return out


@pytest.mark.slow
def test_a_ranker_is_measured_with_a_pretraining_beside_its_control(
    features: Path, table: Path, tmp_path: Path
) -> None:
    assert set(pretraining.CONTROLS.values()) == {arm for arm in pretraining.ARMS if arm.startswith("shuffled")}
    names = ("none", "directau, join", "shuffled, join")
    arms = {name: pretraining.ARMS[name] and {**pretraining.ARMS[name], "epochs": 2} for name in names}
    testbed = Testbed(features, table, DAYS, tmp_path, training(max_epochs=1))
    first, *others = pretraining.measured(testbed, RECIPE, arms)
    assert [row[0] for row in first.rows] == list(names)
    assert len({tuple(arm["per_seed"]) for arm in first.numbers.values()}) == len(names)
    assert sum(int(found.notes[0].split()[0]) for found in others) <= int(first.notes[0].split()[0])
    assert first.notes[1].startswith("Verdict: directau, join: ") and first.notes[1].count("help") == 1


@pytest.mark.slow
def test_a_quick_run_measures_students_beside_their_controls_by_the_users_fit_rows(tmp_path: Path) -> None:
    everything, *slices = distillation.run(Options(Path("no data"), (0,), tmp_path, quick=True))
    assert [table.title for table in slices] == [f"Users with {rows} fit rows" for rows in ("0", "1-5", "6-20", "> 20")]
    counted = [int(table.notes[0].split()[0].replace(",", "")) for table in (everything, *slices)]
    assert sum(counted[1:]) == counted[0], "no slice of the quick world is too small to be measured"
    none, sparse, _, rich = ({arm: of["xauc"]["per_seed"][0] for arm, of in table.numbers.items()} for table in slices)
    student = (distillation.MEAN, distillation.DISTILLED, distillation.PERMUTED)
    assert len({sparse[arm] for arm in student}) == 3, "sparse users read what each arm gives them"
    for found in (none, rich):
        assert len({found[arm] for arm in student}) == 1, "and nobody else reads anything that differs"
        assert len({found[arm] for arm in (distillation.PLAIN, distillation.DISTILLED)}) == 2
    assert slices[1].numbers[distillation.TEACHER]["spread"] == 1
    assert any(note.startswith("Verdict on users with 1-5 fit rows: ") for note in everything.notes)


def test_what_is_spread_within_durations_does_not_know_how_long_videos_are() -> None:
    code_B = np.repeat([0, 1, 3], [4, 6, 2])
    within_B = np.random.default_rng(0).normal(size=12)
    parts = [((within_B[code_B == code] - within_B[code_B == code].mean()) ** 2).sum() for code in (0, 1, 3)]
    for shift in (0.0, 100.0):
        found = distillation.spread_within(Groups(code_B, 5), within_B + shift * code_B)
        assert found == pytest.approx(sum(parts) / 12)


@pytest.mark.slow
def test_every_proposer_is_measured(features: Path, table: Path) -> None:
    days = Retrieval(TrainingTable.open(table), features, CandidatesConfig(watched="valid_play", length=10))
    found = days.measured("Hand-made days", (0, 1), {name: short(arm) for name, arm in ARMS.items()})
    assert [row[0] for row in found.rows] == list(ARMS)
    recalls = {name: of["proposed_recall"]["per_seed"] for name, of in found.numbers.items()}
    assert recalls["popularity"] != recalls["random"] and recalls["directau"] != recalls["directau, users shuffled"]
    assert {name: len(seeds) for name, seeds in recalls.items() if len(seeds) == 1} == {
        "popularity": 1,
        "co_occurrence": 1,
    }
    walk, by_chance = recalls[WALK], recalls[f"{WALK}, tree by chance"]
    assert walk != by_chance and len(recalls["sasrec"]) == 2
    (tree,) = (note for note in found.notes if note.startswith("Tree of seater: "))
    assert "80 of 80 videos are reached from the root, each once: yes; 9 children of a node at most, 2 levels; " in tree
    assert tree.endswith("differ by 1 at most.")
    assert any(note.startswith("Recall of seater to that of sasrec ") for note in found.notes)
    assert any(note.startswith("Chosen on the validation day by sasrec") for note in found.notes)
    popularity = next(row for row in found.rows if row[0] == "popularity")
    assert popularity[2] == "" and popularity[3] != ""


@pytest.mark.parametrize(("videos", "branching"), [(512, 8), (930, 10), (5_700, 18), (6_800, 19), (9, 9)])
def test_the_fullest_tree_has_a_power_close_above_the_catalogue(videos: int, branching: int) -> None:
    assert branching_of(videos) == branching


def test_shuffled_users_leave_every_video_about_its_watchers() -> None:
    user_P, video_P = np.nonzero(np.random.default_rng(0).random((40, 9)) < 0.3)
    watches = Watches(user_P, video_P, np.arange(user_P.size), user_id_U=np.arange(40), video_id_V=np.arange(9))
    dealt = shuffled(watches, 0)
    assert (dealt.watchers <= watches.watchers).all() and dealt.watchers.sum() > 0.7 * watches.watchers.sum()
    assert not np.array_equal(dealt.user_P, watches.user_P)


def test_recall_of_some_watches_is_that_of_the_catalogue() -> None:
    random = np.random.default_rng(0)
    later = later_of([random.permutation(np.arange(-1, 20))[: random.integers(1, 6)].tolist() for _ in range(50)])
    proposed = Proposed(np.array([random.permutation(20)[:5] for _ in range(50)]), later)
    ranked, video_B, relevant_B = proposed.ranked
    found = recall_of(proposed, later.video_P >= 8)
    assert found.value == pytest.approx(lists.recall_at_k(ranked, relevant_B & (video_B >= 8), 5).value)
    assert found.num_rows == (later.video_P >= 8).sum() and 0 < found.value < 1


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Retrieval:
    """Return days whose videos have content, the last ten of them new to the fit days."""
    config = FEATURES.model_copy(update={"content": True})
    features = write_features(tmp_path_factory.mktemp("described"), config=config)
    build_table(features, TableConfig(), DAYS, table := tmp_path_factory.mktemp("table") / "table")
    shown = np.load(table / "fit/video_id.npy")
    np.save(table / "fit/video_id.npy", np.where(shown >= 70, shown - 40, shown))
    return Retrieval(TrainingTable.open(table), features, CandidatesConfig(watched="valid_play", length=10))


@pytest.mark.slow
def test_slots_are_measured_over_beta_beside_rivals_and_permuted_content(described: Retrieval) -> None:
    days = setrec.SlotDays(described.table, described.features, described.config)
    assert days.reaching.num_new == 9, "one of ten has no content"
    arms, curve = setrec.measured(days, (0,), short=True)
    assert [row[0] for row in arms.rows] == [*setrec.RIVALS, setrec.PLAIN, setrec.MIXED, setrec.CONTROL]
    assert list(curve.numbers) == ["0", "0.1", "0.2", "0.3", "0.5", "0.7", "0.9", "1"]
    alone = arms.numbers[setrec.PLAIN]
    assert alone["watched"]["per_seed"] == tuple(curve.numbers["0"]["watched, setrec"])
    assert arms.numbers["popularity"]["new"]["per_seed"] == (0.0,), "popularity proposes no new video"
    assert len({tuple(of["new, setrec"]) for of in curve.numbers.values()}) > 1
    assert arms.notes[1].count("beta, watched videos") == 2 and arms.notes[-1].startswith("Verdict: new videos gain: ")


@pytest.mark.slow
def test_views_of_the_graph_are_measured_for_as_many_epochs_each(described: Retrieval) -> None:
    found = gacn.measured(described, (0, 1), {name: short(arm) for name, arm in gacn.ARMS.items()})
    assert [row[0] for row in found.rows] == list(gacn.ARMS)
    recalls = {name: of["proposed_recall"]["per_seed"] for name, of in found.numbers.items()}
    assert len(set(recalls.values())) > 3 and len(recalls[gacn.LEARNED]) == 2
    assert found.notes[-1].startswith("Verdict: recall above lightgcn: ")
    fitted = [arm.config for arm in gacn.ARMS.values() if arm.seeded]
    assert {(of.max_epochs, of.patience) for of in fitted} == {(gacn.EPOCHS, gacn.EPOCHS)}


@pytest.mark.parametrize(
    ("recall", "gini", "tail", "said"),
    [
        (0.3, 0.5, 0.1, "the generator helps"),
        (0.201, 0.5, 0.1, "the generator does not help"),
        (0.3, 0.6, 0.1, "rejected by the popularity guard"),
        (0.3, 0.5, 0.05, "rejected by the popularity guard"),
    ],
)
def test_the_popularity_guard_rejects_whatever_recall_says(recall: float, gini: float, tail: float, said: str) -> None:
    def fits(*values: float) -> list[dict[str, Draw]]:
        noise, found = 0.001 * np.random.default_rng(0).normal(size=200), []
        for luck in (-0.005, 0.005):
            of = dict(zip(SHOWN[:3], values, strict=True))
            found.append({n: Draw(MetricResult(v + luck, 9, 9, 0, ""), v + luck + noise, None) for n, v in of.items()})
        return found

    rivals = {name: fits(0.2, 0.1, 0.5) for name in gacn.RIVALS}
    assert gacn.verdict({**rivals, gacn.LEARNED: fits(recall, tail, gini)}, 0.95).endswith(f"{said}.")
