"""`dwell prune` on the small night: what it reads, what it drops, where it ends, and what it writes."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import app
from flows.prune import add_to_params, prune
from flows.reviews import run_review
from models.attribution.fields import FieldLayout
from tasks.config import load_params
from tasks.core.errors import ConfigError, TuningError
from tasks.core.files import hash_tree
from tasks.core.layout import Workspace
from tasks.core.run_key import RunKey
from tasks.prune import run
from tasks.prune.rounds import Search
from tasks.stages import Night
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureFolder
from tasks.table.training_table import TrainingTable
from tasks.train.fit import SeedFit
from tasks.train.problem import open_problem
from tasks.tune.study import holding
from tasks.weekly.proposal import DIFF, EVIDENCE
from tests.table.small_night import DAYS, write_features
from tests.tune.conftest import RECIPE, TRAINING

pytestmark = pytest.mark.slow

Make = Callable[..., Workspace]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a function that makes a workspace with features, their table and a recipe `small`; no judge day."""
    night = tmp_path_factory.mktemp("night")
    features = write_features(night, rows_per_day=250)
    build_table(features, TableConfig(), DAYS, night / "table")

    def workspace(recipe: dict[str, Any] | None = None) -> Workspace:
        made = Workspace(tmp_path_factory.mktemp("workspace"))
        shutil.copytree(night / "table", made.table, ignore=shutil.ignore_patterns("judge"))
        shutil.copytree(features, made.features, ignore=shutil.ignore_patterns("*.parquet"))
        params = {
            "default_source": "simulator",
            "sources": {"simulator": {"kind": "simulator"}},
            "nightly": {"recipes": ["small"]},
            "recipes": {"small": RECIPE | (recipe or {}), "trees": {"kind": "trees"}},
            "training": TRAINING | {"max_epochs": 2, "by_recipe": {"small": {"learning_rate": 0.004}}},
            "tuning": {"confirmation_seeds": [100]},
            "evaluation": {"replicates": 100},
            "weekly": {"fewer": {"kind": "prune", "most": 2}},
        }
        made.params.write_text(yaml.safe_dump(params, sort_keys=False))
        return made

    return workspace


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows tell nothing of a thousandth."""
    monkeypatch.setattr(run, "TOLERANCE", 0.5)


@pytest.mark.usefixtures("lenient")
def test_the_lowest_goes_and_the_others_are_ranked_anew(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make()
    pruned = prune(place, "small", most=2)
    found = pruned.found
    assert len(found.dropped) == 2 and len(found.rounds) == 3
    for before, after in zip(found.rounds, found.rounds[1:], strict=False):
        ranks = before.measured.mean_rank
        assert after.dropped is not None and ranks[after.dropped] == max(ranks.values())
        assert set(after.measured.mean_rank) == set(ranks) - {after.dropped}
    assert pruned.gain is not None and pruned.gain.seeds == (100,)
    assert pruned.gain.difference.value == pytest.approx(pruned.gain.tuned - pruned.gain.default, abs=1e-3)

    def refuse(self: SeedFit) -> None:
        raise AssertionError("a finished fit is kept")

    first = pruned.recipe.read_bytes(), pruned.rounds.read_bytes()
    monkeypatch.setattr(SeedFit, "epoch", refuse)
    again = prune(place, "small", most=2)
    assert (again.recipe.read_bytes(), again.rounds.read_bytes()) == first
    assert again.summary() == pruned.summary() and f"without {found.dropped[0]}: " in again.summary()
    _a_week_proposes_it(place, pruned)


def _a_week_proposes_it(place: Workspace, pruned: run.Pruned) -> None:
    """A review of the same search fits nothing anew, changes nothing, and proposes what was found unless it is surely worse."""
    key = RunKey(as_of=DAYS.judge[0], source="simulator", data="tasks/simulate")
    place.run_key.write_text(yaml.safe_dump(key.model_dump(mode="json")))
    before = place.params.read_bytes(), hash_tree(place.tuned)
    proposal = run_review("fewer", Night.load(place))
    assert (place.params.read_bytes(), hash_tree(place.tuned)) == before
    folder = place.proposal("simulator", key.as_of, "fewer")
    assert (folder / EVIDENCE).read_text() == pruned.rounds.read_text()
    assert pruned.gain is not None
    if pruned.gain.difference.high < 0:
        assert proposal.says[-1] == "nothing to propose" and not (folder / DIFF).exists()
        return
    assert proposal.says[-1].startswith("proposed: small_pruned, which is small without ")
    subprocess.run(["git", "apply", str(folder / DIFF)], cwd=place.root, check=True)
    params = load_params(place.params)
    assert params.recipes["small_pruned"] == pruned.block and params.nightly.recipes == ("small", "small_pruned")
    assert params.training_of("small_pruned") == params.training_of("small")


@pytest.mark.usefixtures("lenient")
def test_what_is_written_is_a_recipe_that_does_not_read_them(make: Make) -> None:
    place = make()
    pruned = prune(place, "small", most=3)
    pasted = yaml.safe_load(pruned.recipe.read_text())["recipes"]["small_pruned"]
    assert "added recipes.small_pruned" in add_to_params(place.params, pruned)
    params = load_params(place.params)
    assert params.recipes["small_pruned"] == pasted
    assert params.training_of("small_pruned") == params.training_of("small")
    add_to_params(place.params, pruned)
    assert load_params(place.params).recipes == params.recipes
    ranker = open_problem(TrainingTable.open(place.table), params.recipe("small_pruned")).ranker()
    groups = {name: group.columns for name, group in FeatureFolder.open(place.features).groups.items()}
    read = FieldLayout.of(ranker, groups).names
    assert set(read) == set(pruned.found.rounds[0].measured.mean_rank) - set(pruned.found.dropped)


def test_a_metric_that_falls_keeps_the_field(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TOLERANCE", -1.0)
    place = make()
    pruned = prune(place, "small")
    assert pruned.found.dropped == () and len(pruned.found.rounds) == 2
    assert "falls too far" in pruned.summary() and "kept" in pruned.summary() and "No field can go." in pruned.summary()
    before = place.params.read_text()
    assert "nothing to add" in add_to_params(place.params, pruned)
    assert place.params.read_text() == before


@pytest.mark.usefixtures("lenient")
def test_a_field_that_a_part_names_stays(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make({"backbone": {"kind": "epnet", "domain": "scene"}})
    seen = Search.measure
    monkeypatch.setattr(Search, "measure", lambda self, candidate: _with_last(seen(self, candidate), "scene"))
    pruned = prune(place, "small", most=1)
    assert list(pruned.found.needed) == ["scene"] and "scene" not in pruned.found.dropped
    assert "scene stays: " in pruned.summary()


def _with_last(measured: Any, name: str) -> Any:
    return measured.model_copy(update={"mean_rank": {**measured.mean_rank, name: 999.0}})


@pytest.mark.parametrize(
    ("metric", "value", "fell"),
    [("xauc", 0.6493, True), ("xauc", 0.6494, False), ("xauc", 0.66, False), ("watch_loss", 0.6507, True),
     ("watch_loss", 0.6506, False), ("watch_loss", 0.6, False)],
)  # fmt: skip
def test_a_thousandth_of_the_metric_may_go(metric: Any, value: float, fell: bool) -> None:
    search = Search.__new__(Search)
    object.__setattr__(search, "metric", metric)
    object.__setattr__(search, "tolerance", run.TOLERANCE)
    assert search.fell_too_far(value, 0.65) is fell


def test_what_cannot_be_pruned_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make()
    with pytest.raises(ConfigError, match="'trees' is of trees"):
        prune(place, "trees")
    with pytest.raises(ConfigError, match="unknown recipe 'smal'; did you mean 'small'"):
        prune(place, "smal")
    monkeypatch.chdir(place.root)
    monkeypatch.setattr(Search, "measure", _refuse)
    (folder,) = [place.scratch / "pruning/small" / run._key(*_key_of(place))]
    with holding(folder, "dwell prune small"), pytest.raises(TuningError, match="another `dwell prune small` works"):
        prune(place, "small")


def _refuse(*_given: object) -> None:
    raise AssertionError("nothing is fitted while another command works")


def _key_of(place: Workspace) -> tuple[Any, ...]:
    params = load_params(place.params)
    settings = [params.training_of("small").model_dump(mode="json"), params.tuning.metric, params.tuning.seeds]
    return TrainingTable.open(place.table), params.recipe("small"), settings


@pytest.mark.usefixtures("lenient")
def test_the_command_says_what_went_and_adds_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make()
    monkeypatch.chdir(place.root)
    done = CliRunner().invoke(app, ["prune", "small", "--most", "1", "--write"])
    assert done.exit_code == 0, done.output
    assert "1 of " in done.output and "written: tuned/small_pruned.yaml" in done.output
    assert "params.yaml: added recipes.small_pruned" in done.output
    lines = Path("tuned/small_pruned.rounds.csv").read_text().splitlines()
    assert lines[0].startswith("round,dropped,xauc,") and len(lines) == 3
    assert np.isfinite(float(lines[1].split(",")[2]))
