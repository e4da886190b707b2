from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pairs import experiment
from benchmarks.pairs.coat import read_coat
from benchmarks.pairs.config import PairMethod
from benchmarks.pairs.data import PairData
from benchmarks.pairs.experiment import Experiment
from benchmarks.pairs.propensity import fit_propensity

SHORT = PairMethod.model_validate({"training": {"max_epochs": 3}, "propensity": "constant"})


def test_finished_fits_are_not_fitted_again(small: PairData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Experiment(small, (0, 1), tmp_path).chosen(SHORT, ())

    def refuse(*arguments: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(experiment, "fit_pairs", refuse)
    again = Experiment(small, (0, 1), tmp_path).chosen(SHORT, ())
    for a, b in zip(first.fits, again.fits, strict=True):
        assert np.array_equal(a.score_UI, b.score_UI)
        assert (a.criterion, a.epochs, a.diagnostics) == (b.criterion, b.epochs, b.diagnostics)


def test_the_decay_with_the_lowest_criterion_on_its_walk_is_taken(small: PairData, tmp_path: Path) -> None:
    chosen = Experiment(small, (0, 1, 2), tmp_path).chosen(SHORT, (1e-4, 1e-3, 1e-2, 1e-1))
    assert chosen.method.training.decay == min(chosen.criteria, key=lambda decay: chosen.criteria[decay])
    assert 2 <= len(chosen.criteria) <= 4
    assert len(chosen.fits) == 3


def test_the_walk_stops_at_the_first_rise() -> None:
    seen: list[float] = []

    def criterion(value: float) -> float:
        seen.append(value)
        return abs(value - 3)

    assert experiment._descend([1, 2, 3, 4, 5], 1, criterion) == 2
    assert 5 not in seen


@pytest.mark.slow
def test_logistic_propensities_have_the_exposure_rate_of_each_item(small: PairData) -> None:
    propensity_UI = fit_propensity(small, "logistic")
    count_I = np.bincount(small.train.item_B, minlength=small.num_items)
    assert propensity_UI.mean() == pytest.approx(len(small.train) / small.num_pairs, abs=0.01)
    assert np.corrcoef(propensity_UI.mean(axis=0), count_I)[0, 1] > 0.95
    assert fit_propensity(small, "constant").std() == 0
    assert fit_propensity(small, "popularity").max() == 1
    with pytest.raises(ValueError, match="came without propensities"):
        fit_propensity(small, "given")


def test_coats_own_propensities_are_those_of_the_specification(shared_data: Callable[[str], Path]) -> None:
    data = read_coat(shared_data("coat"))
    given_UI = fit_propensity(data, "given")
    inverse_B = 1 / given_UI[data.train.user_B, data.train.item_B]
    assert given_UI.sum() == pytest.approx(6961.6, abs=0.05)
    assert inverse_B.sum() / data.num_pairs == pytest.approx(1.040, abs=5e-4)
    assert inverse_B.max() == pytest.approx(245, abs=0.5)
    assert inverse_B.sum() ** 2 / (inverse_B**2).sum() == pytest.approx(2211, abs=0.5)
