"""Negative transfer: tasks that a recipe learns worse than its twin, the same recipe with fewer tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
    recipes = {bundle.name: bundle.manifest["recipe"] for bundle in artifacts.bundles if not bundle.members}
    for name, recipe in recipes.items():
        for twin, smaller in recipes.items():
            if not _is_twin(smaller, recipe):
                continue
            for task in smaller["tasks"]:
                metric = "xauc" if task == "watch_time" else f"auc_{task}"
                both = [artifacts.model(of).metrics["metrics"].get(metric, {}).get("value") for of in (name, twin)]
                if None not in both and both[0] < both[1] - MOST:
                    yield Loss(name, twin, task, metric, *both)


def _is_twin(smaller: Mapping[str, Any], recipe: Mapping[str, Any]) -> bool:
    """Say whether a recipe differs from another in that it learns fewer tasks, and balances them in its own way."""
    apart = ("tasks", "balance")
    same = all(smaller[part] == recipe[part] for part in recipe if part not in apart)
    return same and set(smaller["tasks"]) < set(recipe["tasks"])
