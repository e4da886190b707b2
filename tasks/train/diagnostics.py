"""Numbers that objectives learn beside the ranker, a correlation for one, and what in the data could identify them."""

from collections.abc import Sequence
from typing import Any

from tasks.train.correlation import correlations
from tasks.train.fit import Fitted
from tasks.train.problem import Problem


def learned(problem: Problem, fits: Sequence[Fitted], serving: Fitted) -> dict[str, Any] | None:
    """Return `learned.json`; None where the recipe's objective learns no such number.

    Args:
        problem: recipe and data.
        fits: every seed.
        serving: the seed that serves.

    Returns:
        seeds: seed -> `task/name` -> value after the best epoch.
        sources: what identifies a correlation of exposure and preference
            (docs/methods/debias.md#identification-of-the-correlation): `random_rows`, the fit rows exposed at random
            (none at selection `click`: such a row was not clicked at random), and `exposure_only`, the fields set
            apart.
        validation: what the validation day says about the correlations of the seed that serves, see `correlations`.
    """
    seeds = {str(fitted.seed): _numbers(problem, fitted) for fitted in fits}
    if not any(seeds.values()):
        return None
    random = problem.table.columns("fit")["random"]
    random_rows = 0 if problem.recipe.selection.kind == "click" else int(random.sum())
    return {
        "seeds": seeds,
        "sources": {"random_rows": random_rows, "exposure_only": list(problem.recipe.set_apart)},
        "validation": correlations(problem, serving),
    }


def _numbers(problem: Problem, fitted: Fitted) -> dict[str, float]:
    ranker = problem.fitted_ranker(fitted.weights)
    return {
        f"{task}/{name}": float(value)
        for task in ranker.trained_tasks
        for name, value in ranker.objectives[task].diagnostics().items()
    }
