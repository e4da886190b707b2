"""Negative transfer: tasks that a recipe learns worse than its twin, the same recipe with fewer tasks."""

from collections.abc import Iterator
from dataclasses import dataclass

from models.recipe import Recipe
from tasks.report.inputs import Artifacts

MOST = 0.005
"""AUC, or XAUC of watch time, that a task may lose to its neighbours."""


@dataclass(frozen=True)
class Loss:
    """A task that fares better with fewer neighbours.

    Attributes:
        recipe: learns more tasks.
        twin: learns fewer, and is the same otherwise.
        task: learned by both.
        metric: name in `metrics.json`.
        value: of the recipe.
        alone: of the twin.
    """

    recipe: str
    twin: str
    task: str
    metric: str
    value: float
    alone: float


def losses(artifacts: Artifacts) -> Iterator[Loss]:
    """Yield what the night's recipes lose to twins among them by more than `MOST`.

    Source: docs/methods/multi_task.md#negative-transfer.
    """
    recipes = {bundle.name: bundle.manifest.recipe for bundle in artifacts.recipes}
    for name, recipe in recipes.items():
        for twin, smaller in recipes.items():
            if not _is_twin(smaller, recipe):
                continue
            for task in smaller.tasks:
                metric = "xauc" if task == "watch_time" else f"auc_{task}"
                both, alone = (_value(artifacts, model, metric) for model in (name, twin))
                if both is not None and alone is not None and both < alone - MOST:
                    yield Loss(name, twin, task, metric, both, alone)


def _value(artifacts: Artifacts, model: str, metric: str) -> float | None:
    found = artifacts.model(model).metric(metric)
    return None if found is None else found.value


def _is_twin(smaller: Recipe, recipe: Recipe) -> bool:
    """Say whether a recipe differs from another in that it learns fewer tasks, and balances them in its own way."""
    alike = smaller.model_copy(update={"tasks": recipe.tasks, "balance": recipe.balance})
    return alike == recipe and smaller.tasks.keys() < recipe.tasks.keys()
