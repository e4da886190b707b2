"""Floors by hand, the machine against them, and how dwell's scores find their rows."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from benchmarks.kuairand_techjam.judge import primary
from benchmarks.kuairand_techjam.methods import METHODS, PRIOR_ROWS
from benchmarks.kuairand_techjam.network import joined
from benchmarks.kuairand_techjam.rows import TaskRows


def test_popularity_is_the_share_of_long_views_drawn_towards_the_mean(parts: Mapping[str, TaskRows]) -> None:
    scored, train = METHODS["popularity"](parts, 0), parts["train"].frame
    mean = train["long_view"].mean()
    for video, score in zip(parts["test"].frame["video_id"], scored.test_B, strict=True):
        mine = train.filter(pl.col("video_id") == video)["long_view"]
        assert score == pytest.approx((mine.sum() + PRIOR_ROWS * mean) / (len(mine) + PRIOR_ROWS), rel=1e-12)


@pytest.mark.slow
def test_every_method_scores_every_row_and_none_beats_the_oracle(parts: Mapping[str, TaskRows]) -> None:
    for name, method in METHODS.items():
        scored = method(parts, 0)
        for part in ("valid", "test"):
            reached = primary(parts[part], scored.of(part))
            assert (reached == primary(parts[part], METHODS["oracle"](parts, 0).of(part))) == (name == "oracle")


def test_repetitions_have_one_score_and_rows_set_aside_the_mean() -> None:
    frame = pl.DataFrame(
        {"user_id": [1, 2, 1, 3], "video_id": [5, 6, 5, 7], "time_ms": [9, 9, 9, 8], "long_view": [1, 0, 1, 0]}
    )
    found = pl.DataFrame({"user_id": [2, 1], "video_id": [6, 5], "event_time_ms": [9, 9], "p_long_view_s0": [0.2, 0.7]})
    scores = joined(TaskRows.of(frame), found, 0.4, [0])
    assert scores.by_seed[0].tolist() == [0.7, 0.2, 0.7, 0.4]
    assert scores.set_aside == 1
    assert np.isfinite(scores.by_seed[0]).all()
