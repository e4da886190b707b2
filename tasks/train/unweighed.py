"""Which recipes can learn from selected rows: those in whose loss a row of weight k counts as k rows."""

from models.objectives import OBJECTIVES
from models.ranking import RANKINGS
from models.recipe import Recipe
from models.trunks import TRUNKS


def unweighed(recipe: Recipe) -> list[str]:
    """Return the parts of a recipe that would learn something else from selected rows than from all, each as `part 'kind'`.

    A list lacks the rows that were left out, BatchNorm and penalties of a trunk or an adversary are means of the rows as they
    come, and so are the imputations, exposure models and pairs of most objectives. Observed shares of a population (click,
    candidate) are those of all rows.
    """
    chosen = (
        ("objective", OBJECTIVES[recipe.objective.kind], recipe.objective),
        ("ranking", RANKINGS[recipe.ranking.kind], recipe.ranking),
        ("trunk", TRUNKS[recipe.trunk.kind], recipe.trunk),
    )
    found = [f"{part} {config.kind!r}" for part, component, config in chosen if not component.weighs_rows]
    if recipe.adversary is not None:
        found.append("adversary")
    if recipe.selection.kind != "impression":
        found.append(f"selection {recipe.selection.kind!r}")
    return found


def message(who: str, parts: list[str]) -> str:
    """Return the message about parts of a recipe that `unweighed` returned."""
    return (
        f"{who} cannot learn from the rows that table.selection keeps: {', '.join(parts)} know(s) no weights of rows, and "
        "would learn the population of what was kept; leave out table.selection, or choose another"
    )
