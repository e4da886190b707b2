"""`dwell traits`: a planted effect is found and its shuffled twin does not have it; without one nothing is found."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import app
from flows.traits import ablate
from tasks.core.cluster import NoCluster
from tasks.core.days import Days
from tasks.core.errors import ConfigError
from tasks.core.layout import Workspace
from tasks.evaluate.metrics.uncertainty import Interval
from tasks.features.build import build_features
from tasks.features.config import FeatureConfig, FeatureGroup
from tasks.ingest.stage import ingest
from tasks.simulate.config import SimulatorConfig
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.train.fit import SeedFit
from tasks.traits.ablation import Ablation
from tasks.traits.twins import shuffled
from tasks.tune.result import Gain

pytestmark = pytest.mark.slow

DAYS = Days.of_night(dt.date(2026, 1, 6), fit_days=3, lookback=1)
WORLD = {
    "kind": "simulator",
    "users": 300,
    "new_users_per_day": 120,
    "videos": 40,
    "new_videos_per_day": 2,
    "impressions_per_day": 900,
    "duplicate_share": 0,
    "dirt_share": 0,
    "traits": {"consent": 0.9},
}
RECIPE = {
    "encoder": {"kind": "packed", "embedding_dim": 4},
    "trunk": {"kind": "shared_bottom", "hidden": [16, 8], "dropout": 0.1},
    "traits": ["age_band", "openness"],
}
GROUPS = {
    "user": FeatureGroup(keys=("user_id",), statistics=("ratio",)),
    "video": FeatureGroup(keys=("video_id",), statistics=("ratio",)),
}


def workspace(root: Path, strength: float) -> Workspace:
    """Make a workspace with the features and the table of a night of a world whose traits have some effect."""
    place = Workspace(root)
    source = WORLD | ({"strengths": {"trait": strength}} if strength else {})
    params = {
        "default_source": "simulator",
        "sources": {"simulator": source},
        "nightly": {"recipes": ["plain"]},
        "recipes": {"plain": {**RECIPE, "traits": []}, "told": RECIPE},
        "training": {
            "max_epochs": 4,
            "batch_size": 128,
            "learning_rate": 4e-3,
            "device": "cpu",
            "threads": 1,
            "calibration": {"min_rows": 100, "min_group_rows": 40, "groups": 4, "max_tre": 1.0},
        },
        "tuning": {"confirmation_seeds": [100]},
        "evaluation": {"replicates": 100},
        "table": {"traits": ["age_band", "openness"]},
    }
    place.params.write_text(yaml.safe_dump(params))
    ingest(SimulatorConfig.model_validate(source), DAYS, place.raw)  # clean as it is: nothing to set aside
    build_features(place.raw, FeatureConfig(groups=GROUPS, history_length=2), DAYS, place.features, NoCluster())
    build_table(place.features, TableConfig(traits=("age_band", "openness")), DAYS, place.table)
    return place


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("planted"), strength=1.0)


def test_a_planted_effect_is_found_and_the_shuffled_twin_has_none_of_it(planted: Workspace) -> None:
    found = ablate(planted, "told")
    assert found.over_shuffled.difference.low > 0 and found.over_none.difference.low > 0
    assert found.keep and "they may be kept" in found.summary()
    of_shuffled, of_none = found.over_shuffled.default, found.over_none.default
    assert abs(of_shuffled - of_none) < found.over_shuffled.difference.value / 3
    assert found.cold is not None
    assert found.cold.difference.value > found.over_shuffled.difference.value, "of others the past tells"
    assert "age_band (sensitive; for simulated)" in found.summary()
    assert set(found.groups) == {f"age_band {band}" for band in ("18_24", "25_34", "35_49", "from_50", "under_18")}
    left = [path for path in planted.scratch.rglob("*") if path.name == "traits.parquet" or path.suffix == ".tmp"]
    assert left == [], "what is left of the twin holds no value"


def test_a_finished_arm_is_kept_and_the_command_says_the_same(
    planted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ablate(planted, "told").summary()
    monkeypatch.setattr(SeedFit, "epoch", None)
    monkeypatch.chdir(planted.root)
    done = CliRunner().invoke(app, ["traits", "told"])
    assert done.exit_code == 0, done.output
    assert done.output.strip() == first
    said = CliRunner().invoke(app, ["traits"]).output
    assert (
        "openness (sensitive number): for simulated, 365 days" in said and " users have values that may be used" in said
    )


def test_nothing_is_found_where_nothing_was_planted(tmp_path: Path) -> None:
    found = ablate(workspace(tmp_path, strength=0.0), "told")
    assert found.over_shuffled.difference.low <= 0 and not found.keep
    assert "do not keep them: their gain over the shuffled twin is not above its interval" in found.summary()


def test_a_recipe_that_reads_none_has_none_to_ablate(planted: Workspace) -> None:
    with pytest.raises(ConfigError, match="recipe 'plain' reads no sensitive attribute"):
        ablate(planted, "plain")


def test_values_are_dealt_together_and_consent_stays() -> None:
    traits = pl.DataFrame(
        {"user_id": range(50), "known_from_ms": range(50), "a": [f"{i}" for i in range(50)], "b": range(50)}
    )
    dealt = shuffled(traits, seed=0)
    assert dealt.select("user_id", "known_from_ms").equals(traits.select("user_id", "known_from_ms"))
    assert sorted(dealt["b"].to_list()) == list(range(50)) and dealt["b"].to_list() != list(range(50))
    assert (dealt["a"].cast(pl.Int64) == dealt["b"]).all()


def _gain(low: float, high: float) -> Gain:
    return Gain("xauc", (0,), 0.6, 0.6, Interval((low + high) / 2, (high - low) / 4, low, high), 0.95)


@pytest.mark.parametrize(
    ("over_shuffled", "group", "keep"),
    [((0.001, 0.01), (-0.01, 0.02), True), ((-0.001, 0.01), (0.01, 0.02), False), ((0.001, 0.01), (-0.02, -0.01), False)],
)  # fmt: skip
def test_the_rule(over_shuffled: tuple[float, float], group: tuple[float, float], keep: bool) -> None:
    found = Ablation(
        "r", "d", {"g": "p"}, 9, 0, 1.0, _gain(*over_shuffled), _gain(0.1, 0.2), None, {"g a": _gain(*group)}
    )
    assert found.keep is keep and ("may be kept" in found.verdict) is keep
    assert found.harmed == (("g a",) if group[1] < 0 else ())
