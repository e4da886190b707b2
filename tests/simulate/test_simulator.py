"""The simulator against its own truth, its stated rates, and itself."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from pytest import approx
from scipy.special import ndtri

from tasks.core.cluster import HERE, LocalCluster
from tasks.core.contract import FLAGS, KEY, candidates_schema, polars_schema
from tasks.core.errors import ConfigError
from tasks.core.files import hash_file, hash_tree
from tasks.simulate import expected_watch, exposure_probability, model, preference, simulate, simulate_days, write_day
from tasks.simulate.calibration import calibrate
from tasks.simulate.config import Rates, SimulatorConfig, Strengths
from tasks.simulate.run import day_candidates
from tasks.simulate.users import Users
from tasks.simulate.videos import Videos

SMALL = SimulatorConfig(users=200, videos=80, new_users_per_day=10, new_videos_per_day=5, impressions_per_day=2_000)
CLEAN = {"dirt_share": 0.0, "duplicate_share": 0.0, "next_day_share": 0.0}


def first_days(config: SimulatorConfig, count: int) -> list[dt.date]:
    return [config.start_day + dt.timedelta(days=i) for i in range(count)]


def days_with_truth(config: SimulatorConfig, folder: Path, count: int = 1) -> pl.DataFrame:
    """Return the rows of the first days with the truth about them, truth columns prefixed by true_."""
    simulate(config, first_days(config, count), folder, truth=True)
    rows, truth = (
        pl.read_parquet(folder / f"{name}/*/part.parquet", hive_partitioning=False) for name in ("impressions", "truth")
    )
    assert rows.select(KEY).equals(truth.select(KEY))
    watched = pl.min_horizontal("watch_ms", "duration_ms") / 1000
    return pl.concat(
        [rows.with_columns(watched=watched), truth.select(pl.all().name.prefix("true_"))], how="horizontal"
    )


@pytest.fixture(scope="module")
def clean_day(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """A clean day of a world with 300,000 impressions a day, a fifth of them exposed at random."""
    config = SimulatorConfig(impressions_per_day=300_000, random_share=0.2, **CLEAN)
    return days_with_truth(config, tmp_path_factory.mktemp("clean"))


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, cluster in (("here", HERE), ("there", LocalCluster(workers=2))):
        simulate(SMALL, first_days(SMALL, 3), tmp_path / name, truth=True, cluster=cluster)
    assert hash_tree(tmp_path / "there") == hash_tree(tmp_path / "here")
    with pytest.raises(ConfigError):
        simulate(SMALL, [SMALL.start_day - dt.timedelta(days=1)], tmp_path / "early", cluster=LocalCluster())
    assert not (tmp_path / "early").exists()


def test_tables_satisfy_the_contract(tmp_path: Path) -> None:
    simulate(SMALL, first_days(SMALL, 2), tmp_path)
    for day in first_days(SMALL, 2):
        rows = pl.read_parquet(tmp_path / f"impressions/day={day}/part.parquet", hive_partitioning=False)
        assert dict(rows.schema) == polars_schema("impressions")
        assert rows.equals(rows.sort("event_time_ms", "user_id", "video_id", maintain_order=True))
        nullable = {"position", "exposure_probability", "duration_ms", "long_view"}
        assert rows.select(pl.exclude(nullable).null_count()).row(0) == (0,) * (len(rows.columns) - len(nullable))
    for table in ("users", "videos"):
        schema = pl.read_parquet_schema(tmp_path / f"{table}.parquet")
        assert polars_schema(table).items() <= dict(schema).items()
    assert schema["content"] == pl.List(pl.Float32())


def test_same_seed_same_bytes_and_another_seed_another_world(tmp_path: Path) -> None:
    for name, config in (("a", SMALL), ("b", SMALL), ("c", SMALL.model_copy(update={"seed": 7}))):
        simulate(config, first_days(config, 2), tmp_path / name, truth=True)
    assert hash_tree(tmp_path / "a") == hash_tree(tmp_path / "b")
    assert hash_file(tmp_path / "a/users.parquet") != hash_file(tmp_path / "c/users.parquet")


def test_a_day_alone_is_the_day_of_a_longer_run(tmp_path: Path) -> None:
    days = first_days(SMALL, 6)
    simulate(SMALL, days, tmp_path / "run")
    write_day(SMALL, days[5], tmp_path / "alone.parquet")
    assert hash_file(tmp_path / "alone.parquet") == hash_file(tmp_path / f"run/impressions/day={days[5]}/part.parquet")


def test_far_day_needs_no_days_before(tmp_path: Path) -> None:
    far = SMALL.start_day + dt.timedelta(days=1_000)
    write_day(SMALL, far, tmp_path / "far.parquet")
    rows = pl.read_parquet(tmp_path / "far.parquet")
    first_user, first_video = 1_000 * SMALL.new_users_per_day, 1_000 * SMALL.new_videos_per_day
    assert rows["user_id"].is_between(first_user, first_user + SMALL.users + SMALL.new_users_per_day).all()
    assert rows["video_id"].is_between(first_video, first_video + SMALL.videos + SMALL.new_videos_per_day).all()


def test_new_users_and_videos_arrive_and_old_ones_leave(tmp_path: Path) -> None:
    simulate(SMALL, [SMALL.start_day, SMALL.start_day + dt.timedelta(days=8)], tmp_path)
    first, later = (pl.read_parquet(part) for part in sorted((tmp_path / "impressions").glob("*/part.parquet")))
    for name in ("user_id", "video_id"):
        assert later[name].max() > first[name].max()
        assert later[name].min() > first[name].min()


def test_no_video_is_shown_before_it_was_uploaded(tmp_path: Path) -> None:
    simulate(SMALL, first_days(SMALL, 4), tmp_path)
    rows = pl.read_parquet(tmp_path / "impressions/*/part.parquet", hive_partitioning=False)
    videos = pl.read_parquet(tmp_path / "videos.parquet")
    joined = rows.join(videos, on="video_id", how="left")
    assert joined["upload_time_ms"].null_count() == 0
    assert (joined["upload_time_ms"] < joined["event_time_ms"]).all()


def test_a_day_before_the_first_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"begins on 2026-01-01: there is no day 2025-12-31"):
        write_day(SMALL, dt.date(2025, 12, 31), tmp_path / "x.parquet")


def test_rates_are_those_stated(clean_day: pl.DataFrame) -> None:
    shown = clean_day.filter(pl.col("policy") == "standard")
    rates = Rates()
    for name in set(FLAGS) - {"click"}:
        stated = getattr(rates, name)
        assert shown[name].mean() == pytest.approx(stated, rel=0.25, abs=3e-4), name
    assert (shown["watch_ms"] == 0).mean() == pytest.approx(rates.zero_watch, abs=0.015)
    assert shown["click"].mean() == pytest.approx(0.45, abs=0.04)
    assert shown["long_view"].mean() == pytest.approx(0.31, abs=0.04)
    assert (shown["watch_ms"] > shown["duration_ms"]).mean() == pytest.approx(0.08, abs=0.03)
    assert (shown["watch_ms"] == shown["duration_ms"]).mean() == pytest.approx(0.05, abs=0.03)
    assert (clean_day["policy"] == "random").mean() == pytest.approx(0.2, abs=0.01)
    assert clean_day.height == pytest.approx(300_000, rel=0.05)


def test_longer_videos_are_watched_longer_but_less_of_them(clean_day: pl.DataFrame) -> None:
    tenth = clean_day["duration_ms"].rank("ordinal") * 10 // (clean_day.height + 1)
    ratio = clean_day["watched"] * 1000 / clean_day["duration_ms"]
    means = (
        clean_day.with_columns(tenth=tenth, ratio=ratio)
        .group_by("tenth")
        .agg(pl.mean("watched", "ratio"))
        .sort("tenth")
    )
    assert means["watched"][9] > 3 * means["watched"][0]
    assert means["ratio"][9] < 0.5 * means["ratio"][0]


def test_truth_is_the_mean_of_random_exposures(clean_day: pl.DataFrame) -> None:
    randoms = clean_day.filter(pl.col("policy") == "random")
    edges = randoms["true_expected_watch_seconds"].quantile(0.2), randoms["true_expected_watch_seconds"].quantile(0.8)
    for low, high in ((0.0, edges[0]), edges, (edges[1], 1e9), (0.0, 1e9)):
        part = randoms.filter(pl.col("true_expected_watch_seconds").is_between(low, high, closed="right"))
        error = (part["watched"] - part["true_expected_watch_seconds"]).to_numpy()
        assert abs(error.mean()) < 3.5 * error.std() / np.sqrt(len(error))


def test_standard_exposures_are_watched_longer_than_the_truth(clean_day: pl.DataFrame) -> None:
    """With rho > 0 what was shown is not what a random exposure would show: the bias that debiasing has to undo."""
    shown = clean_day.filter(pl.col("policy") == "standard")
    assert shown["watched"].mean() > 1.1 * shown["true_expected_watch_seconds"].mean()


def test_expected_watch_of_a_pair_matches_the_rows(clean_day: pl.DataFrame) -> None:
    config = SimulatorConfig(impressions_per_day=300_000, random_share=0.2, **CLEAN)
    some = clean_day.head(5_000)
    for scene, part in some.group_by("scene"):
        truth = expected_watch(config, config.start_day, part["user_id"], part["video_id"], scene=int(scene[0]))
        np.testing.assert_allclose(truth, part["true_expected_watch_seconds"], rtol=2e-4, atol=1e-3)
        means = preference(config, config.start_day, part["user_id"], part["video_id"], scene=int(scene[0]))
        np.testing.assert_allclose(means, part["true_preference"], atol=1e-4)
    averaged = expected_watch(config, config.start_day, some["user_id"], some["video_id"])
    assert averaged.shape == (5_000,)
    assert averaged.mean() == pytest.approx(some["true_expected_watch_seconds"].mean(), rel=0.03)


def test_a_content_effect_has_its_size_can_be_read_off_the_caption_and_is_off_by_default() -> None:
    assert "content" not in Strengths().model_dump()
    videos = Videos(SMALL, np.arange(5000))
    planted = Videos(SMALL.model_copy(update={"strengths": Strengths(content=0.7)}), videos.ids)
    added = planted.effect - videos.effect
    assert added.std() == pytest.approx(0.7, rel=0.25)  # topics are few
    captions = np.column_stack([videos.content, np.ones(5000)])
    half = slice(0, 2500), slice(2500, None)
    read = captions[half[1]] @ np.linalg.lstsq(captions[half[0]], added[half[0]], rcond=None)[0]
    assert np.corrcoef(read, added[half[1]])[0, 1] ** 2 > 0.7


def test_a_relation_is_one_number_per_user_and_author_and_off_by_default(tmp_path: Path) -> None:
    assert "relation" not in Strengths().model_dump()
    related = SMALL.model_copy(update={"strengths": Strengths(relation=0.7), **CLEAN})
    users = np.repeat(np.arange(20, 120), 40)
    videos = Videos(SMALL, np.tile(np.arange(30, 70), 100))
    means = [preference(config, SMALL.start_day, users, videos.ids) for config in (SMALL, related)]
    own = pl.DataFrame({"user": users, "author": videos.author, "own": (means[1] - means[0]).round(4)})
    pairs = own.group_by("user", "author").agg(pl.col("own").n_unique().alias("values"), pl.col("own").first())
    assert pairs["values"].max() <= 2  # float32 may round the last digit either way
    assert pairs["own"].std() == pytest.approx(0.7, rel=0.1) and abs(pairs["own"].mean()) < 0.05
    rows = days_with_truth(related, tmp_path)
    scene = rows.filter(pl.col("scene") == 1)
    truth = preference(related, related.start_day, scene["user_id"], scene["video_id"], scene=1)
    np.testing.assert_allclose(truth, scene["true_preference"], atol=1e-4)


def test_expected_watch_is_the_mean_of_the_stated_equations() -> None:
    """The closed form against a brute-force draw, written from the module's equations, for a few pairs."""
    config, scene = SMALL, 1
    users, videos = Users(config, np.arange(20, 28)), Videos(config, np.arange(30, 38))
    truth = expected_watch(config, config.start_day, users.ids, videos.ids, scene)
    means = preference(config, config.start_day, users.ids, videos.ids, scene)
    bored = model.bored(config, 0, users.ids, videos.topic)
    odds = np.log(config.rates.skip / (1 - config.rates.skip)) + users.impatience + config.strengths.bored_skip * bored
    watch = calibrate(config).watch
    rng = np.random.default_rng(5)
    for pair, duration in enumerate(videos.duration_ms / 1000):
        latent = means[pair] + rng.standard_normal(400_000)
        intended = np.exp(watch.location + watch.elasticity * np.log(duration / 30) + watch.spread * latent)
        watched = np.where(latent < watch.zero, 0, np.minimum(intended, duration))
        skipped = rng.random(len(latent)) < 1 / (1 + np.exp(-odds[pair]))
        watched = np.where(skipped, 3 * rng.random(len(latent)), watched)
        assert truth[pair] == pytest.approx(watched.mean(), abs=4 * watched.std() / np.sqrt(len(watched)))


