"""Numbers that objectives learn beside the ranker, a correlation for one, and what in the data could identify them."""

from collections.abc import Sequence

from tasks.train.correlation import correlations
from tasks.train.fit import Fitted
from tasks.train.learned_numbers import IdentificationSources, LearnedNumbers
from tasks.train.problem import FitProblem


def learned(problem: FitProblem, fits: Sequence[Fitted], serving: Fitted) -> LearnedNumbers | None:
    """Return what objectives learned beside the ranker; None where the recipe's objective learns no such number.

    Args:
        problem: recipe and data.
        fits: every seed.
        serving: the seed that serves.
    """
    seeds = {fitted.seed: _numbers(problem, fitted) for fitted in fits}
    if not any(seeds.values()):
        return None
    random = problem.table.column(problem.table.stepped, "random")
    random_rows = 0 if problem.recipe.selection.kind == "click" else int(random.sum())
    return LearnedNumbers(
        seeds=seeds,
        sources=IdentificationSources(random_rows=random_rows, exposure_only=problem.recipe.set_apart),
        validation=correlations(problem, serving),
    )


def _numbers(problem: FitProblem, fitted: Fitted) -> dict[str, float]:
    ranker = problem.fitted_ranker(fitted.weights)
    return {
        f"{task}/{name}": float(value)
        for task in ranker.trained_tasks
        for name, value in ranker.objectives[task].diagnostics().items()
    }
