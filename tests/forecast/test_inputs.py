"""Which labelled rows of earlier nights the law is learnt from: the champion's, and those of fits of its configuration."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from tasks.forecast.inputs import standing
from tasks.gate.evidence import Reign
from tasks.gate.inputs import Contender, JudgeDay
from tasks.registry import Checkout
from tasks.registry.entry import Entry, Provenance

DAY = dt.date(2026, 1, 1)
MADE = 3
"""The night that fitted the champion."""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Five nights of evidence: d2q refitted every night, the one of night 3 promoted and standing since; then seeds change."""

    def table(name: str, seeds: tuple[int, ...] = (0, 1)) -> Path:
        path = tmp_path / f"{name}.parquet"
        pl.DataFrame({f"score_s{seed}": [0.5] for seed in seeds}).write_parquet(path)
        return path

    def fit(number: int, recipe: str, seeds: tuple[int, ...] = (0, 1)) -> Contender:
        return Contender(recipe, f"hash of {recipe}", table(f"{recipe}-{number}", seeds))

    def champion(number: int) -> Contender:
        entry = "the champion" if number > MADE else "another"
        return Contender("champion", "hash of d2q", table(f"champion-{number}"), entry=entry)

    evidence = [JudgeDay(DAY, (fit(0, "wlr"),), None)]
    for number in range(1, 6):
        fits = (fit(number, "wlr"), fit(number, "d2q", (0,) if number == 1 else (0, 1)))
        evidence.append(JudgeDay(DAY + dt.timedelta(days=number), fits, champion(number) if number > 1 else None))
    entry = Entry(
        source="simulator", recipe="d2q", recipe_hash="hash of d2q", as_of=DAY + dt.timedelta(days=MADE), kind="refresh",
        forced_reason=None, decision="d", provenance=Provenance(data="d", code="c", config="k"), metrics={}, files={},
    )  # fmt: skip
    return Checkout("the champion", entry, tmp_path, tuple(evidence), Reign(), None, ())


def test_its_own_tables_since_it_was_made_and_before_that_each_nights_fit(checkout: Checkout, tmp_path: Path) -> None:
    judged = tmp_path / "champion-5.parquet"
    found = standing(checkout, judged)
    assert (found.served.recipe, found.served.made, found.judged) == ("d2q", DAY + dt.timedelta(days=MADE), judged)
    names = [path.stem for path in found.earlier]
    assert names == ["d2q-2", "d2q-3", "champion-4", "champion-5"], (
        "night 1 had another number of seeds, night 0 no fit"
    )


def test_no_champion_and_no_evidence(checkout: Checkout, tmp_path: Path) -> None:
    none = Checkout(None, None, None, checkout.evidence, Reign(), None, ())
    assert standing(none, tmp_path / "missing.parquet") is None
    cleaned = Checkout(checkout.champion, checkout.entry, tmp_path, (), Reign(), None, ())
    assert standing(cleaned, tmp_path / "champion-5.parquet").earlier == ()