def test_exposure_probability_matches_the_log_and_the_shown_share(clean_day: pl.DataFrame) -> None:
    config = SimulatorConfig(impressions_per_day=300_000, random_share=0.2, **CLEAN)
    shown = clean_day.filter(pl.col("policy") == "standard")
    some = shown.head(3_000)
    truth = exposure_probability(
        config, config.start_day, some["user_id"], some["video_id"], some["position"].to_numpy()
    )
    np.testing.assert_allclose(truth, some["exposure_probability"], rtol=1e-4)
    # E[1/P(shown)] over the shown is the number of candidates: the inverse of the exposure rate.
    weights = 1 / shown["exposure_probability"].to_numpy()
    assert weights.mean() == pytest.approx(1 / config.exposure_rate, rel=0.05)
    assert set(clean_day.filter(pl.col("policy") == "random")["exposure_probability"]) == {1.0}


def test_inverse_propensity_undoes_selection_when_rho_is_zero(tmp_path: Path) -> None:
    config = SimulatorConfig(impressions_per_day=200_000, random_share=0.2, rho=0.0, **CLEAN)
    rows = days_with_truth(config, tmp_path)
    shown, randoms = (rows.filter(pl.col("policy") == policy) for policy in ("standard", "random"))
    weights = 1 / shown["exposure_probability"].to_numpy()
    watched = shown["watched"].to_numpy()
    weighted = (weights * watched).sum() / weights.sum()
    error = 4 * (
        randoms["watched"].std() / np.sqrt(randoms.height) + watched.std() * np.sqrt((weights**2).sum()) / weights.sum()
    )
    assert weighted == pytest.approx(randoms["watched"].mean(), abs=error)
    assert watched.mean() > weighted + error


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.8])
def test_rho_is_the_correlation_of_the_noise(tmp_path: Path, rho: float) -> None:
    config = SimulatorConfig(impressions_per_day=30_000, random_share=0.9, rho=rho, **CLEAN)
    randoms = days_with_truth(config, tmp_path).filter(pl.col("policy") == "random")
    found = np.corrcoef(randoms["true_exposure_noise"], randoms["true_preference_noise"])[0, 1]
    assert found == pytest.approx(rho, abs=0.02)


