"""Bins that grow in a real fit: a split moves no prediction, its moments come from the parent, a killed fit grows on."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.heads.growing_bins import MOST, GrowingBins
from models.ranker import Ranker
from models.recipe import WATCH_TIME, Recipe
from tasks.table.training_table import TrainingTable
from tasks.train.fit import SeedFit
from tasks.train.growth import Growth
from tasks.train.optimizers import Optimizers
from tasks.train.problem import FitProblem, open_problem
from tests.train.settings import RECIPE, training
from tests.traps.twins import tells_apart

OVER = 10
HEADS = {
    "ordinal": {"kind": "ordinal", "progressive_steps": OVER, "thresholds": MOST},
    "cread": {"kind": "cread", "progressive_steps": OVER, "thresholds": MOST},
    "tpm": {"kind": "tpm", "progressive_steps": OVER, "depth": 7},
}
FURTHER = {"kind": "tpm", "progressive_steps": OVER, "depth": 7}
CONFIG = training(max_epochs=2, checkpoint_steps=3)


def problem_of(table: Path, head: str, **parts: object) -> FitProblem:
    recipe = Recipe.model_validate(RECIPE.model_dump() | {"head": HEADS[head], "tasks": {"watch_time": {}}} | parts)
    return open_problem(TrainingTable.open(table), recipe)


class Steps:
    """Steps of a ranker, with what `Growth` does after each left to the caller."""

    def __init__(self, problem: FitProblem) -> None:
        torch.manual_seed(0)
        self.ranker: Ranker = problem.ranker()
        self.optimizers = Optimizers(self.ranker, CONFIG)
        self._batches = problem.fit.impressions.epoch(CONFIG.batch_size, CONFIG.shard_rows, 0, 0)
        self.batch = next(self._batches)

    def take(self) -> None:
        self.ranker.train()
        batch = next(self._batches)
        self.optimizers.prepare(batch)
        torch.stack(list(self.ranker.losses(batch).values())).sum().backward()
        self.optimizers.step()

    def seconds(self) -> Tensor:
        self.optimizers.catch_up()
        mean_B = self.ranker.eval().predict(self.batch).mean_B
        assert mean_B is not None
        return mean_B

    @property
    def bins(self) -> GrowingBins:
        (found,) = (module for module in self.ranker.head.modules() if isinstance(module, GrowingBins))
        return found

    @property
    def moments(self) -> dict[str, Tensor]:
        return self.optimizers._dense.state[self.ranker.towers[WATCH_TIME].output.weight]


@pytest.mark.parametrize("head", HEADS)
def test_a_split_moves_no_prediction_and_takes_after_its_parent(head: str, table: Path) -> None:
    steps = Steps(problem_of(table, head))
    growth, splits = Growth(steps.ranker, steps.optimizers), 0

    def forgetful() -> None:
        steps.bins.advance()

    for number in range(OVER + 1):
        steps.take()
        before, level = steps.seconds(), int(steps.bins.reached)
        kept = {name: value.clone() for name, value in (*steps.ranker.state_dict().items(), *steps.moments.items())}

        def check(grow: Callable[[], None], before: Tensor = before, kept: dict[str, Tensor] = kept) -> None:
            steps.ranker.load_state_dict({name: kept[name] for name in steps.ranker.state_dict()})
            for name, value in steps.moments.items():
                value.copy_(kept[name])
            grow()
            assert (steps.seconds() - before).abs().max() < 1e-4
            begun = torch.nonzero(steps.bins.level_O == steps.bins.reached)[:, 0]
            parents = steps.bins.parent_O[begun]
            assert torch.equal(steps.moments["exp_avg_sq"][begun], kept["exp_avg_sq"][parents])
            assert (kept["exp_avg_sq"][parents] > 0).any(dim=1).all()
            assert not steps.moments["exp_avg"][begun].any()

        if (number + 1) % (OVER // 5) == 0 and level < 4:
            splits += 1
            tells_apart(check, growth, forgetful)
            check(growth)
        else:
            growth()
    assert splits == 4


@pytest.mark.slow
def test_a_killed_fit_grows_on_from_where_it_was(table: Path, tmp_path: Path) -> None:
    problem = problem_of(table, "cread", further_heads={"tree": {"head": FURTHER}})

    def begun(name: str) -> SeedFit:
        return SeedFit(problem, 0, CONFIG, tmp_path / name)

    def finished(fit: SeedFit) -> SeedFit:
        while not fit.stopping.exhausted:
            fit.epoch()
        return fit

    whole, killed = finished(begun("whole")), begun("killed")
    killed.epoch()
    again = begun("killed")
    again.resume()
    finished(again)
    assert again.curves == whole.curves
    grown = [module for module in again.ranker.modules() if isinstance(module, GrowingBins)]
    assert [int(bins.reached) for bins in grown] == [4, 4] and int(grown[0].taken) == int(grown[1].taken) > OVER
    weights = whole.result().weights
    assert all(torch.equal(again.result().weights[name], value) for name, value in weights.items())


def test_a_recipe_without_such_bins_holds_none(table: Path) -> None:
    ranker = open_problem(TrainingTable.open(table), RECIPE).ranker()
    assert not any(isinstance(module, GrowingBins) for module in ranker.modules())
    Growth(ranker, Optimizers(ranker, CONFIG))()
