import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.core.errors import ContractError, SourceError
from tasks.core.files import read_json
from tasks.features.build import build_features
from tasks.features.candidates import candidates, columns_of_rows, on_older_state
from tasks.features.config import FeatureConfig, FeatureGroup
from tasks.features.schema import CONTEXT_DENSE

CONFIG = FeatureConfig(
    groups={"user": FeatureGroup(keys=("user_id",)), "video": FeatureGroup(keys=("video_id",))}, hour="logged"
)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory, validated: Path, days: Days) -> Path:
    return build_features(validated, CONFIG, days, tmp_path_factory.mktemp("features"), NoCluster()).folder


def _pairs() -> pl.LazyFrame:
    pairs = {
        "user_id": [3, 77, 3],
        "video_id": [4, 5, 888],
        "scene": [1, 1, 2],
        "event_time_ms": [1_709_950_000_000] * 3,
    }
    return pl.LazyFrame(pairs, schema_overrides={"scene": pl.Int16}).with_columns(rank=pl.int_range(3))


@pytest.mark.slow
def test_any_pair_gets_every_feature_on_the_served_day(features: Path, days: Days) -> None:
    served = candidates(features, _pairs(), days.serve).collect()
    schema = read_json(features / "schema.json")
    assert served.select("user_id", "video_id", "rank").rows() == [(3, 4, 0), (77, 5, 1), (3, 888, 2)]
    wanted = {*schema["dense"], *(column["name"] for column in schema["categorical"])}
    assert wanted <= set(served.columns)
    assert served["context_country"].null_count() == 3, "context that nobody named is unknown"
    assert served["is_new_user"].to_list() == [0, 1, 0]
    assert served["is_new_video"].to_list() == [0, 0, 1]
    assert served.select(pl.all_horizontal(pl.col(*schema["dense"]).is_finite().all())).item()
    # the catalogue's duration; a video it does not know has none
    assert served["duration_ms"].to_list() == [13_000, 14_000, None]
    assert served["duration_bucket"].to_list()[2] == 0
    assert served.select(CONTEXT_DENSE).null_count().sum_horizontal().item() == 0


@pytest.mark.slow
def test_the_join_streams(features: Path, days: Days) -> None:
    plan = candidates(features, _pairs(), days.serve).show_graph(
        engine="streaming", plan_stage="physical", raw_output=True
    )
    assert plan is not None and "in-memory-map" not in plan


def test_a_day_without_state_is_named(features: Path, days: Days) -> None:
    with pytest.raises(
        SourceError, match=r"holds no state for 2024-03-01: run the features stage \(it has .*2024-03-09\)"
    ):
        candidates(features, _pairs(), days.read[0])


def test_a_missing_column_is_named(features: Path, days: Days) -> None:
    with pytest.raises(ContractError, match="candidates lack scene"):
        candidates(features, _pairs().drop("scene"), days.serve)


@pytest.mark.slow
def test_rows_on_an_older_state_are_what_the_join_of_the_morning_before_gives(features: Path, days: Days) -> None:
    """A day of rows whose features are a day older; the rows themselves, and their order, stay."""
    rows = pl.read_parquet(sorted((features / "rows").rglob("*.parquet"))[-1], hive_partitioning=False)
    raw = rows.select(columns_of_rows(rows.columns))
    older = on_older_state(features, raw)
    kept = [name for name in raw.columns if name != "state_day"]
    assert older.select(kept).equals(rows.select(kept))
    assert (older["state_day"] == rows["state_day"] - dt.timedelta(days=1)).all()
    parts = [
        candidates(features, part.drop("state_day").lazy(), day - dt.timedelta(days=1)).collect()
        for (day,), part in raw.group_by("state_day", maintain_order=True)
    ]
    assert older.equals(pl.concat(parts))
    dense = read_json(features / "schema.json")["dense"]
    same = pl.concat(
        [
            candidates(features, part.drop("state_day").lazy(), day).collect()
            for (day,), part in raw.group_by("state_day", maintain_order=True)
        ]
    )
    assert same.select(dense).equals(rows.select(dense)), "on their own state rows have the features they have"
    assert not older.select(dense).equals(rows.select(dense))
