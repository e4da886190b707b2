import polars as pl
import pytest

from benchmarks.sequence.protocol.feedback import NEUTRAL, POSITIVE, SKIP, feedback_log

ROWS = pl.DataFrame(
    {
        "user_id": [9, 4, 4, 4, 9, 4],
        "video_id": [70, 50, 60, 70, 50, 10],
        "event_time_ms": [20, 30, 10, 10, 10, 40],
        #            skip, positive, neutral, positive (short, finished), neutral, skip (left a 2 s video)
        "watch_ms": [2_999, 7_001, 7_000, 6_000, 3_000, 1_999],
        "duration_ms": [60_000, 60_000, 60_000, 6_000, 60_000, 2_000],
    }
)


def test_rows_are_ordered_labelled_and_coded() -> None:
    log = feedback_log(ROWS)
    assert log.user_B.tolist() == [0, 0, 0, 0, 1, 1]
    assert log.item_B.tolist() == [3, 4, 2, 1, 2, 4]  # sorted ids 10, 50, 60, 70; ties in time by video
    assert log.kind_B.tolist() == [NEUTRAL, POSITIVE, POSITIVE, SKIP, NEUTRAL, SKIP]
    assert (log.num_users, log.num_items, len(log)) == (2, 4, 6)


def test_neutral_rows_may_count_as_positives() -> None:
    log = feedback_log(ROWS, neutral="positive")
    assert log.kind_B.tolist() == [POSITIVE, POSITIVE, POSITIVE, SKIP, POSITIVE, SKIP]


def test_the_order_of_the_rows_does_not_matter() -> None:
    log, shuffled = feedback_log(ROWS), feedback_log(ROWS.sample(fraction=1, shuffle=True, seed=1))
    assert all((getattr(log, name) == getattr(shuffled, name)).all() for name in ("user_B", "item_B", "kind_B"))


def test_no_impressions_are_an_error() -> None:
    with pytest.raises(ValueError, match="no impressions"):
        feedback_log(ROWS.head(0))
