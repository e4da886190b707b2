"""The propensity section shows what the train stage really writes, warns where it must, and says what identifies rho."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.recipe import Recipe
from tasks.core.document import read_document
from tasks.report.fitted import FittedRecipe
from tasks.report.inputs import Artifacts
from tasks.report.sections.propensity import propensity
from tasks.report.view import Charts, Heading, Section, Text
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.training_table import TrainingTable
from tasks.train.learned_numbers import LearnedNumbers
from tasks.train.overlap import overlap
from tasks.train.overlap_summary import Overlap
from tasks.train.propensity import fit_propensity
from tests.report.conftest import MadeNight
from tests.report.reading import flat, tables, texts, words
from tests.table.small_night import DAYS, write_features

CLICK = {
    "selection": {"kind": "click"},
    "propensity": {"kind": "network", "fields": ["scene"], "steps": 100, "folds": 2, "calibration": "platt"},
}
SHOWN = {"propensity": {"kind": "logged", "clip": 0.2, "self_normalise": "running"}}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Recipe, Overlap]]:
    """Recipes, and the overlap of each as the train stage writes it and the report reads it."""
    root = tmp_path_factory.mktemp("night")
    table = root / "table"
    build_table(write_features(root), TableConfig(), DAYS, table)
    opened, found = TrainingTable.open(table), {}
    for name, choice in (("click", CLICK), ("shown", SHOWN)):
        recipe = Recipe.model_validate({"objective": {"kind": "ips"}, **choice})
        state = fit_propensity(recipe, opened)
        assert state is not None
        overlap(recipe, state, opened).write(root / f"{name}.json")
        found[name] = recipe, read_document(root / f"{name}.json", Overlap, "train")
    return found


def night(artifacts: Artifacts, recipe: Recipe | None = None, **values: Any) -> Artifacts:
    """Return a night whose first recipe left these files."""
    first, *others = artifacts.bundles
    assert isinstance(first, FittedRecipe)
    manifest = first.manifest.model_copy(update={"recipe": recipe or Recipe()})
    return replace(artifacts, bundles=(replace(first, manifest=manifest, **values), *others))


def learned_numbers(
    seeds: dict[str, Any], sources: dict[str, Any], validation: dict[str, Any] | None = None
) -> LearnedNumbers:
    return LearnedNumbers.model_validate({"seeds": seeds, "sources": sources, "validation": validation or {}})


def headings(section: Section) -> list[tuple[str, str, str]]:
    return [(block.text, block.badge, block.tone) for block in flat(section) if isinstance(block, Heading)]


def warned(section: Section) -> str:
    return " ".join(block.text for block in flat(section) if isinstance(block, Text) and block.tone == "warn")


def test_a_night_without_weights_says_so(read: dict[str, Artifacts]) -> None:
    section = propensity(read["first"])
    assert words(section).startswith("No recipe of this night weighs by propensities")
    assert not tables(section)


@pytest.mark.slow
def test_clicks_show_overlap_balance_and_calibration(read: dict[str, Artifacts], written: Mapping[str, Any]) -> None:
    recipe, found = written["click"]
    section = propensity(night(read["first"], recipe, overlap=found))
    assert "network, calibrated by Platt's curve, cross-fitted in 2 parts; clipped below 0.05." in words(section)
    summary, differences = tables(section)
    fit = found.splits.fit
    shown = {row[0]: row[1:] for row in texts(summary)}
    assert shown["Observed rows"][0] == f"{fit.observed:,}"
    assert shown["Mean o/p over the population"][0] == f"{fit.mean_inverse:.3f}"
    assert shown["Effective rows"][0] == f"{fit.weights.ess:,.0f}"
    assert shown["Calibration error (ECE)"][1] == f"{found.splits.validation.ece:.4f}"
    assert "\N{EN DASH}" not in [text for row in shown.values() for text in row]
    assert len(differences.rows) == 8
    assert "against the population, fit days" in differences.caption
    (charts,) = [block for block in flat(section) if isinstance(block, Charts)]
    assert [chart.caption.split(" of ")[0] for chart in charts.charts] == ["Weights", "Propensities"]


def test_impressions_show_dashes_where_nothing_is_known(read: dict[str, Artifacts], written: Mapping[str, Any]) -> None:
    recipe, found = written["shown"]
    section = propensity(night(read["first"], recipe, overlap=found))
    assert "logged, not calibrated; clipped below 0.2, self-normalised by a running mean." in words(section)
    summary, differences = tables(section)
    shown = {row[0]: row[1:] for row in texts(summary)}
    for name in ("Population", "Mean o/p over the population", "Calibration error (ECE)", "Balance error (BMSE)"):
        assert shown[name] == ["\N{EN DASH}"] * 2
    assert shown["Clipped"][0] == f"{100 * found.splits.fit.clipped:.1f}\N{NO-BREAK SPACE}%"
    assert "against the random rows" in differences.caption
    (charts,) = [block for block in flat(section) if isinstance(block, Charts)]
    assert len(charts.charts) == 1


def test_warnings_of_the_fit_stand_above_the_table(read: dict[str, Artifacts], written: Mapping[str, Any]) -> None:
    recipe, found = written["shown"]
    doubted = night(
        read["first"], recipe, overlap=found.model_copy(update={"warnings": ("the weights leave 3.0 % effective",)})
    )
    assert headings(propensity(doubted)) == [("d2q", "1 warning", "warn")]
    assert warned(propensity(doubted)) == "The weights leave 3.0 % effective."
    quiet = propensity(night(read["first"], recipe, overlap=found.model_copy(update={"warnings": ()})))
    assert headings(quiet) == [("d2q", "within limits", "good")] and warned(quiet) == ""


def test_nothing_to_compare_with_is_said(read: dict[str, Artifacts], written: Mapping[str, Any]) -> None:
    recipe, found = written["shown"]
    alone = found.splits.fit.model_copy(update={"balance": None, "compared_with": None})
    splits = found.splits.model_copy(update={"fit": alone})
    section = propensity(night(read["first"], recipe, overlap=found.model_copy(update={"splits": splits})))
    assert "nothing to compare the weighted rows with" in words(section)
    assert len(tables(section)) == 1


@pytest.mark.parametrize(
    ("sources", "badge", "said"),
    [
        ({"random_rows": 1200, "exposure_only": []}, "identified", "identified by 1,200 fit rows exposed at random."),
        ({"random_rows": 0, "exposure_only": ["position"]}, "identified", "moving exposure only (position)."),
        (
            {"random_rows": 0, "exposure_only": []},
            "not identified",
            "a sensitivity parameter, not a finding. Keep rho at 0",
        ),
    ],
)
def test_rho_comes_with_what_identifies_it(
    read: dict[str, Artifacts], sources: dict[str, Any], badge: str, said: str
) -> None:
    seeds = {
        "0": {"long_view/rho": 0.412, "long_view/sigma": 1.0},
        "1": {"long_view/rho": 0.389, "long_view/sigma": 1.1},
    }
    section = propensity(night(read["first"], learned=learned_numbers(seeds, sources)))
    assert headings(section)[0][:2] == ("d2q", badge)
    (table,) = tables(section)
    assert texts(table)[0] == ["long view: rho", "0.412", "0.389"]
    assert said in words(section)
    assert bool(warned(section)) == (badge == "not identified")


def test_the_validation_day_is_asked_about_rho(read: dict[str, Artifacts]) -> None:
    profile = {"-0.3": -9.0, "0": -0.8, "0.3": -0.2}
    of_watch = {"learned": 0.05, "rho": 0.21, "standard_error": 0.16, "likelihood_ratio": 1.6, "p_value": 0.2059}
    of_watch |= {"rows": 18_000, "interval": [-0.1, 0.52], "profile": profile, "warning": "rho = 0.21 is too loose"}
    of_like = of_watch | {"interval": None, "warning": None, "p_value": None}
    learned = learned_numbers(
        {"0": {"watch_time/rho": 0.05, "like/rho": 0.1}},
        {"random_rows": 0, "exposure_only": ["position"]},
        {"watch_time": of_watch, "like": of_like},
    )
    section = propensity(night(read["first"], learned=learned))
    _, table = tables(section)
    assert texts(table)[0] == ["watch time", "0.050", "0.210", "0.160", "1.6", "18,000"]
    details = [cell.detail for row in table.rows for cell in row.cells]
    assert details[2] == "[\N{MINUS SIGN}0.100, 0.520]" and details[4] == "p 0.2059"
    assert details[8] == "flat: no interval" and details[10] == ""
    assert "rho = 0.21 is too loose" in warned(section)
    assert any(isinstance(block, Charts) for block in flat(section))


def test_other_learned_numbers_need_no_identification(read: dict[str, Artifacts]) -> None:
    sources = {"random_rows": 0, "exposure_only": []}
    section = propensity(night(read["first"], learned=learned_numbers({"0": {"watch_time/t": 0.1}}, sources)))
    assert headings(section) == [("d2q", "", "plain")]
    assert "rho" not in words(section)


def test_the_files_are_read_from_the_bundle_where_they_are(
    copy_of: Callable[[str], MadeNight], written: Mapping[str, Any]
) -> None:
    made = copy_of("first")
    folder: Path = made.workspace.bundle("wlr_mmoe")
    written["shown"][1].write(folder / "overlap.json")
    bundles = {recipe.name: recipe for recipe in Artifacts.read(made.workspace).recipes}
    assert bundles["wlr_mmoe"].overlap == written["shown"][1]
    assert bundles["wlr_mmoe"].learned is None and bundles["d2q"].overlap is None
