"""The headline of `metrics.json` as a flat table, for those who keep or print a few numbers of a model."""

from tasks.core.document import existing
from tasks.core.files import read_json
from tasks.core.layout import METRICS_FILE, Workspace
from tasks.evaluate.catalogue import SUMMARY, SUMMARY_INTERVALS


def summary(workspace: Workspace, name: str) -> dict[str, float]:
    """Return rows, users, the headline metrics of one model and the ends of their intervals; undefined ones are left out.

    Only these keys are read of the document, so that who keeps numbers needs no more of the code than that.

    Raises:
        MissingArtifact: if the model has not been measured.
    """
    document = read_json(existing(workspace.predictions(name) / METRICS_FILE, f"that evaluates {name}"))
    chosen = {metric: document["metrics"][metric] for metric in SUMMARY if metric in document["metrics"]}
    flat = {"rows": document["rows"], "users": document["users"]}
    flat |= {metric: estimate["value"] for metric, estimate in chosen.items()}
    for metric in SUMMARY_INTERVALS:
        if metric in chosen:
            flat |= {f"{metric}_low": chosen[metric]["low"], f"{metric}_high": chosen[metric]["high"]}
    return {metric: value for metric, value in flat.items() if value is not None}
