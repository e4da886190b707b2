"""Traits from the features folder to a ranker: known from the morning after consent on, read where a recipe asks and nowhere else."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from models.attribution.fields import SENSITIVE, FieldLayout
from models.batch import Batch
from models.ranker import Ranker
from models.recipe import Recipe
from tasks.core import cluster
from tasks.core.cluster import ClusterAddress, NoCluster
from tasks.core.days import midnight_ms
from tasks.core.errors import ConfigError, ContractError, TrainingError
from tasks.core.files import hash_file, hash_tree, read_json, write_json
from tasks.core.predictions import SCORE, column
from tasks.features.build import build_features
from tasks.features.candidates import candidates, columns_of_rows
from tasks.features.state import history_file
from tasks.predict import predict_days
from tasks.table.build import build_table
from tasks.table.config import TableConfig
from tasks.table.source import FeatureDays, FeatureFolder
from tasks.table.split import Encoding
from tasks.table.training_table import TrainingTable
from tasks.train.config import TrainingConfig
from tasks.train.problem import open_problem
from tasks.train.run import NamedRecipe, train
from tasks.train.trees.columns import TreeColumns
from tests.far_workers import hidden_while_workers_run
from tests.table.small_night import DAYS, FEATURES, TIMEZONE, USERS, day, write_validated

EARLY, LATE, WITHDRAWS = 0, 1, 6
"""A user who agreed before the first day, one who agreed in the evening of day 3, and one who withdraws later."""
COLUMNS = ("band", "score", "score_known")
PLAIN: Mapping[str, Any] = {
    "encoder": {"kind": "packed", "embedding_dim": 4},
    "trunk": {"kind": "shared_bottom", "hidden": [8]},
}
TRAINING = TrainingConfig.model_validate(
    {"seeds": [0], "max_epochs": 1, "batch_size": 128, "learning_rate": 3e-3, "device": "cpu", "threads": 1}
    | {"calibration": {"min_rows": 50, "min_group_rows": 40, "groups": 4, "max_tre": 10.0}}
)


def add_traits(validated: Path) -> None:
    """Even users agreed before the log began, `LATE` on day 3; the table holds nobody else, as ingest leaves it."""
    when = {user: midnight_ms(day(0), TIMEZONE) - 1 for user in range(0, USERS, 2)}
    when[LATE] = midnight_ms(day(3), TIMEZONE) + 20 * 3_600_000
    users = sorted(when)
    pl.DataFrame(
        {
            "user_id": users,
            "consent": [1] * len(users),
            "consent_time_ms": [when[user] for user in users],
            "recorded_time_ms": [midnight_ms(day(0), TIMEZONE) - 1] * len(users),
            "band": [None if user == 2 else f"b{user % 4}" for user in users],
            "score": [None if user == 4 else user / 10 for user in users],
        },
        schema_overrides={"consent": pl.Int8, "score": pl.Float32},
    ).write_parquet(validated / "traits.parquet")
    declared = {
        name: {"kind": kind, "purpose": "p", "retention_days": 9}
        for name, kind in (("band", "category"), ("score", "number"))
    }
    write_json(validated / "source.json", read_json(validated / "source.json") | {"traits": declared})


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `validated`, `features` and `table` of the small night, whose users have traits."""
    folder = tmp_path_factory.mktemp("traits")
    add_traits(write_validated(folder / "validated", rows_per_day=200))
    build_features(folder / "validated", FEATURES, DAYS, folder / "features", NoCluster())
    build_table(folder / "features", TableConfig(traits=("band", "score")), DAYS, folder / "table")
    return folder


@pytest.fixture(scope="module")
def table(night: Path) -> TrainingTable:
    return TrainingTable.open(night / "table")


@pytest.fixture(scope="module")
def batch(table: TrainingTable) -> Batch:
    ids, dense, duration = (
        torch.from_numpy(np.array(table.column("fit", name))) for name in ("ids", "dense", "duration_s")
    )
    return Batch(ids_BF=ids, dense_BN=dense, duration_B=duration)


def test_nothing_is_known_before_the_morning_after_consent(night: Path) -> None:
    source = FeatureFolder.open(night / "features")
    for when, told in ((day(3), False), (day(4), True)):
        rows = pl.concat(source.chunks(when, (*COLUMNS, "state_day")))
        users = pl.concat(source.chunks(when, ("user_id",)))["user_id"]
        of_late = rows.filter((users == LATE) & (rows["state_day"] == when)).select(COLUMNS).unique().rows()
        assert of_late == ([("b1", pytest.approx(0.1), 1.0)] if told else [(None, None, 0.0)])
        assert rows.filter(users == EARLY).select(COLUMNS).unique().rows() == [("b0", 0.0, 1.0)]
        assert rows.filter(users == 2)["band"].null_count() == (users == 2).sum()
        assert rows.filter(users == 4).select(COLUMNS).unique().rows() == [("b0", None, 0.0)]
        assert rows.filter(users == 3).select(COLUMNS).unique().rows() == [(None, None, 0.0)]
    assert not set(COLUMNS) & set(pl.read_parquet_schema(source.rows(day(4)))), "rows on disk hold no trait"


