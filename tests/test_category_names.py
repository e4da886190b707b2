"""Names of categories are the user's: whatever they are, they name a feature from the file to what serves."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.core.files import read_json
from tasks.features.build import build_features
from tasks.features.candidates import candidates
from tasks.ingest import ingest
from tasks.ingest.config import SourceConfig
from tasks.predict import load_model
from tasks.score.pairs import active_users
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureFolder
from tasks.train.run import NamedRecipe, train
from tasks.validate.config import TableRulesConfig, ValidationConfig
from tasks.validate.stage import validate
from tests.hostile import SCRIPT
from tests.table.small_night import FEATURES
from tests.train.settings import CANDIDATE, training

FIRST = dt.date(2024, 3, 1)
DAYS = Days(tuple(FIRST + dt.timedelta(days=d) for d in (2, 3, 4)), FIRST + dt.timedelta(days=5), (FIRST + dt.timedelta(days=6),), lookback=2)  # fmt: skip
NAMES = (
    "user's city", 'the "best" city', "{x}", "{{ 7 }}", "$label", "(a+)+$[", SCRIPT, "a b", " edge ", "音乐 é", "a:b,c;d", "a/b\\c",
    "%s", "?", "user_id_right", "row", "file", "day", "label", "reason", "given user_id", "wrong user_id", "category x",
    "_user_is_known", "_catalogue_ms", "hour", "position", "index", "key", "content", "seed", "known", "rank", "state_day",
)  # fmt: skip
"""Quotes, templates, patterns, markup, and what stages call columns of their own."""
OF = {"users": NAMES[::2], "videos": (*NAMES[1::2], NAMES[0])}
"""Categories of the side tables; a name that both have, or that a row has, is told apart by its table."""


def write_log(folder: Path) -> None:
    """Write a week of a log with its two tables, each with a category of every name."""
    random = np.random.default_rng(3)
    start = int(dt.datetime(2024, 3, 1, tzinfo=dt.UTC).timestamp()) * 1000
    rows, users, videos = 2100, 30, 40
    levels = {name: [f"{name} {level % 2}" for level in range(rows)] for name in NAMES}
    log = pl.DataFrame(
        {
            "uid": random.integers(1, users + 1, rows),
            "vid": random.integers(1, videos + 1, rows),
            "ts": start + np.sort(random.integers(0, 7 * 86_400_000, rows)),
            "play": random.integers(0, 40_000, rows),
            "length": np.full(rows, 20_000),
            **levels,
        }
    )
    log.write_parquet(folder / "log.parquet")
    for table, key, count in (("users", "uid", users), ("videos", "vid", videos)):
        shown = {name: levels[name][:count] for name in OF[table]}
        pl.DataFrame({key: range(1, count + 1), "length": 20_000, **shown}).write_parquet(folder / f"{table}.parquet")


@pytest.mark.slow
def test_a_category_may_have_any_name_in_every_table(tmp_path: Path) -> None:
    write_log(tmp_path)
    columns = {"user_id": "uid", "video_id": "vid", "event_time_ms": "ts", "watch_ms": "play", "duration_ms": "length"}
    of_log = [name for name in NAMES if name != "position"]
    source = {
        "kind": "table", "path": str(tmp_path),
        "impressions": {"files": "log.parquet", "columns": columns, "categoricals": of_log},
        "users": {"files": "users.parquet", "columns": {"user_id": "uid"}, "categoricals": OF["users"]},
        "videos": {"files": "videos.parquet", "columns": {"video_id": "vid", "duration_ms": "length"}, "categoricals": OF["videos"]},
    }  # fmt: skip
    ingest(TypeAdapter(SourceConfig).validate_python(source), DAYS, tmp_path / "raw")
    rules = ValidationConfig(tables=TableRulesConfig(min_rows=50))
    validate(tmp_path / "raw", rules, DAYS, tmp_path / "validated")
    build_features(tmp_path / "validated", FEATURES, DAYS, tmp_path / "features", NoCluster())
    offered = {column["name"] for column in read_json(tmp_path / "features/schema.json")["categorical"]}
    assert {f"context_{name}" for name in of_log} <= offered
    for table, names in OF.items():
        assert all(name in offered or f"{table[:-1]}_{name}" in offered for name in names)

    build_table(tmp_path / "features", TableConfig(unobserved_per_impression=0.5), DAYS, tmp_path / "table")
    train(tmp_path / "table", NamedRecipe("r", CANDIDATE, training(max_epochs=1)), tmp_path / "bundle", tmp_path / "s")
    model, served = load_model(tmp_path / "bundle"), DAYS.state_day(DAYS.serve)
    assert offered <= set(model.row_columns)

    users = active_users(tmp_path / "features", served, "UTC", 7)
    last = pl.read_parquet(tmp_path / "log.parquet").sort("ts").group_by("uid").agg(pl.all().last())
    for name in of_log:
        known = dict(last.select("uid", name).iter_rows())
        assert dict(users.select("user_id", f"context_{name}").iter_rows()) == known, "what the user's last event had"
    pairs = users.with_columns(video_id=pl.lit(7, pl.Int64), event_time_ms=pl.lit(1_709_900_000_000, pl.Int64))
    rows = candidates(tmp_path / "features", pairs.lazy(), served).collect()
    scores = model.predict(rows, FeatureFolder.open(tmp_path / "features").past(), "pairs")["score"]
    assert len(scores) == users.height and np.isfinite(scores).all()
