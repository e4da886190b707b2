"""Early stopping on known sequences of criteria."""

import pytest

from models.early_stopping import EarlyStopping


def run(values: list[float], max_epochs: int, patience: int) -> EarlyStopping[str]:
    """Close epochs until the fit ends; the state kept is the name of its epoch."""
    stopping = EarlyStopping[str](max_epochs, patience)
    for number, value in enumerate(values, start=1):
        if stopping.exhausted:
            break
        stopping.improved(value, f"epoch {number}".format)
    return stopping


@pytest.mark.parametrize(
    ("values", "max_epochs", "patience", "epochs", "best", "best_epoch"),
    [
        pytest.param([3, 2, 2.5, 2.4, 1], 100, 2, 4, 2, 2, id="patience ends it"),
        pytest.param([3, 2, 2.5, 1.5, 1.6, 1.7, 0], 100, 2, 6, 1.5, 4, id="an improvement renews the patience"),
        pytest.param([3, 3, 3, 3], 100, 2, 3, 3, 1, id="a tie is no improvement"),
        pytest.param([3, 2, 1, 0], 3, 2, 3, 1, 3, id="the most epochs end it"),
        pytest.param([3, 4, 2], 100, 1, 2, 3, 1, id="patience of one"),
        pytest.param([-0.5, -0.7, -0.6], 100, 1, 3, -0.7, 2, id="a negated metric"),
    ],
)
def test_a_known_sequence_ends_where_it_must(
    values: list[float], max_epochs: int, patience: int, epochs: int, best: float, best_epoch: int
) -> None:
    stopping = run(values, max_epochs, patience)
    assert stopping.exhausted
    assert (stopping.epoch, stopping.best, stopping.best_epoch) == (epochs, best, best_epoch)
    assert stopping.kept == f"epoch {best_epoch}"


def test_the_first_epoch_counts_whatever_its_criterion() -> None:
    stopping = EarlyStopping[str](max_epochs=9, patience=2)
    assert not stopping.exhausted
    assert stopping.improved(float("inf"), lambda: "first")
    assert stopping.kept == "first"


def test_state_is_copied_only_where_an_epoch_is_the_best() -> None:
    copies: list[int] = []
    stopping = EarlyStopping[None](max_epochs=9, patience=9)
    found = [stopping.improved(value, lambda: copies.append(stopping.epoch)) for value in (3, 5, 2, 2, 1)]
    assert found == [True, False, True, False, True]
    assert copies == [1, 3, 5]


def test_a_second_fit_has_as_many_epochs_again_and_its_own_criterion() -> None:
    first = run([3.0, 1.0, 2.0, 2.0], 100, 2)
    assert first.exhausted and first.best_epoch == 2
    second = first.again()
    assert not second.exhausted and second.kept == first.kept
    assert second.improved(50.0, "worse on another scale".format)
    assert (second.epoch, second.best_epoch, second.max_epochs) == (5, 5, 104)


def test_a_fit_goes_on_where_its_checkpoint_stood() -> None:
    values = [3.0, 2.0, 2.5, 2.4]
    resumed = EarlyStopping[str](max_epochs=100, patience=2, epoch=3, best=2.0, best_epoch=2, kept="epoch 2")
    assert not resumed.improved(values[3], "epoch 4".format)
    assert resumed == run(values, 100, 2)
    assert resumed.exhausted
