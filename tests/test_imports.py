"""Which package may import which: code of one layer knows those below it and nothing above, so any can be read alone."""

from pathlib import Path

import pytest

from tasks.core.imports import imported

REPOSITORY = Path(__file__).resolve().parents[1]
ORDER = (
    "models",
    "tasks.core",
    "tasks.simulate",
    "tasks.ingest",
    "tasks.validate",
    "tasks.features",
    "tasks.table",
    "tasks.evaluate",
    "tasks.train",
    "tasks.predict",
    "tasks.attribution",
    "tasks.baselines",
    "tasks.candidates",
    "tasks.ensemble",
    "tasks.trade_off",
    "tasks.oracle",
    "tasks.score",
    "tasks.gate",
    "tasks.registry",
    "tasks.forecast",
    "tasks.report",
    "tasks.tune",
    "tasks.prune",
    "tasks.traits",
    "tasks.weekly",
    "tasks.config",
    "tasks.schema",
    "tasks.onboard",
    "tasks.protocol",
    "tasks.night",
    "tasks.lineage",
    "tasks.mlflow",
    "tasks.tensorboard",
    "tasks.cards",
    "tasks.site",
    "tasks.share",
    "tasks.compare",
    "tasks.doctor",
    "tasks.retention",
    "tasks.stages",
    "tasks.inference",
    "dwell",
    "tasks.main",
    "tasks.__main__",
    "flows",
)
"""Packages and single modules from the lowest to the highest: each may import those that stand before it."""


def layer(module: str) -> str | None:
    """Return the entry of `ORDER` that a dotted name belongs to; None for what is not of the project."""
    return next((name for name in ORDER if f"{module}.".startswith(f"{name}.")), None)


def sources(name: str) -> list[Path]:
    path = REPOSITORY.joinpath(*name.split("."))
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def test_every_module_has_its_place() -> None:
    placed = {file for name in ORDER for file in sources(name)}
    files = {file for folder in ("models", "tasks", "flows") for file in sources(folder)}
    assert files - placed == {REPOSITORY / "tasks/__init__.py"}


@pytest.mark.parametrize("name", ORDER)
def test_imports_go_down(name: str) -> None:
    below = ORDER[: ORDER.index(name) + 1]
    upward = {
        f"{file.relative_to(REPOSITORY)} imports {module}"
        for file in sources(name)
        for module in imported(file)
        if layer(module) not in (None, *below)
    }
    assert not upward