def test_shown_means_positive_exposure_score(clean_day: pl.DataFrame) -> None:
    shown = clean_day.filter(pl.col("policy") == "standard")
    score = (
        ndtri(shown["exposure_probability"].to_numpy().clip(1e-12, 1 - 1e-12)) + shown["true_exposure_noise"].to_numpy()
    )
    assert (score > -1e-4).all()


def test_every_candidate_is_shown_or_logged_as_not_shown(tmp_path: Path) -> None:
    """Of lists of ten, every slot."""
    config = SMALL.model_copy(update={**CLEAN, "impressions_per_day": 20_000, "random_share": 0.0})
    (day,) = first_days(config, 1)
    write_day(config, day, tmp_path / "part.parquet")
    shown = pl.read_parquet(tmp_path / "part.parquet")
    refused = day_candidates(config.model_copy(update={"log_candidates": True}), day)
    assert dict(refused.schema) == candidates_schema(())
    assert shown.height / (shown.height + refused.height) == approx(config.exposure_rate, abs=0.02)
    step = 12_000
    slots = pl.concat([frame.select("user_id", "position", "video_id", "event_time_ms") for frame in (shown, refused)])
    lists = slots.with_columns(begin=(pl.col("event_time_ms") - pl.col("position").cast(pl.Int64) * step))
    begun = lists.sort("user_id", "begin").with_columns(
        new=(pl.col("begin").diff().over("user_id").fill_null(step) >= step).cum_sum().over("user_id")
    )
    whole = begun.group_by("user_id", "new").agg(slots=pl.col("position").n_unique(), rows=pl.len())
    apart = whole.filter(pl.col("rows") == 10)
    assert apart.height > 0.9 * whole.height and (apart["slots"] == 10).all()
    assert (refused["known_at_ms"] > refused["event_time_ms"]).all()


