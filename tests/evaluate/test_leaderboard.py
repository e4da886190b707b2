import pytest

from tasks.core.document import MissingArtifact
from tasks.core.errors import ConfigError
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.leaderboard import leaderboard
from tasks.evaluate.stage import evaluate

CONFIG = EvaluationConfig(replicates=100, segments=())


def test_all_models_in_one_table_best_first(write_table, table):
    folders = {}
    for name, noise in (("poor", 2.0), ("good", 0.3), ("fair", 0.8)):
        path = write_table(name, table(noise=noise))
        evaluate(path, CONFIG, path.parent)
        folders[name] = path.parent
    board = leaderboard(folders, "fair", CONFIG)
    assert [line.name for line in board] == ["good", "fair", "poor"]
    good, fair, poor = board
    assert good.differences["xauc"].low > 0 > poor.differences["xauc"].high
    assert (fair.differences["xauc"].value, fair.differences["rmse_ratio"].value) == (0, 0)
    assert good.differences["xauc"].value == pytest.approx(good.xauc - fair.xauc, abs=1e-9)
    xauc = good.measured.metrics["xauc"]
    assert xauc.low < xauc.value < xauc.high
    assert xauc.seed_sd is None


def test_unknown_reference_and_missing_metrics(write_table):
    path = write_table("model")
    with pytest.raises(ConfigError, match="reference 'champion' is none of model"):
        leaderboard({"model": path.parent}, "champion", CONFIG)
    with pytest.raises(
        MissingArtifact, match=r"metrics\.json does not exist: run the stage that evaluates model first"
    ):
        leaderboard({"model": path.parent}, "model", CONFIG)
