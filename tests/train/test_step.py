"""What is kept of steps until somebody looks."""

import pytest
import torch

from tasks.train.step import NotFiniteError, StepRecord

NAN, INF = float("nan"), float("inf")


def record(*steps: list[float]) -> StepRecord:
    found = StepRecord(("watch_time", "skip"), "cpu")
    for losses_and_norm in steps:
        found.add(torch.tensor(losses_and_norm, dtype=torch.float64))
    return found


def test_the_first_step_that_is_not_finite_is_named_with_its_tasks() -> None:
    broken = record([1.0, 2.0, 0.5], [1.0, NAN, NAN], [NAN, NAN, NAN])
    with pytest.raises(NotFiniteError, match=r"the loss is not finite: \{'skip': nan\}") as caught:
        broken.look(done=13)
    assert caught.value.step == 12


def test_a_gradient_that_is_not_finite_is_told_from_a_loss() -> None:
    with pytest.raises(
        NotFiniteError, match=r"the gradient is not finite; losses \{'watch_time': 1\.0, 'skip': 2\.0\}"
    ):
        record([1.0, 2.0, INF]).look(done=1)


def test_losses_are_summed_and_what_was_seen_is_not_looked_at_again() -> None:
    found = record([1.0, 2.0, 0.5], [0.25, 1.0, 0.5])
    found.look(done=2)
    assert found.sums.tolist() == [1.25, 3.0]
    found.add(torch.tensor([1.0, NAN, 0.5], dtype=torch.float64))
    with pytest.raises(NotFiniteError) as caught:
        found.look(done=3)
    assert caught.value.step == 3
    found.look(done=3)
