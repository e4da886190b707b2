"""The stage on a small night: what it writes, from which days, and that tomorrow's score ranks what was proposed."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tasks.baselines.config import BaselineConfig
from tasks.candidates.audience import Audience
from tasks.candidates.compare import recall_difference
from tasks.candidates.config import (
    CandidatesConfig,
    DirectAuConfig,
    MetricConfig,
    PopularityConfig,
    ProposerConfig,
    SasRecConfig,
    SetRecConfig,
)
from tasks.candidates.document import ProposerMetrics
from tasks.candidates.stage import NamedProposer, candidates, fit_proposer, servable_videos, with_new_videos
from tasks.core.cluster import HERE, ClusterConfig, LocalCluster
from tasks.core.contract import CONTENT_VECTOR
from tasks.core.days import midnight_ms
from tasks.core.document import read_document
from tasks.core.errors import ConfigError, ContractError
from tasks.core.files import hash_tree
from tasks.core.identities import SCHEMA
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.night import MeasuredNight
from tasks.features.state import history_file
from tasks.score.config import ScoreConfig
from tasks.score.stage import Serving, score
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.items.config import CodedItems
from tasks.table.training_table import TrainingTable
from tasks.table.watches import Watches
from tasks.train.config import TrainingConfig
from tasks.train.trees.run import train_trees
from tests.table.small_night import DAYS, FEATURES, TIMEZONE, VIDEOS, write_features

pytestmark = pytest.mark.slow

LENGTH = 12
CONFIG = CandidatesConfig(length=LENGTH, watched="valid_play")
PROPOSED: Mapping[str, ProposerConfig] = {
    "popularity": PopularityConfig(),
    "mine": DirectAuConfig(width=8, max_epochs=2, batch_size=256),
    "order": SasRecConfig(width=8, history=5, dropouts=(0.0, 0.2), max_epochs=1),
    "near": MetricConfig(width=8, max_epochs=1, batch_size=256),
    "slots": SetRecConfig(
        vectors=DirectAuConfig(width=8, max_epochs=1, batch_size=256),
        width=8,
        hidden=8,
        history=3,
        betas=(0.0, 0.5),
        max_epochs=1,
    ),
}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_features(tmp_path_factory.mktemp("night"), config=FEATURES.model_copy(update={"content": True}))


@pytest.fixture(scope="module")
def table(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    build_table(features, TableConfig(), DAYS, out := tmp_path_factory.mktemp("table") / "table")
    return out


@pytest.fixture(scope="module")
def night(features: Path) -> MeasuredNight:
    return MeasuredNight(features, DAYS, EvaluationConfig(replicates=100))


@pytest.fixture(scope="module")
def proposers(night: MeasuredNight, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("proposers")
    for name, config in PROPOSED.items():
        candidates(night, table, NamedProposer(name, config), CONFIG, root / name)
    return root


def metrics_of(folder: Path) -> ProposerMetrics:
    return read_document(folder / "metrics.json", ProposerMetrics, "candidates")


def test_a_forced_rerun_gives_the_same_bytes(
    night: MeasuredNight, table: Path, proposers: Path, tmp_path: Path
) -> None:
    for name, config in PROPOSED.items():
        candidates(night, table, NamedProposer(name, config), CONFIG, tmp_path / name)
        assert hash_tree(tmp_path / name) == hash_tree(proposers / name)


def test_everybody_known_tomorrow_gets_what_was_not_shown(proposers: Path, features: Path, table: Path) -> None:
    history = pl.read_parquet(history_file(features, DAYS.state_day(DAYS.serve)), hive_partitioning=False)
    opened = TrainingTable.open(table)
    shown = pl.concat(
        pl.DataFrame({name: opened.column(split, name) for name in ("user_id", "video_id")})
        for split in ("fit", "validation", "judge")
    )
    for name in PROPOSED:
        found = pl.read_parquet(proposers / name / "proposals.parquet")
        assert found["user_id"].unique().sort().to_list() == history["user_id"].unique().sort().to_list()
        assert found.group_by("user_id").agg(pl.col("video_id").n_unique() == pl.len())["video_id"].all()
        assert found.group_by("user_id").len()["len"].max() == LENGTH
        assert found.join(shown, on=["user_id", "video_id"]).is_empty()
        assert metrics_of(proposers / name).served_users == history["user_id"].n_unique()


def test_recall_is_that_of_the_judge_days_watches(proposers: Path, table: Path, features: Path) -> None:
    """By hand: videos a user watched on the judge day, not at random, that the days before did not show to that user."""
    opened = TrainingTable.open(table)

    def pairs(split: str, mask: np.ndarray | None = None) -> set[tuple[int, int]]:
        user, video = (np.asarray(opened.column(split, name)) for name in ("user_id", "video_id"))
        chosen = np.ones(user.size, bool) if mask is None else mask
        return set(zip(user[chosen].tolist(), video[chosen].tolist(), strict=True))

    label = opened.tasks.index(CONFIG.watched)
    watched = (opened.column("judge", "labels")[:, label] == 1) & ~np.asarray(opened.column("judge", "random"))
    relevant = pairs("judge", watched) - pairs("fit") - pairs("validation")
    fitted = fit_proposer(opened, features, NamedProposer("popularity", PopularityConfig()), CONFIG)
    order = fitted.watches.video_id_V.tolist()
    shown, recalls = pairs("fit") | pairs("validation"), []
    for user in sorted({user for user, _ in relevant}):
        mine = {video for who, video in relevant if who == user}
        best = [video for video in order if (user, video) not in shown][:LENGTH]
        recalls.append(len(mine & set(best)) / len(mine))
    found = metrics_of(proposers / "popularity")
    assert (found.users, found.relevant, found.catalogue) == (len(recalls), len(relevant), len(order))
    assert found.metrics[f"proposed_recall@{LENGTH}"].value == pytest.approx(np.mean(recalls), rel=1e-9)


def changed(table: Path, out: Path, split: str) -> Path:
    """Return a copy of a table whose rows of one split say that everybody watched video 1."""
    shutil.copytree(table, out)
    labels = np.array(np.load(out / split / "labels.npy"))
    labels[:] = 1
    np.save(out / split / "labels.npy", labels)
    np.save(out / split / "video_id.npy", np.ones_like(np.load(out / split / "video_id.npy")))
    return out


def test_nothing_is_learned_from_the_judge_day(table: Path, features: Path, tmp_path: Path) -> None:
    def vectors(of: Path) -> bytes:
        fitted = fit_proposer(TrainingTable.open(of), features, NamedProposer("mine", PROPOSED["mine"]), CONFIG)
        return fitted.proposer.video_VD.tobytes() + fitted.watches.video_id_V.tobytes()  # type: ignore[attr-defined]

    as_it_is = vectors(table)
    assert vectors(changed(table, tmp_path / "judge", "judge")) == as_it_is
    assert vectors(changed(table, tmp_path / "fit", "fit")) != as_it_is


def test_only_videos_uploaded_before_the_judge_day_join_the_catalogue(
    table: Path, features: Path, tmp_path: Path
) -> None:
    """Videos 0 to 3 have no fit row; 1 comes on the judge day, 2 at an unknown time, 3 has no content."""
    shutil.copytree(table, tmp_path / "table")
    shown = np.load(tmp_path / "table/fit/video_id.npy")
    np.save(tmp_path / "table/fit/video_id.npy", np.where(shown < 4, 79, shown))
    shutil.copytree(features, tmp_path / "features")
    uploads = {0: midnight_ms(DAYS.judge[0], TIMEZONE) - 1, 1: midnight_ms(DAYS.judge[0], TIMEZONE), 2: None}
    videos, video = pl.read_parquet(features / "videos.parquet"), pl.col("video_id")
    when = pl.col("upload_time_ms")
    for number, uploaded in uploads.items():
        when = pl.when(video == number).then(pl.lit(uploaded, dtype=pl.Int64)).otherwise(when)
    content = pl.when(video == 3).then(None).otherwise(pl.col(CONTENT_VECTOR)).alias(CONTENT_VECTOR)
    videos.with_columns(when.alias("upload_time_ms"), content).write_parquet(tmp_path / "features/videos.parquet")
    opened = TrainingTable.open(tmp_path / "table")
    known = Watches.of_table(opened, "valid_play", servable_videos(features))
    watches = with_new_videos(known, opened, tmp_path / "features")
    assert watches.num_new == 1 and watches.video_id_V.tolist() == [*known.video_id_V.tolist(), 0]
    assert watches.content_VC is not None
    assert watches.content_VC[-1].tolist() == videos.filter(video == 0)[CONTENT_VECTOR][0].to_list()
    fitted = fit_proposer(opened, tmp_path / "features", NamedProposer("slots", PROPOSED["slots"]), CONFIG)
    everybody = Audience.of(fitted.watches, fitted.watches.user_id_U, np.empty(0, np.int64), np.empty(0, np.int64))
    assert (fitted.proposer.propose(everybody, VIDEOS) == known.num_videos).any()


def test_codes_of_videos_are_those_of_the_nights_table(table: Path, features: Path, tmp_path: Path) -> None:
    coded = NamedProposer("order", SasRecConfig(width=8, history=5, dropouts=(0.0,), max_epochs=1, items="joined"))
    with pytest.raises(
        ConfigError, match=r"proposers\.order\.items reads the codes of videos, and table\.items\.kind is none: set it"
    ):
        fit_proposer(TrainingTable.open(table), features, coded, CONFIG)
    items = CodedItems(kind="rq", levels=2, codewords=8, videos_per_codeword=5)
    build_table(features, TableConfig(items=items), DAYS, tmp_path / "t")
    opened = TrainingTable.open(tmp_path / "t")
    watches = fit_proposer(opened, features, coded, CONFIG).watches
    assert watches.codes is not None and watches.codes.num_rows == 18
    rows_BF = watches.codes.row_VF[watches.videos(np.asarray(opened.column("fit", "video_id")))]
    expected = opened.column("fit", "ids")[:, -2:] - opened.schema.offsets[-2]
    np.testing.assert_array_equal(rows_BF, expected)


def test_what_the_validation_day_chose_is_written_and_nothing_where_it_chooses_nothing(proposers: Path) -> None:
    assert '"chosen"' not in (proposers / "popularity/metrics.json").read_text(), "a proposer has the bytes it had"
    chosen = metrics_of(proposers / "slots").chosen
    assert chosen.keys() == {"beta, watched videos", "beta, other videos"} and set(chosen.values()) <= {0.0, 0.5}


def test_two_proposers_are_paired_by_user(proposers: Path, night: MeasuredNight, tmp_path: Path) -> None:
    delta = recall_difference(proposers / "mine", proposers / "popularity", night.evaluation)
    values = [
        metrics_of(proposers / name).metrics[f"proposed_recall@{LENGTH}"].value for name in ("mine", "popularity")
    ]
    assert delta is not None and None not in values
    assert delta.value == pytest.approx(values[0] - values[1], abs=1e-9)
    shutil.copytree(proposers / "mine", tmp_path / "mine")
    pl.read_parquet(tmp_path / "mine/judged.parquet")[1:].write_parquet(tmp_path / "mine/judged.parquet")
    with pytest.raises(
        ContractError, match=r"measured on other watches: run the stages candidates@mine and candidates@pop"
    ):
        recall_difference(tmp_path / "mine", proposers / "popularity", night.evaluation)


@pytest.fixture(scope="module")
def scored(
    night: MeasuredNight, table: Path, proposers: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return a function that scores tomorrow by small trees, of the pool or of what a proposer proposes."""
    root = tmp_path_factory.mktemp("scored")
    pl.DataFrame(schema=SCHEMA).write_parquet(root / "tables.parquet")
    recipe = BaselineConfig().lightgbm.model_copy(update={"fits": 1, "max_rounds": 3})
    train_trees(table, "trees", recipe, TrainingConfig(seeds=(0,)), root / "bundle")

    def run(proposer: str | None, cluster: ClusterConfig = HERE) -> Path:
        config = ScoreConfig(pool_size=10, top_k=3, proposer=proposer, chunk_pairs=1000)
        out = root / f"{proposer}-{cluster.kind}"
        proposed = None if proposer is None else proposers / proposer
        score(night, Serving(root / "bundle", root), config, out, root, proposed, cluster)
        return out

    return run


