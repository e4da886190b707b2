import pytest

from tasks.core.errors import ConfigError, ContractError
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
    assert board["name"].to_list() == ["good", "fair", "poor"]
    good, fair, poor = board.iter_rows(named=True)
    assert good["xauc_delta_low"] > 0 > poor["xauc_delta_high"]
    assert (fair["xauc_delta"], fair["rmse_ratio_delta"]) == (0, 0)
    assert good["xauc_delta"] == pytest.approx(good["xauc"] - fair["xauc"], abs=1e-9)
    assert good["xauc_low"] < good["xauc"] < good["xauc_high"]
    assert good["xauc_seed_sd"] is None


def test_unknown_reference_and_missing_metrics(write_table):
    path = write_table("model")
    with pytest.raises(ConfigError, match="reference 'champion' is none of model"):
        leaderboard({"model": path.parent}, "champion", CONFIG)
    with pytest.raises(ContractError, match="evaluate it first"):
        leaderboard({"model": path.parent}, "model", CONFIG)