def test_random_slice_is_uniform_over_the_videos(clean_day: pl.DataFrame) -> None:
    counts = clean_day.filter(pl.col("policy") == "random").group_by("video_id").len()["len"].to_numpy()
    expected = counts.sum() / SimulatorConfig().videos
    assert len(counts) == SimulatorConfig().videos
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - len(counts)) < 5 * np.sqrt(2 * len(counts))
    standard = clean_day.filter(pl.col("policy") == "standard").group_by("video_id").len()["len"].to_numpy()
    assert standard.std() > 5 * counts.std() * standard.mean() / counts.mean() / 3


def test_position_moves_exposure_and_not_preference(clean_day: pl.DataFrame) -> None:
    shown = clean_day.filter(pl.col("policy") == "standard")
    by_slot = shown.group_by("position").agg(pl.len()).sort("position")["len"]
    assert (by_slot.diff().drop_nulls() < 0).all()
    randoms = clean_day.filter(pl.col("policy") == "random")
    assert abs(np.corrcoef(randoms["position"], randoms["watched"])[0, 1]) < 0.015


def test_scenes_are_fifteen_and_most_rows_lie_in_one(clean_day: pl.DataFrame) -> None:
    counts = clean_day["scene"].value_counts().sort("scene")
    assert counts["scene"].to_list() == list(range(15))
    assert counts["count"].max() / clean_day.height == pytest.approx(0.76, abs=0.03)
    mean = dict(clean_day.group_by("scene").agg(pl.mean("watched")).iter_rows())
    assert mean[0] < mean[1] < mean[4]


