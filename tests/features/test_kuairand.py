"""The features of real days: the official KuaiRand-Pure log, adapted and not yet cleaned."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.core.layout import partition
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig
from tasks.ingest import ingest
from tasks.ingest.config import KuaiRandConfig

pytestmark = pytest.mark.slow


def _april(day: int) -> dt.date:
    return dt.date(2022, 4, day)


def test_real_days_give_complete_features(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    days = Days((_april(25), _april(26)), _april(27), (_april(28),), lookback=7)
    ingest(KuaiRandConfig(path=str(shared_data("KuaiRand-Pure"))), days, tmp_path / "raw")
    result = build_features(tmp_path / "raw", FeatureConfig(), days, tmp_path / "features", NoCluster())
    assert sum(result.rows.values()) > 50_000
    for day in days.modelled:
        rows = pl.read_parquet(partition(result.folder / "rows", day))
        late = rows.filter(pl.col("event_day") < day)
        # logged in the hour after midnight; the state of the day before is theirs
        assert 50 < late.height < 500
        assert late["state_day"].equals(late["event_day"].alias("state_day"))
        assert rows.select(pl.all_horizontal(pl.col(pl.Float32).is_finite().all())).item()
    last = pl.read_parquet(partition(result.folder / "rows", days.judge[0]))
    # on 28 April most users of the log were seen since the 25th, and its 15 scenes differ widely
    assert 0.1 < last["is_new_user"].mean() < 0.4
    by_scene = dict(last.group_by("scene").agg(pl.col("scene_decayed_long_view").mean()).iter_rows())
    assert by_scene[1] > 3 * by_scene[0]
