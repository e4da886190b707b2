import numpy as np
import polars as pl
import pytest

from tasks.core.errors import ContractError
from tasks.core.predictions import bound_metadata
from tasks.evaluate.table import PredictionError, PredictionTable, require_same_rows


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_predictions_that_are_not_finite_name_model_column_and_rows(write_table, table, bad):
    frame = table()
    scores = frame["score_s0"].to_list()
    scores[7] = scores[11] = bad
    path = write_table("d2q", frame.with_columns(score_s0=pl.Series(scores, dtype=pl.Float64)))
    opened = PredictionTable.read("d2q", [path])
    with pytest.raises(PredictionError, match=r"'d2q': score_s0 is NaN or infinite in 2 of 3000 rows \(rows 7, 11;"):
        opened.score(0)


@pytest.mark.parametrize(
    "column", ["y_s", "scene", "is_new_video", "exposure_probability", "watch_mean_s0", "long_view"]
)
def test_a_missing_column_is_named(write_table, table, column):
    path = write_table("model", table().drop(column))
    with pytest.raises(ContractError, match=rf"model: .*judge\.parquet lacks the column\(s\) {column}"):
        PredictionTable.read("model", [path])


def test_no_prediction_no_row_no_file(write_table, table, tmp_path):
    bare = table().select(pl.exclude("^.*_s0$"))
    with pytest.raises(ContractError, match="no prediction column such as score_s0"):
        PredictionTable.read("bare", [write_table("bare", bare)])
    with pytest.raises(ContractError, match="hold no row"):
        PredictionTable.read("empty", [write_table("empty", table().clear())])
    with pytest.raises(ContractError, match="predict the day first"):
        PredictionTable.read("none", [tmp_path / "none.parquet"])


def test_predicted_seconds_are_clipped_to_the_duration(write_table, table):
    frame = table().with_columns(watch_mean_s0=pl.lit(1e6), watch_median_s0=pl.lit(-5.0))
    opened = PredictionTable.read("model", [write_table("model", frame)])
    np.testing.assert_array_equal(opened.watch_mean(0), frame["duration_ms"].to_numpy() / 1000)
    assert (opened.watch_median(0) == 0).all()


def test_predicted_seconds_are_not_clipped_where_the_label_counts_replays(write_table, table):
    frame = table().with_columns(
        y_s=2 * pl.col("duration_ms") / 1000, watch_mean_s0=pl.lit(1e6), watch_median_s0=pl.lit(-5.0)
    )
    path = write_table("model", frame)
    frame.write_parquet(path, metadata=bound_metadata(False))
    opened = PredictionTable.read("model", [path])
    assert (opened.watch_mean(0) == 1e6).all()
    assert (opened.watch_median(0) == 0).all()


@pytest.mark.parametrize("replays", [0, 1])
def test_where_seconds_end_is_what_the_file_says_whatever_its_labels_are(write_table, table, replays):
    """One replay among the rows moves no clip, and none takes it away."""
    plain = table().with_columns(watch_mean_s0=pl.lit(1e6))
    frame = plain.with_columns(y_s=pl.when(pl.int_range(pl.len()) < replays).then(500.0).otherwise("y_s"))
    path = write_table("model", frame)
    frame.write_parquet(path, metadata=bound_metadata(False))
    assert (PredictionTable.read("model", [path]).watch_mean(0) == 1e6).all()
    frame.write_parquet(path, metadata=bound_metadata(True))
    bounded = PredictionTable.read("model", [path])
    if replays:
        with pytest.raises(
            PredictionError, match=r"1 labels exceed the duration \(first in row 0\).*predict the day again"
        ):
            bounded.watch_mean(0)
    else:
        np.testing.assert_array_equal(bounded.watch_mean(0), frame["duration_ms"].to_numpy() / 1000)


def test_days_with_different_labels_are_not_one_table(write_table, table):
    paths = [write_table("first", table()), write_table("second", table())]
    table().write_parquet(paths[1], metadata=bound_metadata(False))
    with pytest.raises(
        PredictionError, match=r"hold different labels \(.*truncate_watch True; .*truncate_watch False\)"
    ):
        PredictionTable.read("model", paths)
    table().write_parquet(paths[1], metadata={"truncate_watch": "perhaps"})
    with pytest.raises(ContractError, match="truncate_watch 'perhaps', not true or false"):
        PredictionTable.read("model", paths)


def test_tasks_and_seeds_are_those_of_every_file(write_table, table):
    first = write_table("first", table(seeds=2))
    second = write_table("second", table(seeds=2, seed=1).drop("p_like_s1"))
    opened = PredictionTable.read("model", [first, second])
    assert (opened.seeds, opened.tasks, len(opened)) == ((0, 1), ("skip", "long_view"), 6000)
    with pytest.raises(PredictionError, match="different seeds"):
        PredictionTable.read("model", [first, write_table("third", table(seeds=1))])


def test_a_null_label_is_an_error(write_table, table):
    frame = table().with_columns(long_view=pl.when(pl.int_range(pl.len()) > 1).then("long_view"))
    opened = PredictionTable.read("model", [write_table("model", frame)])
    with pytest.raises(ContractError, match="label long_view is null in 2 rows"):
        opened.label("long_view")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.head(100), "3000 against 100 rows"),
        (lambda frame: frame.reverse(), "column user_id differs"),
        (lambda frame: frame.with_columns(like=1 - pl.col("like")), "column like differs in 3000 rows"),
        (lambda frame: frame.with_columns(y_s=pl.when(pl.col("video_id") >= 0).then("y_s") + 1), "column y_s differs"),
    ],
)
def test_other_rows_cannot_be_compared(write_table, table, change, message):
    ours = PredictionTable.read("ours", [write_table("ours", table())])
    theirs = PredictionTable.read("theirs", [write_table("theirs", change(table()))])
    with pytest.raises(PredictionError, match=rf"'ours' and 'theirs' cannot be compared: .*{message}"):
        require_same_rows(ours, theirs)
