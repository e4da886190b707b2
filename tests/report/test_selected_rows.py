"""What the page says of rows that steps read."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tasks.report.inputs import Artifacts
from tasks.report.sections.training import training
from tasks.report.view import Text
from tasks.table.selection.summary import SelectionSummary
from tests.report.reading import flat, words

FOUND = SelectionSummary(
    kind="rare", unit="row", pool=4_000, kept=1_000, units=4_000, kept_units=1_000, effective=612.3, largest_weight=20.0,
    pool_watch_s=12.0, weighted_watch_s=12.3, error_s=0.2,
)  # fmt: skip


def section_of(read: Mapping[str, Artifacts], found: SelectionSummary | None) -> list[Text]:
    artifacts = read["first"]
    bundles = [
        replace(bundle, manifest=bundle.manifest.model_copy(update={"selection": found}))
        for bundle in artifacts.bundles
    ]
    section = training(replace(artifacts, bundles=bundles))
    return [block for block in flat(section) if isinstance(block, Text) and "Steps read" in block.text]


@pytest.mark.parametrize(("mean_s", "tone"), [(12.3, "plain"), (12.5, "warn")])
def test_the_page_says_what_steps_read_and_warns_where_weights_miss_a_known_mean(
    mean_s: float, tone: str, read: Mapping[str, Artifacts]
) -> None:
    (said,) = section_of(read, FOUND.model_copy(update={"weighted_watch_s": mean_s}))
    assert (
        "Steps read 1,000 of 4,000 fit rows (25.0\N{NO-BREAK SPACE}%), drawn by 'rare' (1,000 of 4,000 rows)"
        in said.text
    )
    assert "as good as 612 rows drawn alike, largest weight 20.0" in said.text
    assert (
        f"is {mean_s:.2f}\N{NO-BREAK SPACE}s ± 0.20\N{NO-BREAK SPACE}s, of all rows 12.00\N{NO-BREAK SPACE}s"
        in said.text
    )
    assert said.tone == tone
    assert (tone == "warn") == ("further apart than 1.96 standard errors" in said.text)


def test_a_night_on_all_rows_says_nothing(read: Mapping[str, Artifacts]) -> None:
    assert section_of(read, None) == []
    assert "Steps read" not in words(training(read["first"]))
