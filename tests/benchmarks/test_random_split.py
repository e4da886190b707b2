"""Logs in their official layouts, assigned at random, through their protocols."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.random_split.__main__ import main
from benchmarks.random_split.split import NUM_DAYS, assign_days
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.ingest.stage import ingest
from tasks.protocol.config import Protocol, load_protocol
from tasks.protocol.record import record
from tasks.protocol.run import ProtocolRun

REPOSITORY = Path(__file__).resolve().parents[2]
USERS, VIDEOS, ROWS = 40, 30, 3000
ADVERTISEMENT, REPLAYED, ENDLESS = 7, 0, 1
"""A video that is an advertisement; a row that is played three times over; one that is played for ever."""


def plays(seed: int = 0) -> pl.DataFrame:
    """Return users, videos, whole seconds of duration and milliseconds of play; row 2 is not played at all."""
    rng = np.random.default_rng(seed)
    video = rng.integers(0, VIDEOS, ROWS)
    video[:3] = [0, 1, 2]
    duration = 8 + video
    watch = (1 + rng.random(ROWS) * duration * 1000).astype(int)
    watch[[REPLAYED, ENDLESS, 2]] = [3000 * duration[0], 20_000 * duration[1], 0]
    return pl.DataFrame({"user": rng.integers(0, USERS, ROWS), "video": video, "duration": duration, "watch": watch})


def kuairec(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    data, rows = folder / "data", plays()
    seconds = 1_593_878_930 + np.arange(ROWS) * 120
    rows.select(
        user_id="user",
        video_id="video",
        play_duration="watch",
        video_duration=pl.col("duration") * 1000,
        timestamp=pl.Series(seconds).cast(pl.Float64),
    ).write_csv(data / "big_matrix.csv")
    pl.DataFrame(
        {"user_id": range(USERS), "user_active_degree": ["full_active"] * USERS}
        | {name: [0] * USERS for name in ("is_lowactive_period", "is_live_streamer", "is_video_author")}
        | {f"{name}_num_range": ["0"] * USERS for name in ("follow_user", "fans_user", "friend_user")}
        | {"register_days_range": ["15-30"] * USERS}
        | {f"onehot_feat{i}": [i] * USERS for i in range(18)}
    ).write_csv(data / "user_features.csv")
    pl.DataFrame({"video_id": range(VIDEOS), "feat": [f"[{i % 5}]" for i in range(VIDEOS)]}).write_csv(
        data / "item_categories.csv"
    )
    pl.DataFrame(
        {
            "video_id": range(VIDEOS),
            "date": [20200705] * VIDEOS,
            "author_id": range(VIDEOS),
            "video_type": ["AD" if i == ADVERTISEMENT else "NORMAL" for i in range(VIDEOS)],
            "upload_dt": ["2020-06-01"] * VIDEOS,
            "upload_type": ["ShortImport"] * VIDEOS,
            "video_duration": [8000 + 1000 * i for i in range(VIDEOS)],
            "music_id": range(VIDEOS),
            "video_tag_id": [i % 3 for i in range(VIDEOS)],
        }
    ).write_csv(data / "item_daily_features.csv")
    levels = {f"{level}_level_category_id": [i % 4 for i in range(VIDEOS)] for level in ("first", "second", "third")}
    pl.DataFrame({"video_id": range(VIDEOS), "caption": ["plain"] * VIDEOS, **levels}).write_csv(
        data / "kuairec_caption_category.csv"
    )


def wechat(folder: Path) -> None:
    folder.mkdir(parents=True)
    rows = plays()
    flags = {name: pl.lit(0) for name in ("like", "follow", "comment", "forward", "click_avatar", "read_comment")}
    rows.select(
        userid="user",
        feedid="video",
        date_=1 + pl.col("user") % 14,
        device=1 + pl.col("user") % 2,
        play="watch",
        **flags,
    ).write_csv(folder / "user_action.csv")
    pl.DataFrame(
        {
            "feedid": range(VIDEOS),
            "authorid": range(VIDEOS),
            "videoplayseconds": [8 + i for i in range(VIDEOS)],
            "description": ["11 12"] * VIDEOS,
            "bgm_song_id": [None if i % 2 else float(i) for i in range(VIDEOS)],
            "bgm_singer_id": [None if i % 2 else float(i) for i in range(VIDEOS)],
            "manual_tag_list": [f"{i % 5};{i % 3}" for i in range(VIDEOS)],
        }
    ).write_csv(folder / "feed_info.csv")


LOGS = {"kuairec": kuairec, "wechat": wechat}


def short(log: str) -> Protocol:
    """Return the protocol of a log with one recipe and one short fit."""
    protocol = load_protocol(REPOSITORY / f"benchmarks/{log}_random/protocol.yaml")
    training = protocol.params.training.model_copy(update={"seeds": (0,), "max_epochs": 1})
    evaluation = protocol.params.evaluation.model_copy(update={"replicates": 100})
    params = protocol.params.model_copy(update={"training": training, "evaluation": evaluation})
    variants = {name: part.model_copy(update={"recipes": ("d2q",)}) for name, part in protocol.variants.items()}
    return protocol.model_copy(update={"params": params, "variants": variants})


def test_wechat_is_assigned_and_can_be_ingested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assigned = assigned_log("wechat", tmp_path, capsys)
    assert ADVERTISEMENT in assigned["video_id"]
    protocol = short("wechat")
    source = protocol.params.named_source("random_days").model_copy(update={"path": str(tmp_path / "random_days")})
    result = ingest(source, protocol.days.days(7), tmp_path / "raw")
    assert (result.rows, result.users, result.videos) == (assigned.height, USERS, VIDEOS)
    videos = pl.read_parquet(tmp_path / "raw/videos.parquet")
    assert videos["tag"].to_list()[:3] == ["0,0", "1,1", "2,2"]
    assert videos["music_id"].to_list()[:3] == [0, None, 2]
    assert videos["bgm_singer_id"].to_list()[:3] == ["0", None, "2"]
    assert videos["duration_ms"].to_list()[:3] == [8000, 9000, 10_000]


@pytest.mark.slow
def test_kuairec_goes_through_its_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assigned = assigned_log("kuairec", tmp_path, capsys)
    assert ADVERTISEMENT not in assigned["video_id"]
    run = ProtocolRun(short("kuairec"), Workspace(tmp_path / "run"), tmp_path / "random_days")
    run.prepare()
    run.table("ids")
    run.fit("ids", "d2q")
    run.baselines()
    results = run.results()
    found = results["Baselines"]["duration_table"]
    assert found["rows"] == results[run.protocol.variants["ids"].title]["d2q"]["rows"]
    assert found["rows"] == pytest.approx(assigned.height / NUM_DAYS, abs=1)
    ours, published = found["metrics"]["xauc"]["value"], found["as_published"]
    assert published["xauc_strict"] < ours
    assert 0 < published["nrmse"] < 2
    assert published["kl_histogram"] > 0
    text = record(run.protocol, results, tmp_path).read_text()
    assert "| D2Q |  | 0.6319 |  | 4.123 |" in text
    assert f"| duration_table (Baselines) | {ours:.4f} | {published['xauc_strict']:.4f} |" in text
    kept = read_json(tmp_path / "results.json")["results"]["Baselines"]["duration_table"]
    assert kept["xauc_strict"] == {"value": published["xauc_strict"]}


def assigned_log(log: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> pl.DataFrame:
    """Write a log in its layout, assign its rows to days and return its impressions."""
    LOGS[log](folder / "given")
    assert main([log, "--data", str(folder / "given"), "--out", str(folder / "random_days")]) == 0
    assigned = pl.read_parquet(folder / "random_days/impressions.parquet")
    assert f"{assigned.height:,} rows" in capsys.readouterr().out
    assert ((assigned["watch_ms"] > 0) & (assigned["watch_ms"] < 10 * assigned["duration_ms"])).all()
    assert (assigned["watch_ms"] > assigned["duration_ms"]).any()
    return assigned


def test_an_assignment_is_a_permutation_that_its_seed_decides() -> None:
    rows = pl.DataFrame({"row": range(1003)})
    first, again, other = assign_days(rows, 312), assign_days(rows, 312), assign_days(rows, 1234)
    assert first.equals(again)
    assert not first.equals(other)
    assert sorted(first["row"]) == list(range(1003))
    assert first["event_time_ms"].is_unique().all()
    days = (first["event_time_ms"] - 1) // 86_400_000
    counts = days.value_counts()["count"]
    assert len(counts) == NUM_DAYS
    assert counts.max() - counts.min() <= 1
    with pytest.raises(ValueError, match="9 rows cannot be assigned"):
        assign_days(rows.head(9), 312)


def spoil(path: Path, line: str, by: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / path).read_text()
        assert line in text
        (folder / path).write_text(text.replace(line, by, 1))

    return change


@pytest.mark.parametrize(
    ("log", "change", "message"),
    [
        ("wechat", spoil(Path("user_action.csv"), "play", "played"), "lacks column 'play'"),
        ("wechat", spoil(Path("user_action.csv"), ",24000,", ",long,"), "row 1 after the header: column 'play' holds no number"),
        ("wechat", spoil(Path("feed_info.csv"), "feedid", "feed"), "lacks column 'feedid'"),
        ("kuairec", spoil(Path("data/big_matrix.csv"), "play_duration", "play"), "lacks column 'play_duration'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(
    log: str, change: Callable[[Path], None], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LOGS[log](tmp_path / "given")
    change(tmp_path / "given")
    assert main([log, "--data", str(tmp_path / "given"), "--out", str(tmp_path / "random_days")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "random_days").exists()