def test_proposals_are_scored_alike_by_workers_of_a_cluster(scored: Callable[..., Path]) -> None:
    assert hash_tree(scored("mine", LocalCluster(workers=1))) == hash_tree(scored("mine"))


def test_what_is_proposed_is_what_is_scored(scored: Callable[..., Path], proposers: Path) -> None:
    pool, out = scored(None), scored("mine")
    found, proposed = pl.read_parquet(out / "scores.parquet"), pl.read_parquet(proposers / "mine/proposals.parquet")
    active = proposed.filter(pl.col("user_id").is_in(found["user_id"].unique().implode()))
    assert (
        found.select("user_id", "video_id").sort(pl.all()).equals(active.select("user_id", "video_id").sort(pl.all()))
    )
    assert found["user_id"].n_unique() == pl.read_parquet(pool / "scores.parquet")["user_id"].n_unique()
    assert (
        pl.read_parquet(pool / "scores.parquet")["video_id"].n_unique() == 10 < found["video_id"].n_unique() <= VIDEOS
    )
    assert pl.read_parquet(out / "top_k.parquet").group_by("user_id").len()["len"].unique().to_list() == [3]
    assert '"proposer": "mine"' in (out / "summary.json").read_text()
    assert "proposer" not in (pool / "summary.json").read_text(), "a night without has the bytes it had"
