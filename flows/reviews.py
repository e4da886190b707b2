"""The reviews of a week by kind: what each reads of a night, and how what it found would stand in params.yaml. Only wiring."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from flows.prune import recipe_entries
from flows.tune import default_recipe
from tasks.config import FILE, Params, check_params
from tasks.core.errors import ConfigError
from tasks.core.files import json_text
from tasks.core.yaml_edit import Entry, with_entries
from tasks.ingest import first_day
from tasks.stages import Night
from tasks.train.recipe_types import is_trees
from tasks.tune.result import put
from tasks.weekly.config import CodesReview, PruneReview, ScalingReview, WidthsReview
from tasks.weekly.proposal import Finding, Proposal, wanted, write_proposal

_PAYS, _PAYS_NOT = "proposed", "nothing to propose"


def review_prune(night: Night, config: PruneReview) -> Finding:
    """Search the fields that a recipe can do without; propose it without them unless fresh fits are surely worse."""
    from tasks.prune.run import prune

    params = night.params
    pruned = prune(night.workspace, default_recipe(params, _recipe(params, config.recipe)), params.tuning, config.most)
    says, name = pruned.headline(), pruned.pruned_name
    if pruned.gain is None or pruned.gain.difference.high < 0:
        return Finding((*says, _PAYS_NOT), pruned.to_csv())
    without = f"{_PAYS}: {name}, which is {pruned.name} without {', '.join(pruned.found.dropped)}, as a challenger"
    return Finding((*says, without), pruned.to_csv(), _challenger(params, pruned.name, name, pruned.block))


def review_scaling(night: Night, config: ScalingReview) -> Finding:
    """Forecast what twice the fit days, or twice the width, would save; propose it where it pays."""
    from tasks.table.candidate_log import CandidateLog
    from tasks.weekly.scaling import WIDTH, Ladder, scaling

    params, workspace = night.params, night.workspace
    recipe = default_recipe(params, _recipe(params, config.recipe))
    candidates = CandidateLog.of(workspace.raw)
    ladder = Ladder(recipe, config, workspace.features, workspace.table, night.days, workspace.scratch, candidates)
    found = scaling(ladder, params.evaluation)
    says, twice = found.says(), 2 * ladder.largest
    if not found.pays:
        return Finding((*says, f"{_PAYS_NOT}: {config.worth:.1%} of the loss is asked for"), found.to_csv())
    if config.axis == "width":
        name, block = f"{recipe.name}_wide", deepcopy(dict(recipe.spelled))
        put(block, recipe.recipe.model_dump(mode="json"), WIDTH.split("."), twice)
        entries = _challenger(params, recipe.name, name, block)
        return Finding((*says, f"{_PAYS}: {name}, with {WIDTH} {twice}, as a challenger"), found.to_csv(), entries)
    begins = first_day(workspace.raw)
    held = (night.days.fit[-1] - begins).days + 1
    if held < twice:
        return Finding(
            (*says, f"{_PAYS_NOT}: the log begins on {begins} and has {held} days to fit on"), found.to_csv()
        )
    entries = (Entry(("window", "fit_days"), twice),)
    return Finding((*says, f"{_PAYS}: window.fit_days {twice}"), found.to_csv(), entries)


def review_codes(night: Night, config: CodesReview) -> Finding:
    """Compare the codebooks in use with new ones on recent videos; propose new ones where those are out of date."""
    from tasks.table.source import FeatureFolder
    from tasks.table.training_table import TrainingTable
    from tasks.weekly.codes import codes_on_recent_videos

    table, features = TrainingTable.open(night.workspace.table), FeatureFolder.open(night.workspace.features)
    found = codes_on_recent_videos(table, features, config, night.params.evaluation)
    if not found.out_of_date:
        return Finding((*found.says(), _PAYS_NOT), found.to_csv())
    entries = (Entry(("table", "items", "until"), found.until.isoformat()),)
    return Finding((*found.says(), f"{_PAYS}: table.items.until {found.until}"), found.to_csv(), entries)


def review_widths(night: Night, config: WidthsReview) -> Finding:
    """Search which numbers of embeddings rows use by how often they are read; propose the recipe with those alone where it pays."""
    from tasks.table.candidate_log import CandidateLog
    from tasks.weekly.widths import FILE as WIDTHS
    from tasks.weekly.widths import NightFolders, widths

    params, workspace = night.params, night.workspace
    recipe = default_recipe(params, _recipe(params, config.recipe))
    candidates = CandidateLog.of(workspace.raw)
    folders = NightFolders(workspace.features, workspace.table, night.days, workspace.scratch, candidates)
    found = widths(recipe, config, params.tuning, folders)
    says, files = found.says(), {WIDTHS: json_text(found.file.as_json())}
    if not found.pays:
        why = "it must beat as many numbers kept by magnitude, and not be worse than the recipe as it is"
        return Finding((*says, f"{_PAYS_NOT}: {why}"), found.to_csv(), files=files)
    name, block = f"{recipe.name}_narrow", deepcopy(dict(recipe.spelled))
    kept = {field: one.model_dump(mode="json") for field, one in found.widths.items()}
    put(block, recipe.recipe.model_dump(mode="json"), ["encoder", "widths"], kept)
    without = f"{_PAYS}: {name}, with {found.file.dropped:.1%} fewer numbers in grouped rows, as a challenger"
    return Finding((*says, without), found.to_csv(), _challenger(params, recipe.name, name, block), files)


REVIEWS: dict[str, Callable[[Night, Any], Finding]] = {
    "prune": review_prune,
    "scaling": review_scaling,
    "codes": review_codes,
    "widths": review_widths,
}
"""`kind` -> review."""


def run_review(name: str, night: Night) -> Proposal:
    """Run one review and write what it found below `proposals`; params.yaml and registry stay as they are.

    Args:
        name: below `weekly` in params.yaml.
        night: what is looked at.

    Raises:
        ConfigError: if what it proposes would not be valid.
        DwellError: as the review says.
    """
    workspace, key, config = night.workspace, night.key, night.params.weekly[name]
    finding = REVIEWS[config.kind](night, config)
    text = workspace.params.read_text(encoding="utf-8")
    check_params(workspace.params, with_entries(text, finding.entries))
    proposal = Proposal(
        name=name,
        kind=config.kind,
        source=key.source,
        as_of=key.as_of,
        says=finding.says,
        entries=wanted(finding.entries),
    )
    write_proposal(workspace.proposal(key.source, key.as_of, name), text, proposal, finding)
    return proposal


def _recipe(params: Params, name: str | None) -> str:
    """Return the recipe that a review names, or the first network of a night.

    Raises:
        ConfigError: if a night has none.
    """
    networks = [one for one in params.nightly.recipes if not is_trees(params.recipes[one])]
    if name is None and not networks:
        raise ConfigError(f"{FILE}: nightly.recipes has no network to review: name a recipe in the review")
    return name or networks[0]


def _challenger(params: Params, name: str, new: str, block: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Return the entries that add a recipe found from another one, and have every night judge it."""
    judged = tuple(dict.fromkeys((*params.nightly.recipes, new)))
    return (*recipe_entries(params, name, new, block), Entry(("nightly", "recipes"), list(judged)))
