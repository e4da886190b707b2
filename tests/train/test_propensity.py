"""What propensity models read of a table at each level of selection, and what they refuse there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.recipe import Recipe
from tasks.core.errors import TrainingError
from tasks.core.files import read_json
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.table.training_table import TrainingTable
from tasks.train.batches import Split
from tasks.train.propensity import exposures, fit_propensity, population, with_propensity
from tests.table.small_night import DAYS


@pytest.fixture(scope="module")
def sampled(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small night's table with two unobserved pairs for every impression."""
    out = tmp_path_factory.mktemp("sampled") / "table"
    build_table(features, TableConfig(unobserved_per_impression=2.0), DAYS, out)
    return out


def recipe(selection: str, **propensity: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "objective": {"kind": "ips"},
            "selection": {"kind": selection},
            "propensity": propensity or {"kind": "popularity"},
        }
    )


def split(table: Path, folder: str = "fit") -> Split:
    tasks = tuple(read_json(table / "table.json")["tasks"])
    return Split(table / folder, tasks, ("ids", "dense", "duration_s"), with_history=False)


def test_impressions_are_all_observed(table: Path) -> None:
    columns, rows = (
        open_columns(table / "fit"),
        population(recipe("impression"), table / "fit", TrainingTable.open(table)),
    )
    assert rows.observed.all()
    assert rows.random.tolist() == columns["random"].tolist()
    assert rows.logged.astype(np.float32).tolist() == columns["exposure_probability"].tolist()
    assert rows.user.tolist() == columns["user_id"].tolist()


def test_clicks_are_observed_and_no_click_is_random(table: Path) -> None:
    """A slot may be drawn at random, but not whether its video is clicked; a logged probability is that of the slot."""
    rows = population(recipe("click"), table / "fit", TrainingTable.open(table))
    column = read_json(table / "table.json")["tasks"].index("click")
    assert rows.observed.tolist() == (open_columns(table / "fit")["labels"][:, column] > 0).tolist()
    assert not rows.random.any()
    assert np.isnan(rows.logged).all()


def test_candidates_are_impressions_and_a_sample_that_stands_for_the_rest(sampled: Path) -> None:
    rows = population(recipe("candidate"), sampled / "fit", TrainingTable.open(sampled))
    drawn = read_json(sampled / "table.json")["populations"]["fit"]
    impressions = split(sampled).num_rows
    assert rows.observed.sum() == impressions
    assert rows.stands_for.sum() == pytest.approx(impressions + drawn["unobserved"])
    assert (~rows.observed).sum() == drawn["sampled"]


def test_inputs_of_a_network_are_fields_columns_and_features(table: Path) -> None:
    inputs = {"fields": ("position", "scene", "hour"), "numbers": ("popularity", "duration_log")}
    rows = exposures(recipe("click", kind="network", **inputs), table / "fit", TrainingTable.open(table))
    columns = open_columns(table / "fit")
    assert rows.fields["position"].tolist() == columns["position"].tolist()
    assert set(rows.fields["scene"]) == {1, 2, 3}
    assert rows.numbers["popularity"].tolist() == columns["popularity"].tolist()
    assert np.corrcoef(rows.numbers["duration_log"], np.log(columns["duration_s"]))[0, 1] > 0.99


@pytest.mark.parametrize(("key", "name"), [("fields", "slot"), ("numbers", "rank_score")])
def test_an_unknown_input_is_named_with_those_there_are(table: Path, key: str, name: str) -> None:
    with pytest.raises(
        TrainingError, match=rf"propensity\.{key} names '{name}', which the table lacks; it has .*position"
    ):
        exposures(
            recipe("click", kind="network", **{"fields": ()} | {key: (name,)}), table / "fit", TrainingTable.open(table)
        )


def test_the_label_of_naive_bayes_is_seen_on_observed_rows_only(table: Path) -> None:
    columns = open_columns(table / "fit")
    rows = exposures(recipe("impression", kind="naive_bayes"), table / "fit", TrainingTable.open(table))
    assert rows.label.astype(np.float32).tolist() == columns["watch_s"].tolist()
    clicks = exposures(recipe("click", kind="naive_bayes", label="like"), table / "fit", TrainingTable.open(table))
    assert (np.isnan(clicks.label) == ~clicks.observed).all()
    with pytest.raises(TrainingError, match=r"propensity\.label is 'rating'; the table has watch_time, "):
        exposures(recipe("impression", kind="naive_bayes", label="rating"), table / "fit", TrainingTable.open(table))


@pytest.mark.parametrize("kind", ["logged", "naive_bayes"])
def test_propensities_of_exposure_are_refused_for_clicks(table: Path, kind: str) -> None:
    with pytest.raises(TrainingError, match=r"does not fit selection\.kind 'click'.*choose 'network'"):
        fit_propensity(recipe("click", kind=kind), TrainingTable.open(table))


def test_a_network_of_impressions_is_refused(table: Path) -> None:
    with pytest.raises(TrainingError, match=r"'network': .*selection\.kind 'impression' has no unobserved rows"):
        fit_propensity(recipe("impression", kind="network"), TrainingTable.open(table))


def test_a_naive_objective_fits_none(table: Path) -> None:
    assert fit_propensity(Recipe(), TrainingTable.open(table)) is None


@pytest.mark.slow
def test_every_row_of_d_gets_its_propensity(sampled: Path) -> None:
    """Exposure in the small night is blind, so a network says about the observed share everywhere."""
    chosen = recipe("candidate", kind="network", fields=("scene", "hour"), steps=300)
    state = fit_propensity(chosen, TrainingTable.open(sampled))
    assert state is not None
    drawn = read_json(sampled / "table.json")["populations"]["fit"]
    policy = int((~open_columns(sampled / "fit")["random"]).sum())
    share = policy / (policy + drawn["unobserved"])
    for folder in ("fit", "fit/unobserved"):
        part = with_propensity(split(sampled, folder), chosen, state, TrainingTable.open(sampled))
        column = part.read(0, part.num_rows).columns["propensity"]
        assert column.dtype == np.float32
        learned = column[column < 1]
        assert learned.mean() == pytest.approx(share, rel=0.1)


def test_an_unobserved_pair_without_a_logged_probability_is_nan(sampled: Path) -> None:
    chosen = recipe("candidate", kind="logged")
    shown, other = (
        with_propensity(split(sampled, folder), chosen, {}, TrainingTable.open(sampled))
        for folder in ("fit", "fit/unobserved")
    )
    assert not np.isnan(shown.read(0, shown.num_rows).columns["propensity"]).any()
    assert np.isnan(other.read(0, other.num_rows).columns["propensity"]).all()
