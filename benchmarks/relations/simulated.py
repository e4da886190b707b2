"""Worlds in which users have something for or against authors that only their common past tells, and one in which not."""

from pathlib import Path

from benchmarks.parts.part import Options, Table
from benchmarks.parts.protocol import protocol_of
from benchmarks.relations.arms import ABOUT, ARMS, PERMUTED, RelationRun, density, differences, table

FILE = Path(__file__).resolve().parent / "simulated.yaml"
WORLDS = {"planted": (0.8, tuple(ARMS)), "nothing planted": (0.0, ("without", "with"))}
"""World -> strength of a user's own taste for an author, in standard deviations of the latent noise; arms."""
_QUICK = {
    "sources": {"simulator": {"impressions_per_day": 600, "users": 60, "new_users_per_day": 2, "videos": 80, "new_videos_per_day": 4}},
    "training": {"max_epochs": 1, "batch_size": 256},
    "evaluation": {"replicates": 100},
    "recipes": {"trees": {"fits": 1, "max_rounds": 20}},
}  # fmt: skip
_QUICK_DAYS = {"fit": ["2026-01-08", "2026-01-09"], "validation": "2026-01-10", "judge": ["2026-01-11"]}


def run(options: Options) -> list[Table]:
    """Fit every arm in every world."""
    tables = []
    for name, (strength, arms) in list(WORLDS.items())[: 1 if options.quick else None]:
        world = {"sources": {"simulator": {"strengths": {"relation": strength}}}}
        protocol = protocol_of(FILE, options, _QUICK, world, quick_days=_QUICK_DAYS)
        tried = RelationRun(protocol, options.scratch / name.replace(" ", "_"))
        found = {recipe: differences(of, protocol.params.evaluation) for recipe, of in tried.measured(arms).items()}
        title = f"{name.capitalize()}: users' own taste for authors, {strength:g} s.d. on preference"
        tables.append(table(title, found, [density(tried.features, protocol.days.judge), ABOUT, PERMUTED]))
    return tables
