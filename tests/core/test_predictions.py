"""Names of prediction columns: what is written is what is read."""

import pytest

from tasks.core.predictions import PredictionColumn, column, prediction_columns, probability, task_of


@pytest.mark.parametrize(
    "output", ["score", "watch_mean", "watch_median", probability("long_view"), probability("a_s1")]
)
@pytest.mark.parametrize("seed", [0, 17])
def test_a_column_is_read_as_it_was_named(output: str, seed: int) -> None:
    name = column(output, seed)
    assert prediction_columns([name]) == (PredictionColumn(name, output, seed),)


def test_other_columns_are_none() -> None:
    assert (
        prediction_columns(["score", "y_s", "watch_ms", "score_s", "p_s1", "score_s1x", "rank_s0", "watch_mean_s-1"])
        == ()
    )


def test_the_order_of_the_table_is_kept() -> None:
    names = ["user_id", "score_s1", "p_skip_s0", "day", "score_s0"]
    assert [found.name for found in prediction_columns(names)] == ["score_s1", "p_skip_s0", "score_s0"]


def test_only_probabilities_have_a_task() -> None:
    assert [task_of(output) for output in ("score", "watch_mean", "p_profile_enter")] == [None, None, "profile_enter"]
