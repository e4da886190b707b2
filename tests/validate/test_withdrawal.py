"""A user withdraws: from the next night on no file of it holds a value of that user, and rows say that nothing is known."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup
from tasks.ingest.stage import ingest
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.validate.config import ValidationConfig
from tasks.validate.stage import validate
from tests.ingest.foreign import FIRST, log, source

pytestmark = pytest.mark.slow

DAY = dt.timedelta(days=1)
NEVER, WITHDRAWS = 3, 5
AGREED_MS = 1_700_000_000_000
VALIDATION = ValidationConfig.model_validate({"tables": {"min_rows": 1, "freshness_hours": 24}})
FEATURES = FeatureConfig(
    groups={name: FeatureGroup(keys=(f"{name}_id",), statistics=("ratio",)) for name in ("user", "video")},
    history_length=2,
)


def score_of(user: int) -> float:
    return 0.5 + 7.25 * user


def traits(withdrawn: int | None = None) -> pl.DataFrame:
    """Return what people said, in words and numbers that nothing else holds; who withdraws is still in it with both."""
    users = list(range(7))
    return pl.DataFrame(
        {
            "uid": users,
            "agrees": [int(user not in (NEVER, withdrawn)) for user in users],
            "since": [AGREED_MS if user != withdrawn else AGREED_MS + 1 for user in users],
            "asked": [AGREED_MS] * 7,
            "band": [f"only_{user}" for user in users],
            "score": [score_of(user) for user in users],
        }
    )


def config(folder: Path) -> Any:
    columns = {"user_id": "uid", "consent": "agrees", "consent_time_ms": "since", "recorded_time_ms": "asked"}
    declared = {
        "band": {"kind": "category", "purpose": "a test", "retention_days": 3000, "least_users": 1},
        "score": {"kind": "number", "purpose": "a test", "retention_days": 3000},
    }
    return source(folder, traits={"files": "people.csv", "columns": columns, "traits": declared})


def night(place: Path, as_of: dt.date) -> Path:
    """Run what a night does until its table, over what earlier nights left; return the table's folder."""
    days = Days.of_night(as_of, fit_days=2, lookback=1)
    ingest(config(place / "log"), days, place / "raw")
    validate(place / "raw", VALIDATION, days, place / "validated")
    build_features(place / "validated", FEATURES, days, place / "features", NoCluster())
    build_table(place / "features", TableConfig(traits=("band", "score")), days, place / "table")
    return place / "table"


def holders(place: Path, user: int) -> set[str]:
    """Return the files that hold a value of a user: the word, or the number, in any column of any file."""
    return {path.relative_to(place).as_posix() for path in files(place) if holds(path, user)}


def files(place: Path) -> Iterator[Path]:
    for stage in ("raw", "validated", "features", "table"):
        yield from (path for path in (place / stage).rglob("*") if path.is_file())


def holds(path: Path, user: int) -> bool:
    word, number = f"only_{user}", score_of(user)
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path, hive_partitioning=False)
        texts, numbers = (frame.select(pl.col(kind)) for kind in (pl.String, pl.Float32))
        return any((s == word).any() for s in texts) or any((s == number).any() for s in numbers)
    return word.encode() in path.read_bytes()


def test_no_file_of_the_next_night_holds_a_value(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    log(days=7).write_csv(tmp_path / "log/log.csv")
    traits().write_csv(tmp_path / "log/people.csv")
    night(tmp_path, FIRST + 5 * DAY)
    of_stages = {f"{stage}/traits.parquet" for stage in ("raw", "validated", "features")}
    levels = {"table/preprocessor/vocabularies.parquet"}
    assert holders(tmp_path, WITHDRAWS) == of_stages | levels
    assert holders(tmp_path, NEVER) == set()
    before = {path: path.read_bytes() for path in (tmp_path / "features/rows").rglob("*.parquet")}

    traits(withdrawn=WITHDRAWS).write_csv(tmp_path / "log/people.csv")
    table = TrainingTable.open(night(tmp_path, FIRST + 6 * DAY))
    assert holders(tmp_path, WITHDRAWS) == holders(tmp_path, NEVER) == set()
    assert holders(tmp_path, 4) == of_stages | levels
    kept = [path for path, content in before.items() if path.is_file() and path.read_bytes() == content]
    assert len(kept) == 3, "rows hold no trait, so a withdrawal makes none anew"

    _is_unknown_in(table, WITHDRAWS)
    others = [score_of(user) for user in range(7) if user not in (NEVER, WITHDRAWS)]
    place = table.schema.dense_names.index("score")
    assert min(others) < table.preprocessor.normalisation.mean[place] < max(others)
    rows = pl.concat(FeatureFolder.open(tmp_path / "features").chunks(FIRST + 4 * DAY, ("user_id", "score", "band")))
    told = dict(rows.drop_nulls().select("user_id", "score").iter_rows())
    assert told == {user: score_of(user) for user in range(7) if user not in (NEVER, WITHDRAWS)}


def _is_unknown_in(table: TrainingTable, user: int) -> None:
    """The rows of a user have the level "unknown", the mean of the number, and say that it is not known; others do not."""
    mine = np.array(table.column("fit", "user_id")) == user
    assert mine.any()
    band = table.preprocessor.local_codes(np.array(table.column("fit", "ids")), "band")
    assert (band[mine] == 0).all() and (band > 0).any()
    value, known = (table.schema.dense_names.index(name) for name in ("score", "score_known"))
    dense = np.array(table.column("fit", "dense"))
    assert (dense[mine, value] == 0).all()
    assert len(np.unique(dense[mine, known])) == 1 and dense[mine, known].max() < dense[:, known].max()
