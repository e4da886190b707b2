"""Which recipes several processes can fit together: those whose gradient of a batch is the mean of the gradients of its parts."""

from models.balance import BALANCES
from models.objectives import OBJECTIVES
from models.ranking import RANKINGS
from models.recipe import Recipe
from models.trunks import TRUNKS
from tasks.core.errors import ConfigError


def undivided(recipe: Recipe) -> list[str]:
    """Return the parts of a recipe that need all rows of a batch in one process, each as `part 'kind'`.

    A process that takes a part of a batch would learn from another loss than that of the batch: running means and weights
    of a batch would be those of a part, and so would the tasks' gradients that a balance rule compares.
    """
    chosen = (
        ("objective", OBJECTIVES[recipe.objective.kind], recipe.objective),
        ("balance", BALANCES[recipe.balance.kind], recipe.balance),
        ("ranking", RANKINGS[recipe.ranking.kind], recipe.ranking),
        ("trunk", TRUNKS[recipe.trunk.kind], recipe.trunk),
    )
    found = [f"{part} {config.kind!r}" for part, component, config in chosen if not component.divisible]
    if recipe.groups_rows:
        found.append("encoder.widths")
    if recipe.selection.kind != "impression":
        found.append(f"selection {recipe.selection.kind!r}")
    return found


def refuse_undivided(name: str, recipe: Recipe, processes: int) -> None:
    """Refuse to fit by several processes what only one can.

    Args:
        name: of the recipe.
        recipe: it.
        processes: that would fit it.

    Raises:
        ConfigError: if there is more than one, and a part of the recipe needs all rows of a batch; the message names it.
    """
    if processes > 1 and (found := undivided(recipe)):
        raise ConfigError(message(name, found, processes))


def message(name: str, parts: list[str], processes: int) -> str:
    """Return the message about parts that `undivided` returned."""
    return (
        f"recipe {name!r} cannot be fitted by {processes} processes: {', '.join(parts)} need(s) all rows of a batch in one; "
        "set training.processes: 1 or choose another"
    )