def test_a_topic_skipped_yesterday_is_watched_less_today(tmp_path: Path) -> None:
    """Among pairs of equal truth but for boredom: the skip of the day before must tell, and not where it is switched off."""

    def gap(strengths: Strengths, name: str) -> float:
        config = SimulatorConfig(impressions_per_day=60_000, strengths=strengths, **CLEAN)
        rows = days_with_truth(config, tmp_path / name, 2)
        topics = pl.read_parquet(tmp_path / name / "videos.parquet").select(
            "video_id", topic=pl.col("tag").str.split(",").list.first()
        )
        day = (pl.col("event_time_ms") + 8 * 3_600_000) // 86_400_000
        rows = rows.join(topics, on="video_id").with_columns(day=day - day.min(), skipped=pl.col("watch_ms") < 3_000)
        before = rows.filter(pl.col("day") == 0).group_by("user_id", "topic").agg(yesterday=pl.col("skipped").mean())
        today = rows.filter(pl.col("day") == 1).join(before, on=("user_id", "topic"))
        # What the video and the user explain is taken out by their own means.
        own = pl.col("skipped") - pl.col("skipped").mean().over("user_id") - pl.col("skipped").mean().over("video_id")
        past = (
            pl.col("yesterday")
            - pl.col("yesterday").mean().over("user_id")
            - pl.col("yesterday").mean().over("video_id")
        )
        return float(np.corrcoef(today.select(own).to_series(), today.select(past).to_series())[0, 1])

    weak = Strengths(boredom=0, bored_skip=0, taste=0)
    assert gap(Strengths(taste=0), "on") > 0.08
    assert abs(gap(weak, "off")) < 0.03


