"""Protocols can be read, and name recipes that there are."""

from pathlib import Path

import pytest

from tasks.protocol.config import load_protocol

PROTOCOLS = sorted((Path(__file__).resolve().parents[2] / "benchmarks").glob("*/protocol.yaml"))


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.parent.name)
def test_it_can_be_read_and_its_recipes_exist(path: Path) -> None:
    protocol = load_protocol(path)
    assert protocol.baselines_on in protocol.variants
    for variant in protocol.variants.values():
        assert variant.recipes
        for name in variant.recipes:
            protocol.params.recipe(name)
            protocol.params.training_of(name)
    days = protocol.days.days(protocol.params.window.lookback_days)
    assert days.fit[-1] < days.validation < days.judge[0]
    assert path.parent.name in protocol.command or "make" in protocol.command
