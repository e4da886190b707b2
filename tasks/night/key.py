"""The start of a night: settle its key, write `run.yaml`, and forget models that are no challengers any more."""

import datetime as dt
from pathlib import Path

import yaml

from tasks import registry
from tasks.config import Params, load_params
from tasks.core.errors import ConfigError
from tasks.core.files import remove, write_text
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey, load_run_key
from tasks.core.yaml_config import parse
from tasks.core.yaml_file import Place
from tasks.ingest import data_path, default_as_of
from tasks.night.belonging import disown


def prepare_night(
    workspace: Workspace, as_of: dt.date | None = None, source: str | None = None, data: Path | None = None
) -> RunKey:
    """Write `run.yaml` for one night.

    Args:
        workspace: where params.yaml lies.
        as_of: night T; None takes the source's default night (its last day).
        source: name of a source of params.yaml; None takes the default one.
        data: where the source is read from, instead of the path in params.yaml.

    Raises:
        ConfigError: if anything in params.yaml is wrong, or the source has no such data.
    """
    params = load_params(workspace.params)
    name = source or params.default_source
    config = params.source_at(name, data)
    if data is not None and (reason := workspace.why_no_source(data)):
        raise ConfigError(f"the data path {reason}")
    night = as_of or default_as_of(config)
    book = registry.Registry(workspace.registry(name))
    values = {
        "as_of": night,
        "source": name,
        "data": str(data_path(config)),
        "arithmetic": params.nightly.arithmetic,
        "champion": book.champion_for(night) or "none",
        "evidence": tuple(book.evidence_for(night, params.gate.upgrade_days)),
        "ledger": book.ledger_for(night),
    }
    key = parse(RunKey, values, Place(workspace.run_key.name))
    _forget_other_models(workspace, params)
    _forget_other_data(workspace, key)
    text = "# Written by dwell: the key of one night. DVC reads it beside params.yaml.\n"
    write_text(workspace.run_key, text + yaml.safe_dump(key.model_dump(mode="json"), sort_keys=True), durable=True)
    return key


def _forget_other_data(workspace: Workspace, key: RunKey) -> None:
    """Where a source is read from another path than before, let what was made of the old one belong to no night."""
    if not workspace.run_key.exists():
        return
    try:
        before = load_run_key(workspace.run_key)
    except ConfigError:  # damaged; it is about to be replaced
        disown(workspace)
    else:
        if before.source == key.source and before.data != key.data:
            disown(workspace)


def _forget_other_models(workspace: Workspace, params: Params) -> None:
    """Remove what models that are no challengers any more left behind: a stage's dependency is a folder of all of them."""
    for folder, keep in (
        (workspace.bundle("x").parent, set(params.nightly.recipes)),
        (workspace.ensemble("x").parent, set(params.nightly.ensembles)),
        (workspace.all_proposers, set(params.nightly.proposers)),
        (workspace.all_predictions, {*params.nightly.challengers, "champion", "baselines"}),
    ):
        for path in folder.glob("*"):
            if path.name not in keep:
                remove(path)
