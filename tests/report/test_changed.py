"""What changed since the last night, from the tables that the night has at hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tasks.core.files import remove
from tasks.report.changes import chain_of
from tasks.report.inputs import Artifacts
from tasks.report.page import change_of
from tasks.report.sections.changed import changed
from tests.report.conftest import MadeNight
from tests.report.reading import tables, words


@pytest.mark.slow
def test_the_model_s_part_is_the_gate_s_difference_and_the_parts_are_the_change(read: dict[str, Artifacts]) -> None:
    night = read["later"]
    found = change_of(night)
    assert found is not None
    xauc = found.metrics["xauc"]
    parts = dict(xauc.parts)
    assert list(parts) == ["data", "features", "model"]
    assert sum(part.value for part in parts.values()) == pytest.approx(xauc.after.value - xauc.before.value, abs=1e-15)
    compared = night.decision.challenger("d2q").compared
    (pair,) = [pair for pair in compared if (pair.reference, pair.scope) == ("champion", "judge")]
    gate = pair.delta("xauc")
    assert gate is not None and gate.value is not None
    assert parts["model"].value == pytest.approx(gate.value, abs=1e-12)
    assert (parts["model"].low, parts["model"].high) == pytest.approx((gate.low, gate.high), rel=1e-6)
    assert parts["features"].low > 0, "made with less noise than those of the morning before"
    (section,) = changed(found)
    heads = [head.text for head in tables(section)[0].heads]
    assert heads == ["Metric", "Night 2026-01-14", "Night 2026-01-15", "Change", "Data", "Features", "Model"]


@pytest.mark.slow
def test_a_champion_that_stays_changed_nothing(read: dict[str, Artifacts], made_nights: dict[str, MadeNight]) -> None:
    night = read["later"]
    kept = night.decision.model_copy(update={"verdict": "keep", "kind": "keep", "winner": None})
    chain = chain_of(made_nights["later"].workspace, kept, night.champion)
    found = change_of(replace(night, decision=kept, chain=chain))
    assert found is not None
    part, model = found.metrics["mae"].parts[-1]
    assert (part, model.value, model.low, model.high) == ("model", 0, 0, 0)


@pytest.mark.slow
def test_without_the_table_of_the_morning_before_data_and_features_are_one_part(
    read: dict[str, Artifacts], copy_of: Callable[[str], MadeNight]
) -> None:
    copied = copy_of("later")
    remove(copied.workspace.predictions("champion") / "older_state.parquet")
    night = read["later"]
    found = change_of(replace(night, chain=chain_of(copied.workspace, night.decision, night.champion)))
    assert found is not None
    assert [part for part, _ in found.metrics["xauc"].parts] == ["data and features", "model"]
    (section,) = changed(found)
    assert "data and features are one part" in words(section)


def test_a_first_night_has_nothing_to_compare_with(read: dict[str, Artifacts]) -> None:
    assert read["first"].chain is None
    assert changed(change_of(read["first"])) == ()
