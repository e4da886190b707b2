"""What leads where: the menu, in the order in which a newcomer meets things."""

from collections.abc import Iterable
from typing import Any

from manual.tree import SHOWN, below

_FIRST: list[dict[str, Any]] = [
    {"Home": "index.md"},
    {"First night": ["first_night.md", "docs/three_tasks.md", "examples/README.md", "tour.md"]},
    {"Your data": ["use_your_data.md", "docs/your_data.md"]},
    {
        "Your model": [
            "change_a_model.md",
            "docs/extending.md",
            "docs/features.md",
            "docs/candidates.md",
            "docs/tuning.md",
            "docs/serving.md",
        ]
    },
    {"Your schedule": ["schedule_it.md", "infra/README.md", "docs/security.md", "docs/standards.md"]},
    {"Your cluster": ["scale_it.md", "docs/cluster.md", "benchmarks/scale/results.md"]},
    {"Questions": ["docs/faq.md", "messages.md"]},
    {"Concepts": ["docs/architecture.md", "CONTRIBUTING.md", "CHANGELOG.md"]},
]
_LAST: list[dict[str, Any]] = [
    {"Reference": ["commands.md", "keys.md", "recipe_keys.md", "contract.md"]},
    {"What was measured": ["docs/watch_time.md", "docs/debias.md", "docs/sequence.md", "pictures.md"]},
]


def navigation(places: Iterable[str]) -> list[dict[str, Any]]:
    """Return the menu as mkdocs takes it: every page of the site once, but for those that show files."""
    pages = sorted(place for place in places if not place.startswith(f"{SHOWN}/"))
    menu = [*_FIRST, {"Methods": below(pages, "docs/methods")}, *_LAST]
    named = {page for entry in menu for pages_of in entry.values() for page in _listed(pages_of)}
    return [*menu, {"Benchmarks": [page for page in below(pages, "benchmarks") if page not in named]}]


def _listed(pages: str | list[str]) -> list[str]:
    return [pages] if isinstance(pages, str) else pages
