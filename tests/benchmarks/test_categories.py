"""Categories as numbers, as means and dealt anew: against closed forms, and in a world where tags alone tell of new videos."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.representation import categories
from benchmarks.representation.categories import CategoryVectors, backed_off_means, dealt, describe
from benchmarks.representation.cold_start_kuairand import BASES, DEALT, FEW, FILE, MEANS, ColdStart, said_of
from benchmarks.representation.slices import Sliced
from tasks.core.contract import CONTENT_VECTOR
from tasks.core.layout import Workspace
from tasks.evaluate.estimate import Draw
from tasks.evaluate.metrics.groups import encode_groups
from tasks.evaluate.metrics.pairwise import xauc, xauc_influence
from tasks.protocol.config import load_protocol
from tasks.protocol.run import ProtocolRun
from tests.table.small_night import write_features

TAGS = ["1,2", "1", "2", "3", None, "UNKNOWN", "4"]
"""Of which `4` has no teaching video."""


def catalogue(times: int) -> pl.DataFrame:
    tags = TAGS * times
    kinds = ["a", "b"] * (len(tags) // 2) + ["a"] * (len(tags) % 2)
    return pl.DataFrame({"video_id": range(len(tags)), "tag": tags, "kind": kinds})


def test_vectors_are_components_of_flags_that_videos_of_the_fit_days_teach() -> None:
    videos = catalogue(60)
    teaching = np.array([video for video in range(videos.height) if TAGS[video % len(TAGS)] != "4" and video < 300])
    found = CategoryVectors.of(videos, ("tag", "kind"), teaching)
    assert found.categories == ("tag=1", "tag=2", "tag=3", "kind=a", "kind=b")
    flag_VC = np.array(
        [[tag in (row["tag"] or "").split(",") for tag in "123"] + [row["kind"] == kind for kind in "ab"] for row in videos.iter_rows(named=True)],
        dtype=np.float64,
    )  # fmt: skip
    centred = flag_VC - flag_VC[teaching].mean(axis=0)
    np.testing.assert_allclose(found.vector_VP @ found.vector_VP.T, centred @ centred.T, atol=1e-10)
    assert found.kept == pytest.approx(1)
    variance = found.vector_VP[teaching].var(axis=0)
    assert (np.diff(variance) <= 1e-12).all()
    later = videos.with_columns(pl.when(pl.col("video_id") < 300).then("tag").otherwise(pl.lit("3")).alias("tag"))
    changed = CategoryVectors.of(later, ("tag", "kind"), teaching)
    np.testing.assert_array_equal(changed.vector_VP[:300], found.vector_VP[:300])


def test_a_cell_is_pulled_to_the_one_around_it() -> None:
    watch = np.array([10.0, 20.0, 30.0, 60.0])
    keys = np.array([[0, 0], [0, 0], [0, 1], [1, 0]])
    asked = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [2, 0]])
    found = backed_off_means(watch, keys, asked, {1: 2.0, 2: 4.0})
    around_0, around_1 = (60 + 2 * 30) / 5, (60 + 2 * 30) / 3
    expected = [(30 + 4 * around_0) / 6, (30 + 4 * around_0) / 5, around_0, (60 + 4 * around_1) / 5, 30]
    np.testing.assert_allclose(found, expected)


def test_only_what_is_new_is_dealt_and_everything_else_is_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = write_features(tmp_path / "night")
    videos = pl.read_parquet(features / "videos.parquet")
    with pytest.raises(ValueError, match="no level of tag has 20 videos of the fit days"):
        describe(features, ("tag",), videos["video_id"].to_numpy()[:60])
    monkeypatch.setattr(categories, "FEWEST_VIDEOS", 5)
    describe(features, ("tag",), videos["video_id"].to_numpy()[:60])
    new = videos["video_id"].to_numpy()[60:]
    found = pl.read_parquet(dealt(features, new, tmp_path / "dealt", 0) / "videos.parquet")
    before = pl.read_parquet(features / "videos.parquet")
    assert found.drop(CONTENT_VECTOR).equals(before.drop(CONTENT_VECTOR)) and found[:60].equals(before[:60])
    old, dealt_anew = (frame[60:][CONTENT_VECTOR].to_list() for frame in (before, found))
    assert old != dealt_anew and sorted(old) == sorted(dealt_anew)
    assert (tmp_path / "dealt" / "rows").is_symlink()


def test_the_detectable_effect_is_that_of_a_bootstrap_of_videos_and_of_the_fits() -> None:
    random = np.random.default_rng(0)
    video = np.sort(random.integers(0, 60, 500))
    watch = np.exp(random.normal(size=60))[video] + random.exponential(size=500)
    scores = [watch + random.normal(scale=3, size=500) for _ in range(4)]
    groups = encode_groups(video)

    def arm(of: list[np.ndarray]) -> Sliced:
        statistics = [xauc_influence(watch, score, groups) for score in of]
        draws = [Draw(statistic.result(), None, statistic.psi_U) for statistic in statistics]
        return Sliced(draws, draws)

    one, other = arm(scores[:1]), arm(scores[1:2])
    rows_of = [np.flatnonzero(video == number) for number in np.unique(video)]
    resampled = []
    for _ in range(300):
        drawn = np.concatenate([rows_of[place] for place in random.integers(0, len(rows_of), len(rows_of))])
        first, second = (xauc(watch[drawn], score[drawn]).value for score in scores[:2])
        resampled.append(first - second)
    assert one.detectable(other)[0] == pytest.approx(2.8016 * np.std(resampled), rel=0.15)
    two, twins = arm(scores[:2]), arm(scores[2:])
    sampling, with_fits = two.detectable(twins)
    gaps = np.subtract(two.per_seed, twins.per_seed)
    between = 2.8016 * np.std(gaps, ddof=1) / np.sqrt(2)
    assert with_fits == pytest.approx(np.hypot(sampling, between), rel=1e-4)


def test_every_arm_is_held_against_the_same_without_its_codes() -> None:
    variants = load_protocol(FILE).variants
    for arm in variants.keys() - {"none", "night", "rq_alone", "categories"}:
        plain = variants[BASES[arm]].table
        assert variants[arm].table.model_copy(update={"items": plain.items}) == plain
    assert set(BASES) - set(variants) == {DEALT, MEANS}


@pytest.mark.slow
def test_where_tags_tell_of_new_videos_their_codes_do_and_dealt_ones_do_not(tmp_path: Path) -> None:
    world = {
        "kind": "simulator",
        "seed": 3,
        "impressions_per_day": 2000,
        "users": 120,
        "new_users_per_day": 2,
        "videos": 200,
    }
    world |= {"new_videos_per_day": 80, "authors": 3000, "topics": 8, "strengths": {"topic": 2.0, "author": 0.0, "quality": 0.0}}  # fmt: skip
    training = {
        "seeds": [0, 1],
        "max_epochs": 8,
        "patience": 8,
        "batch_size": 256,
        "learning_rate": 0.003,
        "device": "cpu",
    }
    days = {"fit": ["2026-01-03", "2026-01-04", "2026-01-05"], "validation": "2026-01-06", "judge": ["2026-01-07"]}
    groups = {name: {"keys": [f"{name}_id"], "statistics": ["ratio"], "windows": [1]} for name in ("user", "video")}
    params = {"default_source": "simulator", "sources": {"simulator": world}, "training": training}
    protocol = load_protocol(
        FILE, {"params": {**params, "window": {"lookback_days": 1}, "features": {"groups": groups}}, "days": days}
    )
    fields = {"categorical": ("user_id", "video_id", "scene", "hour"), "dense": ("duration_log",)}
    kept = {name: protocol.variants[name] for name in ("none", "rq", "night")}
    variants = {
        name: of.model_copy(update={"table": of.table.model_copy(update={} if name == "night" else fields)})
        for name, of in kept.items()
    }
    night = ProtocolRun(protocol.model_copy(update={"variants": variants}), Workspace(tmp_path / "night"))
    night.prepare()
    measured = ColdStart(night, tmp_path / "fits", ("tag",)).measured()
    found = {arm: of["0"].over(measured.found["none"]["0"])["videos"] for arm, of in measured.found.items()}
    gain, low, _ = found["rq"]
    assert low > 0 and found[DEALT][0] < gain / 5, found
    assert found[MEANS][1] > 0, "and so do means of tags"
    assert said_of("rq", "0", measured).startswith("above (+")
    assert said_of(DEALT, "0", measured).startswith(("undecided (", "below (-"))
    assert list(measured.rows)[:2] == ["all", "0"]
    rows = {name: of[0] for name, of in measured.rows.items()}
    assert rows["0"] + rows.get("1-5", 0) == rows[FEW] < rows["all"]
