"""Nights made by hand: decisions with artifacts to register, small enough to damage byte by byte."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.gate.config import GatePolicy
from tasks.gate.decision import ChallengerVerdict, Check, Decision
from tasks.registry import Registry
from tasks.registry.entry import Provenance
from tasks.registry.ledger import Event
from tasks.registry.record import NightArtifacts


def day(number: int) -> dt.date:
    """Return a night: day(1), day(2) ... follow each other."""
    return dt.date(2022, 5, 1) + dt.timedelta(days=number - 1)


def decide(
    as_of: dt.date,
    winner: str | None,
    champion: str | None,
    names: Sequence[str] = ("a", "b"),
    reason: str = "so it is",
) -> Decision:
    """Return a decision that promotes `winner`, or nobody."""
    check = Check(name="xauc_margin", status="passed", reason="fine")
    verdicts = tuple(
        ChallengerVerdict(
            name=name,
            recipe_hash=f"recipe-{name}",
            rule="first",
            passed=name == winner,
            reason="fine",
            validation_xauc=0.6,
            checks=(check,),
        )
        for name in names
    )
    return Decision(
        as_of=as_of,
        verdict="promote" if winner else "keep" if champion else "refuse",
        kind=("refresh" if champion else "first") if winner else ("keep" if champion else None),
        winner=winner,
        winner_recipe_hash=f"recipe-{winner}" if winner else None,
        champion=champion,
        champion_recipe_hash="recipe-a" if champion else None,
        evidence=(),
        expectations_passed=True,
        reason=reason,
        challengers=verdicts,
        policy=GatePolicy(),
    )


@dataclass
class Nights:
    """A registry and the artifacts of nights to put into it."""

    root: Path

    @property
    def registry(self) -> Registry:
        return Registry(self.root / "registry")

    def artifacts(self, as_of: dt.date, champion: bool = True, names: Sequence[str] = ("a", "b")) -> NightArtifacts:
        folder = self.root / "artifacts" / as_of.isoformat()
        for name in names:
            (folder / name / "seed=0").mkdir(parents=True, exist_ok=True)
            (folder / name / "manifest.json").write_text(f'{{"recipe": "{name}"}}')
            (folder / name / "seed=0/weights.safetensors").write_text(f"weights of {name}, {as_of}")
        for name in (*names, "champion"):
            (folder / f"{name}.parquet").write_text(f"judge table of {name}, {as_of}")
        return NightArtifacts(
            source="simulator",
            bundles={name: folder / name for name in names},
            predictions={name: folder / f"{name}.parquet" for name in names},
            champion_predictions=folder / "champion.parquet" if champion else None,
            provenance=Provenance(data="d", code="c", config="k"),
            metrics={name: {"xauc": 0.67} for name in names},
        )

    def run(self, number: int, winner: str | None = None, rewrite: bool = False, **changes: Any) -> Event:
        """Register night `number` against the champion the registry names for it."""
        as_of = day(number)
        champion = self.registry.champion_for(as_of)
        night = self.artifacts(as_of, champion is not None)
        return self.registry.register(night, decide(as_of, winner, champion, **changes), rewrite)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


@pytest.fixture
def of_night() -> Callable[[int], dt.date]:
    return day


@pytest.fixture
def decision() -> Callable[..., Decision]:
    return decide
