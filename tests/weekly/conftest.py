"""The small night as it stands in a workspace after its table: features with content, codes, run key and configuration."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from tasks.core.days import midnight_ms
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.stages import Night
from tasks.table.build import build_table
from tests.flows.small_night import REPOSITORY
from tests.table.small_night import DAYS, FEATURES, FIRST, TIMEZONE, VIDEOS, write_features
from tests.tune.conftest import RECIPE, TRAINING

MakeNight = Callable[..., Night]
NEWER = 60
"""Videos that are uploaded later, ten a day from the first day on, with content that moves away from that of the first ones."""
BROAD = RECIPE | {"encoder": {"kind": "packed", "embedding_dim": 8}}
ITEMS = {"kind": "rq", "levels": 1, "codewords": 4, "videos_per_codeword": 5}


@pytest.fixture(scope="session")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of a night whose catalogue grew by videos unlike the first ones."""
    night = tmp_path_factory.mktemp("drifting")
    features = write_features(night, rows_per_day=250, config=FEATURES.model_copy(update={"content": True}))
    path = features / "videos.parquet"
    videos, random = pl.read_parquet(path), np.random.default_rng(4)
    newer = videos.head(NEWER).with_columns(
        pl.col("video_id") + VIDEOS,
        upload_time_ms=pl.Series([midnight_ms(FIRST + dt.timedelta(days=i // 10), TIMEZONE) for i in range(NEWER)]),
        content_vector=pl.Series((random.normal(size=(NEWER, 3)) + 12).tolist(), dtype=pl.List(pl.Float32)),
    )
    earlier = midnight_ms(FIRST - dt.timedelta(days=1), TIMEZONE)
    pl.concat([videos.with_columns(upload_time_ms=pl.lit(earlier, pl.Int64)), newer]).write_parquet(path)
    return features


@pytest.fixture(scope="session")
def make_night(drifting: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeNight:
    """Return a function that makes a workspace whose params.yaml holds some reviews."""

    def make(weekly: dict[str, Any], items: dict[str, Any] | None = None, **blocks: Any) -> Night:
        place = Workspace(tmp_path_factory.mktemp("workspace"))
        params = {
            "default_source": "simulator",
            "sources": {"simulator": {"kind": "simulator", "start_day": "2024-02-28", "timezone": TIMEZONE}},
            "window": {"fit_days": len(DAYS.fit)},
            "nightly": {"recipes": ["small"]},
            "features": {"content": True},
            "table": {"items": ITEMS | (items or {})},
            "recipes": {"small": RECIPE, "broad": BROAD, "trees": {"kind": "trees"}},
            "training": TRAINING | {"max_epochs": 1},
            "tuning": {"confirmation_seeds": [100]},
            "evaluation": {"replicates": 100},
            "weekly": weekly,
        } | blocks
        place.params.write_text(yaml.safe_dump(params, sort_keys=False))
        key = RunKey(as_of=DAYS.judge[0], source="simulator", data="tasks/simulate")
        place.run_key.write_text(yaml.safe_dump(key.model_dump(mode="json")))
        shutil.copytree(drifting, place.features)
        place.raw.mkdir(parents=True)
        (place.raw / "source.json").write_text(json.dumps({"first_day": "2024-02-28"}))
        shutil.copy(REPOSITORY / "dvc.yaml", place.root)
        night = Night.load(place)
        build_table(place.features, night.params.table, night.days, place.table)
        return night

    return make
