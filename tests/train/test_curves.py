"""Curves read back as they were measured."""

from pathlib import Path

import pytest

from tasks.core.errors import ContractError
from tasks.train.curves import read_curves, write_curves


def test_epochs_are_read_as_they_were_written(tmp_path: Path) -> None:
    loss = {"train_watch_time": 1 / 3, "validation_xauc": 0.1 + 0.2, "gradient_cosine_skip": -5e-324}
    write_curves(
        tmp_path / "curves.csv", [{"seed": 10, "epoch": number, "best": number == 1, **loss} for number in (1, 2)]
    )
    first, second = read_curves(tmp_path / "curves.csv", "train@d2q")
    assert (first.seed, first.epoch, first.best, first.measured) == (10, 1, True, loss)
    assert (second.seed, second.epoch, second.best, second.measured) == (10, 2, False, loss)


def test_a_value_that_is_no_number_is_named(tmp_path: Path) -> None:
    (tmp_path / "curves.csv").write_text("seed,epoch,best,train_skip\n0,1,True,\n")
    with pytest.raises(ContractError, match=r"curves\.csv .* train@d2q .* train_skip: .*unable to parse"):
        read_curves(tmp_path / "curves.csv", "train@d2q")