def test_disorder_has_its_stated_rates(tmp_path: Path) -> None:
    config = SimulatorConfig(
        impressions_per_day=60_000, dirt_share=0.05, duplicate_share=0.03, late_share=0.2, next_day_share=0.02
    )
    write_day(config, config.start_day + dt.timedelta(days=1), tmp_path / "day.parquet")
    rows = pl.read_parquet(tmp_path / "day.parquet")
    assert rows.unique().height == pytest.approx(rows.height / 1.03, rel=0.01)
    each = pytest.approx(0.01, abs=0.002)
    assert (rows["duration_ms"] == 0).mean() == each
    assert (rows["watch_ms"] < 0).mean() == each
    assert (rows["like"] == 2).mean() == each
    assert (rows["scene"] == 99).mean() == each
    ahead = rows["event_time_ms"] >= rows["known_at_ms"]
    assert ahead.mean() == each
    sound = rows.filter(~ahead)
    hours = (sound["known_at_ms"] - sound["event_time_ms"]) // 3_600_000
    assert (hours >= 1).mean() == pytest.approx(0.2, abs=0.03)
    midnight = (dt.datetime(2026, 1, 2, tzinfo=dt.UTC).timestamp() - 8 * 3600) * 1000
    assert (sound["event_time_ms"] < midnight).mean() == pytest.approx(0.02, abs=0.005)
    assert (sound["known_at_ms"] > midnight).all()
    assert (sound["known_at_ms"] <= midnight + 86_400_000).all()


def test_propensity_can_be_left_out_of_the_log(tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"log_propensity": False, "random_share": 0.3})
    write_day(config, config.start_day, tmp_path / "day.parquet")
    logged = pl.read_parquet(tmp_path / "day.parquet").group_by("policy").agg(pl.col("exposure_probability").count())
    assert dict(logged.iter_rows())["standard"] == 0
    assert dict(logged.iter_rows())["random"] > 0


def test_users_and_videos_carry_information(tmp_path: Path) -> None:
    """An oracle must beat what a table of durations knows, or no model can show what it is worth."""
    rows = days_with_truth(SimulatorConfig(impressions_per_day=30_000, **CLEAN), tmp_path)
    by_duration = pl.col("watched").mean().over(pl.col("duration_ms") // 10_000)
    duration = rows.select(pl.corr(by_duration, "watched")).item()
    oracle = rows.select(pl.corr("true_expected_watch_seconds", "watched")).item()
    assert oracle > duration + 0.2


def test_summary_and_scaling(tmp_path: Path) -> None:
    summary = simulate_days(SMALL, tmp_path, days=2, rows_per_day=8_000)
    assert summary["users"] == 800
    assert summary["videos"] == 160
    assert sum(summary["rows"]) == pytest.approx(16_000, rel=0.1)


def test_memory_of_a_day_does_not_hold_all_its_rows(tmp_path: Path) -> None:
    """Row groups are written as they fill."""
    import pyarrow.parquet as pq

    config = SimulatorConfig(impressions_per_day=300_000)
    write_day(config, config.start_day, tmp_path / "day.parquet")
    metadata = pq.ParquetFile(tmp_path / "day.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(2)] == [131_072, 131_072]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rho": 1.5}, "less than 1"),
        ({"users": 100, "new_users_per_day": 200}, "no more users or videos can arrive"),
        ({"as_of": "2025-01-01"}, "lies before start_day"),
        ({"userz": 3}, "Extra inputs"),
    ],
)
def test_wrong_configuration_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SimulatorConfig.model_validate(wrong)


def test_default_night_is_the_fifteenth_day() -> None:
    assert SimulatorConfig().default_as_of() == dt.date(2026, 1, 15)
    assert SimulatorConfig(as_of=dt.date(2026, 1, 20)).default_as_of() == dt.date(2026, 1, 20)
