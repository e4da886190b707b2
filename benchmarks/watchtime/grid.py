"""Every watch-time head on every trunk, with published or default settings: nothing here was tuned."""

from typing import Any

from models.heads import HEADS
from models.recipe import Recipe

HEAD_OPTIONS: dict[str, dict[str, Any]] = {"d2q": {"groups": 10}, "res_d2q": {"groups": 10}}
"""Options that the reference table states; all others are defaults of the heads."""
LOSS_TASKS: dict[str, Any] = {"skip": {}, "valid_play": {}, "long_view": {}, "like": {}}
"""Learned beside watch time on the trunks that share; every loss is unit-free and weighs 1."""
TRUNKS: dict[str, dict[str, Any]] = {
    "alone": {"kind": "shared_bottom"},
    "shared_bottom": {"kind": "shared_bottom"},
    "mmoe": {"kind": "mmoe"},
    "ple": {"kind": "ple", "own_experts": 1, "shared_experts": 1, "hidden": [64, 64]},
}
"""`alone`: watch time only, which is the setting of the reference table. PLE has about as many parameters as MMoE here: at
the defaults of both it has four times as many."""
TITLES = {
    "alone": "One head, watch time only",
    "shared_bottom": "Shared bottom, with skip, valid play, long view and like",
    "mmoe": "MMoE, same tasks",
    "ple": "PLE of the size of the MMoE, same tasks",
}


def heads() -> list[str]:
    """Return the heads of the grid, in the order of the registry."""
    return list(HEADS)


def recipe_of(head: str, trunk: str, /, **parts: Any) -> Recipe:
    """Return one cell of the grid.

    Args:
        head: kind.
        trunk: key of `TRUNKS`.
        parts: further parts of the recipe, or others in their place.
    """
    tasks = {"watch_time": {}} if trunk == "alone" else {"watch_time": {}, **LOSS_TASKS}
    chosen = {"head": {"kind": head, **HEAD_OPTIONS.get(head, {})}, "trunk": TRUNKS[trunk], "tasks": tasks}
    return Recipe.model_validate(chosen | parts)
