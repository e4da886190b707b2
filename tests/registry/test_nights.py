"""Gate and registry over several nights: what one night records is what a later night pools."""

from pathlib import Path
from typing import Any

import polars as pl

from tasks.gate.inputs import Contender, GateInputs, JudgeDay
from tasks.gate.tables import pool
from tasks.registry import checkout_champion, read_checkout


def write_table(path: Path, seeds: int = 3) -> None:
    outputs = ("score", "watch_mean", "watch_median")
    pl.DataFrame({f"{output}_s{seed}": [0.1] for output in outputs for seed in range(seeds)}).write_parquet(path)


def test_an_upgrade_pools_the_nights_both_recipes_were_judged_on(
    nights: Any, of_night: Any, decision: Any, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        as_of = of_night(number)
        champion = nights.registry.champion_for(as_of)
        night = nights.artifacts(as_of, champion is not None)
        for table in (*night.predictions.values(), *([night.champion_predictions] if champion else [])):
            write_table(table)
        nights.registry.register(night, decision(as_of, None if champion else "a", champion))
    tonight = of_night(4)
    champion, evidence = nights.registry.champion_for(tonight), nights.registry.evidence_for(tonight)
    checkout_champion(nights.registry.path, champion, evidence, tmp_path / "champion")
    checkout = read_checkout(tmp_path / "champion")
    for name in ("a", "b", "champion"):
        write_table(tmp_path / f"{name}.parquet")
    standing = checkout.contender(tmp_path / "champion.parquet")
    assert standing is not None
    challengers = tuple(Contender(name, f"recipe-{name}", tmp_path / f"{name}.parquet") for name in ("a", "b"))
    inputs = GateInputs(JudgeDay(tonight, challengers, standing), evidence=checkout.evidence)
    pooled = pool(inputs, challengers[1], standing, nights=7)
    assert len(evidence) == 3
    assert pooled.nights == 3  # night 1 had no champion
    assert [path.name for path in pooled.candidate] == ["challenger-b.parquet", "challenger-b.parquet", "b.parquet"]
    assert [path.name for path in pooled.champion] == ["champion.parquet"] * 3
    assert pool(inputs, challengers[1], standing, nights=2).nights == 2
