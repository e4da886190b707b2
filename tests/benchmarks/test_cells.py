"""Cells of the debiasing tables, by hand."""

import numpy as np

from benchmarks.parts.cells import mean_sd, mean_se, spread


def test_a_mean_comes_with_its_spread() -> None:
    assert mean_sd([1.0, 2.0, 3.0], 2) == "2.00 ± 1.00"
    assert mean_sd(np.array([0.5, 0.5])) == "0.5000 ± 0.0000"


def test_a_difference_has_a_sign_and_a_standard_error() -> None:
    assert mean_se([1.0, 2.0, 3.0, 4.0]) == "+2.5000 ± 0.6455"
    assert mean_se([-1.0, -1.0]) == "-1.0000 ± 0.0000"


def test_one_run_has_no_spread() -> None:
    assert mean_sd([0.25], 2) == "0.25 ± nan"
    assert mean_se([0.25]) == "+0.2500 ± nan"


def test_both_numbers_are_printed_alike() -> None:
    assert spread(0.5, 0.25, "{:.1%}".format) == "50.0% ± 25.0%"
    assert spread(0.5, None, "{:.1%}".format) == "50.0%"
