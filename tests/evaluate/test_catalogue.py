"""The catalogue against what is really computed: every metric of a night has an entry that says the truth about it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import ConfigError
from tasks.core.files import read_json
from tasks.core.predictions import bound_metadata
from tasks.evaluate import catalogue
from tasks.evaluate.catalogue import METRICS, find, is_sparse, label, metric
from tasks.evaluate.compare import compare
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.stage import evaluate
from tasks.gate.config import GatePolicy, HarmLimit

COMPARED_ONLY = {name for name, entry in METRICS.items() if entry.base}
"""Metrics of comparisons and of exposures, which a model alone does not report."""
ONE_DAY = [name for name in METRICS if name not in {*COMPARED_ONLY, catalogue.ACROSS_DAYS}]
"""What a model reports of one day, where there is nothing across days."""
CONFIG = EvaluationConfig(replicates=100)
REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_metric_of_a_night_is_in_the_catalogue(write_table) -> None:
    tables = [write_table(name, seed=seed) for seed, name in ((1, "one"), (1, "other"))]
    evaluate(tables[0], CONFIG, tables[0].parent)
    reported = read_json(tables[0].parent / "metrics.json")["metrics"]
    compared = compare(tables[:1], tables[1:], CONFIG).metrics
    assert len(reported) > 30 and len(compared) > 5
    assert [name for name in {*reported, *compared} if find(name) is None] == []
    for name, entry in reported.items():
        assert (entry["column"], entry["higher_is_better"]) == (metric(name).column, metric(name).higher_is_better)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory, table) -> dict[str, Any]:
    """The metrics of a prediction that is the truth, and of a noisy one: how good it is -> metric -> what is reported."""
    frame = table(seed=3)
    rng = np.random.default_rng(0)
    truth = frame["y_s"].to_numpy()
    columns = ("score_s0", "watch_mean_s0", "watch_median_s0")
    errors = {"perfect": truth, "noisy": np.maximum(truth + 1 + rng.normal(0, truth.std(), truth.size), 0)}
    found = {}
    for kind, predicted in errors.items():
        path = tmp_path_factory.mktemp(kind) / "judge.parquet"
        frame.with_columns(**dict.fromkeys(columns, predicted)).write_parquet(path, metadata=bound_metadata(True))
        evaluate(path, CONFIG, path.parent)
        found[kind] = read_json(path.parent / "metrics.json")["metrics"]
    return found


@pytest.mark.parametrize("name", ONE_DAY)
def test_the_direction_is_that_of_a_better_prediction(name: str, values: dict[str, Any]) -> None:
    perfect, noisy = (values[kind][name]["value"] for kind in ("perfect", "noisy"))
    better = {True: perfect > noisy, False: perfect < noisy, None: abs(perfect) < abs(noisy)}
    assert better[metric(name).higher_is_better], (perfect, noisy)


@pytest.mark.parametrize(
    ("name", "shown", "column", "higher"),
    [
        ("auc_skip", "AUC fast skip", "p_skip", True),
        ("gauc_long_view", "GAUC long view", "p_long_view", True),
        ("ece_profile_enter", "ECE profile visit", "p_profile_enter", False),
        ("calibration_ratio_like", "calibration ratio like", "p_like", None),
        ("ndcg_long_view@10", "ndcg long view@10", "score", True),
        ("skip@3", "skip@3", "score", False),
        ("proposed_recall@50", "Recall@50", "", True),
        ("proposed_gini@50", "Gini@50", "", False),
        ("random_auc_long_view", "AUC long view, exposed at random", "p_long_view", True),
        ("xauc_new_user", "XAUC, new users", "score", True),
    ],
)
def test_families_are_read_from_their_names(name: str, shown: str, column: str, higher: bool | None) -> None:
    found = metric(name)
    assert (label(name), found.column, found.higher_is_better) == (shown, column, higher)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("xguac", "; did you mean 'xgauc'"),
        ("gauc_long_viw", "; did you mean 'gauc_long_view'"),
        ("auc_", ""),
        ("skip@", ""),
        ("proposed_recall@", ""),
        ("auc_new_user", ""),
        ("foo@3", ""),
    ],
)
def test_an_unknown_metric_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"no metric '{name}'{nearest}"):
        metric(name)


def test_sparse_tasks_are_those_no_other_guardrail_holds() -> None:
    assert [name for name in ("auc_like", "auc_skip", "gauc_long_view", "xauc", "random_xauc") if is_sparse(name)] == [
        "auc_like"
    ]


def test_every_guardrail_has_an_entry_and_a_limit() -> None:
    policy = GatePolicy()
    for limit, names in catalogue.HARM_GUARDRAILS.items():
        assert isinstance(getattr(policy, limit), HarmLimit)
        assert all(find(name) for name in names)
    for guardrail in catalogue.LEVEL_GUARDRAILS:
        assert guardrail.metric in catalogue.LEVELS
        assert all(isinstance(getattr(policy, field), float) for field in (guardrail.limit, guardrail.slack) if field)
    exposed = [f"{exposure}_{name}" for exposure in catalogue.EXPOSURES for name in catalogue.EXPOSED_GUARDRAILS]
    assert all(METRICS[name].exposure for name in exposed)


@pytest.mark.parametrize(
    ("name", "value", "difference", "limit"),
    [
        ("xauc", -0.00401, "-0.00401", "-0.00401"),
        ("mae", 0.3001, "+0.300 s", "+0.3001 s"),
        ("tre_signed", 0.0504, "+5.04 %", "+5.04 %"),
        ("rmse_ratio", float("nan"), "undefined", "+nan %"),
    ],
)
def test_differences_and_limits_have_the_unit_of_their_metric(
    name: str, value: float, difference: str, limit: str
) -> None:
    assert (metric(name).difference(value), metric(name).limit(value)) == (difference, limit)


def test_directions_stand_nowhere_else() -> None:
    named = [
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("tasks", "flows", "models")
        for path in (REPOSITORY / folder).rglob("*.py")
        if "LOWER_IS_BETTER" in path.read_text()
    ]
    assert named == []
