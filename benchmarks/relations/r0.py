"""Protocol R0 with and without relation features: what they give where hardly a pair is known."""

from pathlib import Path

from benchmarks.parts.part import Options, Table
from benchmarks.relations.arms import ABOUT, RelationRun, density, differences, table
from tasks.features.config import FeatureGroup, default_groups
from tasks.protocol.config import Protocol, load_protocol

FILE = Path(__file__).resolve().parents[1] / "kuairand_trees" / "protocol.yaml"
_RECENCY = ("last_seen", "last_watched", "last_skipped", "seen_before", "watched_before", "adjacent")
_ABOUT = "Days and fits of benchmarks/kuairand_trees; features of all judge days stand as before the first of them."
PAIRS = {
    f"user_{key}": FeatureGroup(keys=("user_id", f"{key}_id"), recency=_RECENCY, prior_strength=3.0)
    for key in ("author", "video")
}


def run(options: Options) -> list[Table]:
    """Fit the trees of `benchmarks/kuairand_trees` on the night's features, and on these and the pairs'."""
    protocol = _protocol(options)
    tried = RelationRun(protocol, options.scratch, options.data / "KuaiRand-Pure")
    (tables,) = tried.measured(("without", "with")).values()
    found = {"trees": differences(tables, protocol.params.evaluation)}
    notes = [density(tried.features, protocol.days.judge), _ABOUT, ABOUT]
    return [table("KuaiRand-Pure, protocol R0", found, notes)]


def _protocol(options: Options) -> Protocol:
    protocol = load_protocol(FILE)
    params = protocol.params
    features = params.features.model_copy(update={"groups": default_groups() | PAIRS})
    training = params.training.model_copy(update={"seeds": tuple(options.seeds)})
    return protocol.model_copy(
        update={"params": params.model_copy(update={"features": features, "training": training})}
    )
