"""Gather what a night leaves in its workspace for the registry."""

from tasks.attribution.document import read_importance
from tasks.core.document import read_optional
from tasks.core.errors import RegistryError
from tasks.core.files import hash_file, hash_value
from tasks.core.layout import METRICS_FILE, Workspace
from tasks.core.manifest import product_hash
from tasks.evaluate.summary import summary
from tasks.gate.decision import Decision
from tasks.registry.entry import Provenance
from tasks.registry.forecast import FILE as FORECAST_FILE
from tasks.registry.forecast import NightForecast
from tasks.registry.record import NightArtifacts


def gather(workspace: Workspace, source: str, decision: Decision) -> NightArtifacts:
    """Return a night's artifacts as they lie in its workspace.

    Args:
        workspace: where the stages have run.
        source: name of the source.
        decision: the night's decision, which names the challengers.

    Raises:
        RegistryError: if params.yaml or the features are missing.
    """
    names = [verdict.name for verdict in decision.challengers]
    read = {name: read_importance(workspace.predictions(name), name) for name in names}
    return NightArtifacts(
        source=source,
        bundles={name: workspace.challenger(name) for name in names},
        predictions={name: workspace.judge_table(name) for name in names},
        champion_predictions=workspace.judge_table("champion") if decision.champion else None,
        provenance=provenance(workspace),
        metrics={
            name: summary(workspace, name) for name in names if (workspace.predictions(name) / METRICS_FILE).exists()
        },
        forecast=read_optional(workspace.forecast / FORECAST_FILE, NightForecast, "forecast"),
        field_ranks={name: found.ranks for name, found in read.items() if found is not None},
    )


def provenance(workspace: Workspace) -> Provenance:
    """Return content hashes of the data, the code and the configuration of a night.

    Data are named by the manifests of the feature partitions, which hold the hashes of all that they were made from.

    Raises:
        RegistryError: if there are none.
    """
    manifests = sorted(workspace.features.rglob("manifest.json"))
    if not manifests or not workspace.params.exists():
        raise RegistryError(f"{workspace.root.resolve()} holds no features or no params.yaml: run the night first")
    data = {path.relative_to(workspace.features).as_posix(): hash_file(path) for path in manifests}
    return Provenance(data=hash_value(data), code=product_hash(), config=hash_file(workspace.params))
