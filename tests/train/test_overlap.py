"""`overlap.json` and `learned.json` of a bundle: what they hold at each level of selection, and that they repeat."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.objectives import OBJECTIVES
from models.objectives.naive import Naive
from models.recipe import Recipe
from tasks.core.files import read_json
from tasks.table.build import build_table
from tasks.table.columns import open_columns
from tasks.table.config import TableConfig
from tasks.table.training_table import TrainingTable
from tasks.train.overlap import overlap
from tasks.train.propensity import fit_propensity
from tasks.train.run import NamedRecipe, train
from tests.table.small_night import DAYS
from tests.train.settings import training

LOGGED: dict[str, Any] = {"objective": {"kind": "ips"}, "propensity": {"kind": "logged", "clip": 0.2}}
NETWORK: dict[str, Any] = {"kind": "network", "fields": ["scene", "hour"], "steps": 200, "clip": 0.01}


@pytest.fixture(scope="module")
def sampled(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sampled") / "table"
    build_table(features, TableConfig(unobserved_per_impression=2.0), DAYS, out)
    return out


def measured(table: Path, recipe: Mapping[str, Any]) -> dict[str, Any]:
    chosen = Recipe.model_validate(recipe)
    opened = TrainingTable.open(table)
    state = fit_propensity(chosen, opened)
    assert state is not None
    return overlap(chosen, state, opened).as_json()


def test_weights_of_logged_impressions_are_those_of_numpy(table: Path) -> None:
    found = measured(table, LOGGED)["splits"]["fit"]
    columns = open_columns(table / "fit")
    p = columns["exposure_probability"][~columns["random"]].astype(np.float64)
    weight = 1 / np.maximum(p, 0.2)
    assert found["observed"] == len(p)
    assert found["random"] == columns["random"].sum()
    assert found["clipped"] == pytest.approx((p < 0.2).mean())
    assert found["weights"]["ess"] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    assert found["ess_share"] == pytest.approx(found["weights"]["ess"] / len(p))
    assert (found["weights"]["largest"], found["before_clipping"]["largest"]) == pytest.approx((5, (1 / p).max()))
    assert sum(part["rows"] for part in found["histogram"]) == pytest.approx(1)
    assert [part["from"] for part in found["histogram"]] == [1, 1.5, 2, 3, 5]


def test_impressions_say_nothing_about_a_population_but_compare_with_random_rows(table: Path) -> None:
    found = measured(table, LOGGED)["splits"]["fit"]
    assert [found[name] for name in ("population", "mean_inverse", "ece", "bmse", "expected_observed")] == [None] * 5
    assert found["compared_with"] == "random rows"
    columns = open_columns(table / "fit")
    random, policy = columns["random"], ~columns["random"]
    names = read_json(table / "preprocessor/preprocessor.json")["dense"]["names"]
    by_name = {name: (before, after) for name, before, after in found["balance"]}
    feature = columns["dense"][:, names.index("duration_log")].astype(np.float64)
    gap = feature[policy].mean() - feature[random].mean()
    assert by_name["duration_log"][0] == pytest.approx(gap / feature[random].std())
    weight = 1 / np.maximum(columns["exposure_probability"][policy].astype(np.float64), 0.2)
    gap = np.average(feature[policy], weights=weight) - feature[random].mean()
    assert by_name["duration_log"][1] == pytest.approx(gap / feature[random].std())
    sizes = [abs(after) for _, _, after in found["balance"]]
    assert sizes == sorted(sizes, reverse=True)


def test_levels_of_small_fields_are_features_too(table: Path) -> None:
    found = measured(table, LOGGED)["splits"]["fit"]
    columns = open_columns(table / "fit")
    in_scene = (columns["scene"] == 1).astype(np.float64)
    random, policy = columns["random"], ~columns["random"]
    expected = (in_scene[policy].mean() - in_scene[random].mean()) / in_scene[random].std()
    assert {name: before for name, before, _ in found["balance"]}["scene 1"] == pytest.approx(expected)


def test_clicks_are_measured_against_all_impressions(table: Path) -> None:
    recipe = {"objective": {"kind": "ips"}, "selection": {"kind": "click"}, "propensity": NETWORK}
    found = measured(table, recipe)
    fit, rows = found["splits"]["fit"], len(open_columns(table / "fit")["ids"])
    assert fit["population"] == rows
    assert (fit["compared_with"], fit["random"]) == ("population", 0)
    assert fit["mean_inverse"] == pytest.approx(1, abs=0.1)
    assert fit["expected_observed"] == pytest.approx(fit["observed"], rel=0.1)
    assert fit["ece"] < 0.05
    assert sum(part["share"] for part in fit["reliability"]) == pytest.approx(1)
    assert found["splits"]["validation"]["population"] == len(open_columns(table / "validation")["ids"])


@pytest.mark.slow
def test_candidates_are_measured_with_their_sampling_rate(sampled: Path) -> None:
    recipe = {"objective": {"kind": "ips"}, "selection": {"kind": "candidate"}, "propensity": NETWORK}
    fit = measured(sampled, recipe)["splits"]["fit"]
    drawn, columns = read_json(sampled / "table.json")["populations"]["fit"], open_columns(sampled / "fit")
    policy = int((~columns["random"]).sum())
    assert fit["observed"] == policy
    assert fit["population"] == pytest.approx(policy + drawn["unobserved"])
    assert fit["mean_inverse"] == pytest.approx(1, abs=0.1)
    assert fit["bmse"] is not None


def test_propensities_off_by_a_factor_are_doubted(sampled: Path) -> None:
    """Popularity is a propensity up to a factor: nothing of the sort passes as a probability of exposure in D."""
    recipe = {"objective": {"kind": "ips"}, "selection": {"kind": "candidate"}, "propensity": {"kind": "popularity"}}
    found = measured(sampled, recipe)
    assert found["splits"]["fit"]["mean_inverse"] < 0.5
    assert any("mean o/p over the population" in doubt for doubt in found["warnings"])
    assert not any("effective" in doubt for doubt in found["warnings"])


def test_unobserved_pairs_without_a_propensity_leave_gaps_not_numbers(sampled: Path) -> None:
    fit = measured(sampled, LOGGED | {"selection": {"kind": "candidate"}})["splits"]["fit"]
    assert [fit[name] for name in ("ece", "bmse", "expected_observed")] == [None] * 3
    assert fit["mean_inverse"] is not None and fit["balance"]


def test_a_bundle_holds_the_same_bytes_twice(table: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(LOGGED)
    for name in ("a", "b"):
        train(table, NamedRecipe("ips", recipe, training(max_epochs=1)), tmp_path / name, tmp_path / f"scratch-{name}")
    assert (tmp_path / "a/overlap.json").read_bytes() == (tmp_path / "b/overlap.json").read_bytes()
    assert not (tmp_path / "a/learned.json").exists()


def test_what_an_objective_learned_is_written_with_what_could_identify_it(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Correlated(Naive):
        def diagnostics(self) -> dict[str, float]:
            return {"rho": 0.25}

    monkeypatch.setitem(OBJECTIVES, "naive", Correlated)
    recipe = Recipe.model_validate({"tasks": {"watch_time": {}, "long_view": {}}, "set_apart": ["scene"]})
    train(table, NamedRecipe("made", recipe, training(max_epochs=1, seeds=(0, 1))), tmp_path / "b", tmp_path / "s")
    found = read_json(tmp_path / "b/learned.json")
    assert found["seeds"] == {seed: {"watch_time/rho": 0.25, "long_view/rho": 0.25} for seed in ("0", "1")}
    random = int(open_columns(table / "fit")["random"].sum())
    assert found["sources"] == {"random_rows": random, "exposure_only": ["scene"]}
    assert not (tmp_path / "b/overlap.json").exists()