def test_candidates_know_what_rows_of_that_morning_know(night: Path) -> None:
    source = FeatureFolder.open(night / "features")
    columns = columns_of_rows(source.columns(day(5)))
    rows = pl.concat(source.chunks(day(5), (*columns, *COLUMNS))).filter(pl.col("state_day") == day(5))
    again = candidates(night / "features", rows.select(columns).drop("state_day").lazy(), day(5)).collect()
    assert again.select(COLUMNS).equals(rows.select(COLUMNS))
    later = candidates(night / "features", rows.select(columns).drop("state_day").lazy(), day(3)).collect()
    assert later.filter(pl.col("user_id") == LATE)["band"].null_count() == (rows["user_id"] == LATE).sum() > 0


def test_a_table_that_names_none_holds_none(night: Path, tmp_path: Path) -> None:
    build_table(night / "features", TableConfig(), DAYS, tmp_path / "table")
    plain = TrainingTable.open(tmp_path / "table")
    assert plain.schema.sensitive == () and not {"band", "score"} & {*plain.schema.names, *plain.schema.dense_names}
    assert "sensitive" not in (tmp_path / "table/preprocessor/preprocessor.json").read_text()
    with pytest.raises(ConfigError, match=r"table\.traits names sex; the features stage offers band, score"):
        build_table(night / "features", TableConfig(traits=("sex",)), DAYS, tmp_path / "other")
    with pytest.raises(
        TrainingError, match=r"the trait 'band', which the table does not encode \(it encodes none\): name it"
    ):
        open_problem(plain, Recipe(**PLAIN, traits=("band",)))


