"""A night that is run and not published: what some models would have come to, and nothing here is changed by it.

It runs in a copy of the workspace that has the workspace's own cache of DVC. So its stages make the bytes a published night
makes, take from that cache what any night has made, and a night published later takes what they made.
"""

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tasks.config import FILE, Params, load_params
from tasks.core.errors import ConfigError
from tasks.core.files import remove, writing
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.core.temporaries import scratch_folder
from tasks.core.yaml_config import nearest
from tasks.core.yaml_edit import with_entry
from tasks.gate.decision import load_decision, write_decision
from tasks.night.lock import holding
from tasks.night.publish import Outcome, headline, operations_of
from tasks.night.sandbox import begin_repository, check_out, copy_code, run_in
from tasks.report import FILE as REPORT_FILE
from tasks.report import archive_report

PREDICTIONS = "predictions"
"""Folder of a kept trial with what `artifacts/predictions` held."""
KEPT = ("run.yaml", FILE, "dvc.lock")
"""Files kept beside it: what was tried, and what its outputs in DVC's cache are called."""


def chosen(params: Params, models: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the recipes and the ensembles that a trial judges; the members of an ensemble are judged with it.

    Args:
        params: the configuration.
        models: names of recipes and ensembles; none: those of `nightly`.

    Raises:
        ConfigError: one line per name that is neither.
    """
    if not models:
        return params.nightly.recipes, params.nightly.ensembles
    known = (*params.recipes, *params.ensembles)
    unknown = [name for name in models if name not in known]
    if unknown:
        raise ConfigError(
            "\n".join(f"{FILE}: no recipe or ensemble {name!r}{nearest(name, known)}" for name in unknown)
        )
    ensembles = tuple(dict.fromkeys(name for name in models if name in params.ensembles))
    members = (member for name in ensembles for member in params.ensembles[name].members)
    recipes = (name for name in models if name in params.recipes)
    return tuple(dict.fromkeys((*recipes, *members))), ensembles


@contextlib.contextmanager
def trial_workspace(workspace: Workspace, models: Sequence[str], data: Path | None = None) -> Iterator[Workspace]:
    """Yield a copy of a workspace that judges some models, held by this process; it is removed at the end.

    Args:
        workspace: whose copy is made; the caller holds it.
        models: as for `chosen`.
        data: path that the source is read from, instead of the one in params.yaml.

    Raises:
        ConfigError: as `chosen`, or if params.yaml is wrong.
        NightError: if the copy cannot be set up.
    """
    recipes, ensembles = chosen(load_params(workspace.params), models)
    place = Workspace(scratch_folder(workspace.scratch, "trial"))
    try:
        copy_code(workspace, place.root, data)
        text = place.params.read_text(encoding="utf-8")
        for block, names in (("recipes", recipes), ("ensembles", ensembles)):
            text = with_entry(text, ("nightly", block), list(names))
        place.params.write_text(text, encoding="utf-8")
        (place.root / "registry").symlink_to(workspace.root.resolve() / "registry")
        begin_repository(place.root)
        _share_cache(workspace, place)
        check_out(place.root)
        with holding(place, "dwell nightly --no-publish"):
            yield place
    finally:
        remove(place.root)


def _share_cache(workspace: Workspace, place: Workspace) -> None:
    dvc = [sys.executable, "-m", "dvc", "cache", "dir"]
    cache = run_in(workspace.root, dvc, "DVC cannot say where the cache lies of").strip()
    run_in(place.root, [*dvc, "--local", cache], "DVC cannot be given a cache in")


def keep_trial(workspace: Workspace, place: Workspace, key: RunKey, stages: Mapping[str, str]) -> Outcome:
    """Keep what a trial came to, beside what earlier trials of the night predicted, and say it.

    Args:
        workspace: whose trial it was.
        place: where its stages have run.
        key: the night.
        stages: stage -> ran, unchanged or restored.
    """
    decision, target = load_decision(place.gate), workspace.trial(key.source, key.as_of)
    with writing(target) as folder:
        folder.mkdir()
        for predictions in (target / PREDICTIONS, place.all_predictions):
            if predictions.is_dir():
                shutil.copytree(predictions, folder / PREDICTIONS, dirs_exist_ok=True)
        for name in KEPT:
            shutil.copy(place.root / name, folder / name)
        write_decision(folder, decision)
        archive_report(place, operations_of(place, stages), folder / REPORT_FILE)
    challengers, standing = (load_params(one.params).nightly.challengers for one in (place, workspace))
    further = [name for name in challengers if name not in standing]
    how = f"name {', '.join(further)} below `nightly` in {FILE}" if further else "run it without --no-publish"
    return Outcome(
        key.as_of,
        key.source,
        decision,
        headline(place, challengers),
        target / REPORT_FILE,
        f"nothing was published: ledger, registry, nights and champion are as they were; {how} to have it decide",
        published=False,
    )
