"""`dwell traits` by params.yaml: which recipe is ablated, and what the night's source declares."""

from collections.abc import Iterator

from flows.tune import default_recipe
from tasks.config import load_params
from tasks.core.files import read_json
from tasks.core.layout import Workspace
from tasks.core.traits import declared
from tasks.retention.traits import holding_values
from tasks.traits.ablation import Ablation
from tasks.traits.ablation import ablate as compare


def ablate(workspace: Workspace, name: str) -> Ablation:
    """Say what the sensitive attributes that one recipe reads are worth.

    Args:
        workspace: with params.yaml and the features and table of a night.
        name: of the recipe.

    Raises:
        ConfigError: if there is no such recipe, or `tasks.traits.ablation.ablate` says so; its other errors are the same.
    """
    params = load_params(workspace.params)
    return compare(workspace, default_recipe(params, name), params.tuning)


def lines(workspace: Workspace) -> Iterator[str]:
    """Yield what the night in the workspace may read of its users, and where values of earlier nights still lie."""
    source = workspace.raw / "source.json"
    about = read_json(source) if source.is_file() else {}
    traits = declared(about)
    if traits:
        count = about["trait_users"]
        yield f"{count['used']:,} of {count['asked']:,} users have values that may be used:"
    for name, trait in traits.items():
        yield f"  {name} (sensitive {trait['kind']}): for {trait['purpose']}, {trait['retention_days']:,} days"
    if not traits:
        yield "the night in the workspace reads no sensitive attribute"
    yield from (str(held) for held in holding_values(workspace))
