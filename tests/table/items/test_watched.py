"""Vectors of who watched what: they find planted tastes, know no later day, and name the tokenizer."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from tasks.config import load_params
from tasks.core.errors import ContractError
from tasks.core.files import hash_tree, read_json
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.table.items.codes import ItemCodes
from tasks.table.items.config import CodedItems, CollaborativeVectors, CoWatchVectors
from tasks.table.items.watched import LEARNINGS, LearnedVectors, WatchCounter, WatchedPairs
from tasks.table.preprocessor import Preprocessor
from tests.flows.small_night import small_params
from tests.table.items.conftest import CODED
from tests.table.small_night import DAYS, rewrite_rows

TASTES, VIDEOS, USERS = 3, 60, 150
VECTORS = {
    "collaborative": CollaborativeVectors(width=8, batch_size=256, epochs=15),
    "co_watch": CoWatchVectors(width=3),
}
ITEMS = CodedItems.model_validate(
    {"kind": "rq", "codewords": TASTES, "videos_per_codeword": 5, "tokenizer": {"kind": "cluster"}}
)


@pytest.fixture(scope="module")
def watches() -> pl.DataFrame:
    """Users of three tastes, nine in ten of whose watches are of videos of their own; of video 7 + 10 v taste is v mod 3."""
    rng = np.random.default_rng(2)
    user, video = rng.integers(0, USERS, 9000), rng.integers(0, VIDEOS, 9000)
    kept = (user % TASTES == video % TASTES) | (rng.random(9000) < 0.05)
    return pl.DataFrame({"user_id": user[kept], "video_id": 7 + 10 * video[kept]})


def purity(learned: LearnedVectors) -> float:
    """Return the share of videos in the majority taste of their code."""
    codes = ItemCodes.fit_learned(learned, ITEMS, "test").fitted_VL[:, 0]
    taste = (learned.video_id_V - 7) // 10 % TASTES
    return float(sum(np.bincount(taste[codes == code]).max() for code in np.unique(codes)) / len(codes))


@pytest.mark.parametrize("kind", LEARNINGS)
def test_codes_part_videos_by_planted_taste_and_those_of_shuffled_users_do_not(
    kind: str, watches: pl.DataFrame
) -> None:
    dealt = watches.with_columns(pl.col("user_id").shuffle(seed=1))
    own, shuffled = (purity(LEARNINGS[kind](WatchedPairs.of(of), VECTORS[kind])) for of in (watches, dealt))
    assert own > 0.95 and shuffled < 0.7, (own, shuffled)


@pytest.mark.parametrize("kind", LEARNINGS)
def test_neither_the_order_of_rows_nor_chunks_nor_watching_again_move_a_bit(kind: str, watches: pl.DataFrame) -> None:
    rows = pl.concat([watches, watches.head(500)]).with_columns(long_view=pl.lit(1, dtype=pl.Int8))
    unwatched = rows.with_columns(pl.col("user_id") + 1, long_view=pl.lit(0, dtype=pl.Int8))
    counter = WatchCounter("long_view")
    for chunk in pl.concat([rows, unwatched]).sample(fraction=1.0, shuffle=True, seed=3).iter_slices(700):
        counter.add(chunk)
    one, again = (LEARNINGS[kind](of, VECTORS[kind]) for of in (WatchedPairs.of(watches), counter.pairs))
    assert one.vector_VD.tobytes() == again.vector_VD.tobytes()
    np.testing.assert_allclose(np.linalg.norm(one.vector_VD, axis=1), 1, rtol=1e-6)


def test_spectral_vectors_are_those_of_the_dense_matrix(watches: pl.DataFrame) -> None:
    pairs = WatchedPairs.of(watches)
    seen = np.zeros((pairs.num_users, VIDEOS))
    seen[pairs.user_P, pairs.video_P] = 1
    shared = seen.T @ seen
    np.fill_diagonal(shared, 0)
    degree = shared.sum(axis=1)
    _, vectors = np.linalg.eigh(shared / np.sqrt(degree[:, None] * degree))
    first = vectors[:, ::-1][:, :3]
    first = first * np.sign(first[np.abs(first).argmax(axis=0), range(3)])
    expected = first / np.linalg.norm(first, axis=1, keepdims=True)
    np.testing.assert_allclose(LEARNINGS["co_watch"](pairs, VECTORS["co_watch"]).vector_VD, expected, atol=1e-5)


def test_videos_that_too_few_watched_have_no_vector(watches: pl.DataFrame) -> None:
    rare = pl.DataFrame({"user_id": [1, 2, 999], "video_id": [1000, 1000, 1001]})
    pairs = WatchedPairs.of(pl.concat([watches, rare]))
    for kind, config in VECTORS.items():
        learned = LEARNINGS[kind](pairs, config)
        has_vector, vectors = learned.of(np.array([7, 1000, 1001, 5000, 1]))
        assert has_vector.tolist() == [True, True, False, False, False] and vectors.shape == (
            2,
            learned.vector_VD.shape[1],
        )
    with pytest.raises(ContractError, match=r"no video of the fit days has 500 watchers, .*'co_watch'"):
        LEARNINGS["co_watch"](pairs, CoWatchVectors(min_watchers=500))
    with pytest.raises(ContractError, match=r"61 videos have a user in common .* width 60 need more than 61"):
        LEARNINGS["co_watch"](pairs, CoWatchVectors(width=60))


@pytest.mark.slow
def test_a_night_may_code_watches_where_features_leave_content_out(tmp_path: Path) -> None:
    params = small_params()
    params["table"]["items"] = {"kind": "rq", "vectors": {"kind": "co_watch"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    loaded = load_params(tmp_path / "params.yaml")
    assert not loaded.features.content and isinstance(loaded.table.items, CodedItems)


def coded_by(vectors: dict[str, object]) -> TableConfig:
    return TableConfig(items=CodedItems.model_validate(CODED.model_dump() | {"vectors": vectors}))


@pytest.mark.slow
@pytest.mark.parametrize(
    "vectors", [{"kind": "collaborative", "width": 4, "epochs": 3}, {"kind": "co_watch", "width": 4}]
)
def test_a_table_learns_codes_from_watches_of_the_fit_days_and_needs_no_content(
    features: Path, tables: dict[str, Path], tmp_path: Path, vectors: dict[str, object]
) -> None:
    build_table(features, coded_by(vectors), DAYS, tmp_path / "one")
    changed = Path(shutil.copytree(features, tmp_path / "features"))
    pl.read_parquet(changed / "videos.parquet").drop("content_vector").write_parquet(changed / "videos.parquet")
    for day in (DAYS.validation, *DAYS.judge):
        rewrite_rows(changed, day, [1 - pl.col("long_view"), pl.col("video_id") + 1])
    build_table(changed, coded_by(vectors), DAYS, tmp_path / "later")
    assert hash_tree(tmp_path / "one/preprocessor/items") == hash_tree(tmp_path / "later/preprocessor/items")
    preprocessor = Preprocessor.load(tmp_path / "later/preprocessor")
    codes = preprocessor.items
    assert codes is not None and codes.learned is not None and codes.reads == ("video_id",)
    preprocessor.save(tmp_path / "saved")
    assert hash_tree(tmp_path / "saved/items") == hash_tree(tmp_path / "later/preprocessor/items")
    assert preprocessor.tokenizer != Preprocessor.load(tables["rq"] / "preprocessor").tokenizer
    report = read_json(tmp_path / "one/items/codebook_report.json")
    assert (report["vectors"], report["later"], report["levels"][0]["error_later"]) == (vectors["kind"], 0, None)
    known = codes.learned.video_id_V
    assert report["videos"] == len(known) and report["without_vector"] == 80 - len(known)
    columns = open_columns(tmp_path / "later/judge")
    has_code = preprocessor.local_codes(columns["ids"], "content_1") > 0
    np.testing.assert_array_equal(has_code, np.isin(columns["video_id"], known))
    assert 0 < has_code.mean() < 1
