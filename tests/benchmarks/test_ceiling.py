"""Ceilings of the order within a user's day: what other users say, never the user's own rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.watchtime.ceiling import CONTEXT_ALONE, ORACLE, SHRINKAGE, ceilings, of_others, scores
from benchmarks.watchtime.nights import Night
from tasks.evaluate.metrics.grouped import xgauc
from tasks.evaluate.metrics.groups import encode_groups


def test_an_effect_is_the_shrunk_mean_of_the_other_users_rows() -> None:
    draw = np.random.default_rng(0)
    user, video, label = draw.integers(0, 20, 200), draw.integers(0, 15, 200), draw.normal(3, 1, 200)
    found = of_others(label, encode_groups(user), encode_groups(video))
    for row in range(200):
        others = (video == video[row]) & (user != user[row])
        expected = (label[others] - label.mean()).sum() / (others.sum() + SHRINKAGE)
        assert found[row] == pytest.approx(expected, abs=1e-12)


def test_nothing_of_a_rows_own_label_reaches_its_score() -> None:
    """Labels are noise; the duration tells every video, so that its mean and one without the row could be compared."""
    draw = np.random.default_rng(1)
    user, video, watch = draw.integers(0, 300, 6000), draw.integers(0, 100, 6000), draw.integers(0, 60_000, 6000)
    columns = {"user_id": user, "video_id": video, "author_id": video // 2, "tag": (video // 10).astype(str)}
    context = {
        "scene": draw.integers(0, 2, 6000),
        "duration_ms": 60_000 + 1000 * video,
        "hour": draw.integers(0, 24, 6000),
    }
    frame = pl.DataFrame({**columns, **context, "watch_ms": watch})
    fit_B = np.arange(6000) < 4000
    for score_J in scores(frame, fit_B, ~fit_B, threads=1).values():
        assert xgauc(watch[~fit_B] / 1000, score_J, encode_groups(user[~fit_B])).value == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_items_known_from_the_judge_day_order_a_users_day_better_than_context(tmp_path: Path) -> None:
    testbed = Night.of(tmp_path, seed=0, number=0, quick=True).testbed
    table = ceilings(testbed)
    oracle, context = (table.numbers[name]["xgauc"]["value"] for name in (ORACLE, CONTEXT_ALONE))
    assert 0.5 < context < oracle
    assert [row[0] for row in table.rows] == [ORACLE, CONTEXT_ALONE]
    assert not any(testbed.scratch.rglob("manifest.json"))