def test_they_and_other_days_reach_workers_only_where_they_are_asked_for(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker would do with each task, done here, while the features are not at their place."""
    monkeypatch.setattr(cluster, "_client", lambda *about: contextlib.nullcontext())
    monkeypatch.setattr(cluster, "_results", lambda client, run, tasks, dask: [run(task) for task in tasks])
    plain, told = TableConfig(unobserved_per_impression=0.2), TableConfig(traits=("band", "score"))
    build_table(night / "features", plain, DAYS, tmp_path / "plain")
    for name, config, here in (("plain", plain, tmp_path / "plain"), ("told", told, night / "table")):
        far = ClusterAddress(address="tcp://nobody:1", storage=f"file://{tmp_path}/{name} store")
        with hidden_while_workers_run(night / "features"):
            build_table(night / "features", config, DAYS, tmp_path / f"{name} there", cluster=far)
        assert hash_tree(tmp_path / f"{name} there") == hash_tree(here)
        sent = {path.name for path in (tmp_path / f"{name} store").iterdir()}
        assert (hash_file(night / "features/traits.parquet") in sent) is (config is told)
    encoding = Encoding(night / "features", night / "table/preprocessor")
    rows = pl.scan_parquet(encoding.source.rows(day(4)), hive_partitioning=False)
    states = set(rows.select("state_day").collect()["state_day"])
    assert len(states) < len(list((night / "features/history").iterdir()))
    files = encoding.files(day(4))
    assert {path for path in files if "history" in path.parts} == {
        history_file(night / "features", of) for of in states
    }


def ranker(table: TrainingTable, **changes: Any) -> Ranker:
    torch.manual_seed(0)
    return open_problem(table, Recipe.model_validate({**PLAIN, **changes})).ranker().eval()


def score(model: Ranker, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model.predict(batch).score_B


def with_other_traits(table: TrainingTable, batch: Batch) -> Batch:
    """Return the rows with other values of every trait."""
    ids, dense = batch.ids_BF.clone(), batch.dense_BN.clone()
    column = table.schema.names.index("band")
    first, size = table.schema.offsets[column], table.schema.fields[column][1]
    ids[:, column] = first + (ids[:, column] - first + 1) % size
    for name in ("score", "score_known"):
        dense[:, table.schema.dense_names.index(name)] += 3.0
    return Batch(ids_BF=ids, dense_BN=dense, duration_B=batch.duration_B)


@pytest.mark.parametrize("objective", ["naive", "dr_jl"])
def test_a_recipe_that_does_not_ask_reads_nothing_of_them(table: TrainingTable, batch: Batch, objective: str) -> None:
    changes = {"objective": {"kind": objective}} | ({} if objective == "naive" else {"selection": {"kind": "click"}})
    plain, told = ranker(table, **changes), ranker(table, **changes, traits=["band", "score"])
    other = with_other_traits(table, batch)
    assert torch.equal(score(plain, batch), score(plain, other))
    assert not torch.allclose(score(told, batch), score(told, other))
    if plain.second_encoder is not None:
        seen = [plain.second_encoder(rows).flat_BE for rows in (batch, other)]
        assert torch.equal(*seen), "nor does an auxiliary tower"


def test_a_recipe_reads_the_traits_that_it_names_and_they_are_marked(table: TrainingTable) -> None:
    names = {
        key: FieldLayout.of(ranker(table, traits=traits), {}).names
        for key, traits in (("both", ["band", "score"]), ("one", ["score"]))
    }
    assert {f"{SENSITIVE}band", f"{SENSITIVE}score"} <= set(names["both"])
    assert f"{SENSITIVE}score" in names["one"] and f"{SENSITIVE}band" not in names["one"]
    assert not {"band", "score", "score_known"} & set(names["both"])


@pytest.mark.parametrize(
    "changes",
    [
        {"set_apart": ["band"]},
        {"objective": {"kind": "dr_residual", "fields": ["band"]}, "selection": {"kind": "click"}},
        {"objective": {"kind": "ips"}, "propensity": {"kind": "network", "numbers": ["score"]}},
    ],
)
def test_no_part_reads_a_trait_behind_the_recipe(table: TrainingTable, changes: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="a sensitive attribute that the recipe does not ask for"):
        open_problem(table, Recipe.model_validate({**PLAIN, **changes}))


def test_trees_read_none(table: TrainingTable) -> None:
    columns = TreeColumns.of(table.schema, max_categories=1000)
    assert not set(COLUMNS) & set(columns.names) and "score" in table.schema.dense_names
    encoded = {name: np.array(table.column("fit", name)) for name in ("ids", "dense")}
    matrix = columns.matrix(encoded)
    assert matrix.shape[1] == len(columns.names)
    for place, name in enumerate(columns.numbers):
        np.testing.assert_array_equal(matrix[:, place], encoded["dense"][:, table.schema.dense_names.index(name)])


def test_a_trait_called_like_another_feature_is_refused(night: Path, tmp_path: Path) -> None:
    validated = tmp_path / "validated"
    validated.mkdir()
    for path in (night / "validated").iterdir():
        (validated / path.name).symlink_to(path)
    (validated / "traits.parquet").unlink()
    traits = pl.read_parquet(night / "validated/traits.parquet").rename({"band": "activity"})
    traits.write_parquet(validated / "traits.parquet")
    about = read_json(night / "validated/source.json")
    about["traits"] = {"activity": about["traits"]["band"]}
    (validated / "source.json").unlink()
    write_json(validated / "source.json", about)
    with pytest.raises(ContractError, match="a trait and another feature are called 'activity': rename one"):
        build_features(validated, FEATURES, DAYS, tmp_path / "features", NoCluster())


@pytest.mark.slow
def test_a_served_model_knows_nothing_more_of_who_withdrew_and_of_others_what_it_knew(
    night: Path, tmp_path: Path
) -> None:
    recipe = NamedRecipe("told", Recipe.model_validate({**PLAIN, "traits": ["band", "score"]}), TRAINING)
    train(night / "table", recipe, tmp_path / "bundle", tmp_path / "scratch")
    features = tmp_path / "features"
    features.mkdir()
    for path in (night / "features").iterdir():
        (features / path.name).symlink_to(path)
    judged = [_predicted(tmp_path / "bundle", night / "features", tmp_path / "before")]
    traits = pl.read_parquet(night / "features/traits.parquet")
    (features / "traits.parquet").unlink()
    traits.filter(pl.col("user_id") != WITHDRAWS).write_parquet(features / "traits.parquet")
    judged.append(_predicted(tmp_path / "bundle", features, tmp_path / "after"))
    same = (judged[0][column(SCORE, 0)] == judged[1][column(SCORE, 0)]).to_numpy()
    np.testing.assert_array_equal(same, judged[0]["user_id"].to_numpy() != WITHDRAWS)
    levels = pl.read_parquet(tmp_path / "bundle/preprocessor/vocabularies.parquet").filter(pl.col("field") == "band")
    assert set(levels["key"]) == {"b0", "b1", "b2"}


def _predicted(bundle: Path, features: Path, out: Path) -> pl.DataFrame:
    out.mkdir()
    predict_days(bundle, FeatureDays(features, DAYS.judge), out / "judge.parquet", 1)
    return pl.read_parquet(out / "judge.parquet")
