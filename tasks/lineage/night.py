"""Tell the lineage of a night: of an archived one, or of the one that failed last in this workspace."""

import datetime as dt
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from tasks.config import load_params
from tasks.core.document import read_optional
from tasks.core.errors import ConfigError
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey, load_run_key
from tasks.core.timings import FAILED, StageSpan, spans
from tasks.core.yaml_file import read_yaml
from tasks.night.calendar import Failure
from tasks.report.operations import FILE, Operations

_NAMESPACE = "dwell"


def tell_night(
    workspace: Workspace, source: str, as_of: dt.date, out: Path | None = None, archive: Path | None = None
) -> Path:
    """Write the events of a night, and send them to whom the environment names.

    Args:
        workspace: where it ran.
        source: its source.
        as_of: it.
        out: file to write; None: the night's own.
        archive: where it is archived; None: where nights that count are, or nowhere, if it failed.

    Returns:
        The file.

    Raises:
        ConfigError: if the client of OpenLineage is not installed, the night is not known, or when its stages ran is not.
        MachineError: if the receiver did not take all events; the file is written then.
    """
    if importlib.util.find_spec("openlineage") is None:
        raise ConfigError("lineage needs the client of OpenLineage: install the extra, pip install 'dwell[lineage]'")
    from tasks.lineage.columns import NightColumns
    from tasks.lineage.deliver import Receiver, write_events
    from tasks.lineage.events import NightRun, night_events
    from tasks.lineage.graph import NightGraph

    place, key, ran, failure = _recorded(workspace, source, as_of, archive)
    lock, well = place / "dvc.lock", [stage for stage, span in ran.items() if span.outcome != FAILED]
    run = NightRun(
        key,
        ran,
        NightGraph.read(lock, key.data).of(well),
        NightColumns(workspace, load_params(workspace.params).validation.rows),
        NightGraph.read(workspace.root / "dvc.lock", key.data),
        _descriptions(workspace.root / "dvc.yaml"),
        failure,
    )
    events = night_events(run, os.environ.get("OPENLINEAGE_NAMESPACE", _NAMESPACE))
    path = write_events(out or workspace.lineage(source, as_of), events)
    if receiver := Receiver.named():
        receiver.send(events)
    return path


def _recorded(
    workspace: Workspace, source: str, as_of: dt.date, archive: Path | None
) -> tuple[Path, RunKey, Mapping[str, StageSpan], str | None]:
    """Return where a night's lock file lies, its key, when its stages ran, and why it failed, if it did."""
    failed = read_optional(workspace.failure(source, as_of), Failure, "that failed")
    if failed is not None and workspace.run_key.exists():
        key, ran = load_run_key(workspace.run_key), spans(workspace)
        if (key.source, key.as_of) == (source, as_of) and ran:
            return workspace.root, key, ran, failed.reason
    archive = archive or workspace.night(source, as_of)
    operations = read_optional(archive / FILE, Operations, "publish")
    if operations is None:
        raise ConfigError(f"night {as_of} of {source} is not archived here: `dwell calendar` shows those that are")
    if not operations.spans:
        raise ConfigError(
            f"{archive / FILE} does not say when the stages of night {as_of} ran: an earlier version archived it, or no flow ran it"
        )
    return archive, load_run_key(archive / "run.yaml"), operations.spans, None


def _descriptions(graph: Path) -> dict[str, str]:
    stages = read_yaml(graph).value["stages"]
    return {name: stage["desc"] for name, stage in stages.items() if "desc" in stage}
