"""The table of a night that selects rows: what is written, what stays whole, and what may not move a draw."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from models.weights import effective_sample_size
from tasks.core.contract import KEY
from tasks.core.errors import ContractError
from tasks.core.files import hash_tree
from tasks.core.layout import partition
from tasks.table.build import build_table
from tasks.table.columns import open_column, open_columns
from tasks.table.config import TableConfig
from tasks.table.selection.config import Selected, SelectionConfig
from tasks.table.selection.select import DRAWN, select_rows
from tasks.table.selection.summary import SelectionSummary
from tasks.table.training_table import SPLITS, TrainingTable
from tests.table.small_night import DAYS, TIMEZONE, rewrite_rows

KINDS: dict[str, dict[str, Any]] = {
    "uniform": {"kind": "uniform", "share": 0.3},
    "users": {"kind": "uniform", "share": 0.4, "unit": "user"},
    "rare": {"kind": "rare", "share": 0.3, "power": 1.0},
    "search": {"kind": "search", "share": 0.4, "clusters": 6},
}


def config(kind: str, **changes: Any) -> TableConfig:
    return TableConfig(selection=TypeAdapter(SelectionConfig).validate_python(KINDS[kind] | changes))


@pytest.fixture(scope="module")
def table(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of a night that selects nothing."""
    build_table(features, TableConfig(), DAYS, out := tmp_path_factory.mktemp("plain") / "table")
    return out


@pytest.fixture(scope="module")
def tables(features: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The table of each kind."""
    found = {}
    for kind in KINDS:
        build_table(features, config(kind), DAYS, out := tmp_path_factory.mktemp(kind) / "table")
        found[kind] = out
    return found


def drawn_from(table: Path, kind: str, out: Path, **changes: Any) -> SelectionSummary:
    """Select from the fit rows of a table that stands."""
    selection = config(kind, **changes).selection
    assert isinstance(selection, Selected)
    return select_rows(table / "fit", selection, DAYS.fit[-1], TIMEZONE, out / DRAWN, out / "selected")


@pytest.mark.parametrize("kind", KINDS)
def test_selected_rows_are_those_of_the_record_with_one_over_their_probability(
    kind: str, tables: dict[str, Path]
) -> None:
    opened = TrainingTable.open(tables[kind])
    drawn, fit = pl.read_parquet(opened.folder / DRAWN), opened.columns("fit")
    for name in KEY:  # every row of the split, in its order
        np.testing.assert_array_equal(drawn[name], fit[name])
    kept_R = drawn["kept"].to_numpy()
    selected = opened.columns("selected")
    assert {*selected} == {*fit, "weight"}
    for name in {*fit} - {"history_index"}:
        np.testing.assert_array_equal(selected[name], fit[name][kept_R])
    np.testing.assert_array_equal(selected["weight"], 1 / drawn["probability"].to_numpy()[kept_R])
    whole, part = (open_columns(opened.split(name) / "history") for name in ("fit", "selected"))
    for name, values in whole.items():
        np.testing.assert_array_equal(part[name][selected["history_index"]], values[fit["history_index"][kept_R]])
    assert len(part["ratio"]) <= len(whole["ratio"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_summary_says_what_weights_are_worth(kind: str, tables: dict[str, Path]) -> None:
    opened = TrainingTable.open(tables[kind])
    found, weight_S = opened.metadata.selection, open_column(opened.split("selected"), "weight")
    assert found is not None
    assert (found.pool, found.kept) == (opened.metadata.rows["fit"], len(weight_S))
    assert abs(found.kept / found.pool - KINDS[kind]["share"]) < 0.12
    assert found.effective == effective_sample_size(np.array(weight_S)) <= found.kept + 1e-6
    assert found.largest_weight == weight_S.max() <= 1 / 0.05 + 1e-9
    watch_s = opened.column("fit", "watch_s").astype(np.float64)
    assert found.pool_watch_s == pytest.approx(watch_s.mean())
    assert abs(found.weighted_watch_s - found.pool_watch_s) < 3.5 * found.error_s
    relative = opened.pool_weights()
    assert relative is not None
    np.testing.assert_allclose(relative, weight_S / weight_S.mean())


@pytest.mark.parametrize("unit", ["row", "user"])
def test_the_standard_error_is_the_spread_of_draws(unit: str, table: Path, tmp_path: Path) -> None:
    """The spread of 30 draws, within what a chi-square of 29 degrees allows."""
    found = [drawn_from(table, "uniform", tmp_path, unit=unit, seed=seed, share=0.2) for seed in range(30)]
    ratio = np.std([one.weighted_watch_s for one in found], ddof=1) / np.mean([one.error_s for one in found])
    assert 0.65 < ratio < 1.4
    assert sum(one.agrees for one in found) >= 24


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_counted_over_the_fit_days_is_that_of_a_night_that_selects_nothing(
    kind: str, table: Path, tables: dict[str, Path]
) -> None:
    for part in (*SPLITS, "preprocessor"):
        assert hash_tree(tables[kind] / part) == hash_tree(table / part)
    plain, selects = TrainingTable.open(table), TrainingTable.open(tables[kind])
    assert not (table / "selected").exists() and not (table / DRAWN).exists()
    assert '"selection"' not in (table / "table.json").read_text()
    assert (plain.stepped, selects.stepped) == ("fit", "selected")
    assert plain.pool_weights() is None
    assert {*selects.learned_hashes} - {*plain.learned_hashes} == {"selected"}


@pytest.mark.parametrize("kind", KINDS)
def test_another_draw_from_the_same_rows_has_the_same_bytes(kind: str, tables: dict[str, Path], tmp_path: Path) -> None:
    drawn_from(tables["uniform"], kind, tmp_path)
    assert (tmp_path / DRAWN).read_bytes() == (tables[kind] / DRAWN).read_bytes()
    assert hash_tree(tmp_path / "selected") == hash_tree(tables[kind] / "selected")


def test_neither_chunks_nor_the_order_of_rows_move_a_draw(
    own_features: Callable[[], Path], tables: dict[str, Path], tmp_path: Path
) -> None:
    """Partitions may come from workers in another order of rows, and be read in other parts."""
    changed = own_features()
    path = partition(changed / "rows", DAYS.fit[1])
    pl.read_parquet(path, hive_partitioning=False).reverse().write_parquet(path)
    build_table(changed, TableConfig(), DAYS, tmp_path / "t", chunk_rows=97)
    for kind in ("uniform", "users", "rare"):
        drawn_from(tmp_path / "t", kind, tmp_path)
        before, after = pl.read_parquet(tables[kind] / DRAWN), pl.read_parquet(tmp_path / DRAWN)
        assert not before.equals(after)
        assert before.sort(KEY).equals(after.sort(KEY))


def test_neither_labels_of_the_rows_nor_later_days_move_a_draw(
    own_features: Callable[[], Path], tables: dict[str, Path], tmp_path: Path
) -> None:
    """Watch times and flags of all fit days are dealt anew; of the validation and judge day every other row is gone."""
    changed = own_features()
    labels = ["watch_ms", "skip", "long_view", "valid_play", "like", "click"]
    for day in DAYS.fit:
        rewrite_rows(changed, day, [pl.col(name).reverse() for name in labels])
    for day in (DAYS.validation, *DAYS.judge):
        path = partition(changed / "rows", day)
        pl.read_parquet(path, hive_partitioning=False).gather_every(2).write_parquet(path)
    build_table(changed, TableConfig(), DAYS, tmp_path / "t")
    for kind in KINDS:
        drawn_from(tmp_path / "t", kind, tmp_path)
        assert (tmp_path / DRAWN).read_bytes() == (tables[kind] / DRAWN).read_bytes(), kind


def test_rows_of_rare_videos_are_likelier(tables: dict[str, Path]) -> None:
    drawn = pl.read_parquet(tables["rare"] / DRAWN)
    videos = drawn.group_by("video_id").agg(
        pl.len(), pl.col("probability").n_unique().alias("values"), pl.first("probability")
    )
    assert (videos["values"] == 1).all()
    inside = videos.filter((pl.col("probability") > 0.05) & (pl.col("probability") < 1))
    product = (inside["len"] * inside["probability"]).to_numpy()
    np.testing.assert_allclose(product, product[0], rtol=1e-9)


def test_users_who_resemble_the_last_fit_day_are_likelier(own_features: Callable[[], Path], tmp_path: Path) -> None:
    """On that day all requests are alike in a feature, which half of the users have on all days."""
    changed = own_features()
    for day in DAYS.fit:
        alike = pl.lit(day == DAYS.fit[-1]) | (pl.col("user_id") < 30)
        rewrite_rows(changed, day, pl.when(alike).then(4.0).otherwise(-4.0).cast(pl.Float32).alias("hour_sin"))
    build_table(changed, TableConfig(), DAYS, tmp_path / "t")
    drawn_from(tmp_path / "t", "search", tmp_path, share=0.5)
    drawn = pl.read_parquet(tmp_path / DRAWN)
    near, far = (
        drawn.filter(where)["probability"].mean() for where in (pl.col("user_id") < 30, pl.col("user_id") >= 30)
    )
    assert near > 0.2 + far


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, r"weight\.npy is gone: rows were selected, and each counts by 1 / its probability"),
        (lambda path: np.save(path, np.ones(3)), r"does not hold a finite weight of 1 or more for each of"),
        (lambda path: np.save(path, np.load(path) * np.nan), r"does not hold a finite weight"),
        (lambda path: np.save(path, np.load(path) * 0.01), r"does not hold a finite weight"),
    ],
)
def test_no_row_has_a_weight_by_default(
    spoil: Callable[[Path], None], says: str, tables: dict[str, Path], tmp_path: Path
) -> None:
    spoilt = Path(shutil.copytree(tables["uniform"], tmp_path / "t"))
    spoil(spoilt / "selected/weight.npy")
    with pytest.raises(ContractError, match=says):
        TrainingTable.open(spoilt).pool_weights()


def test_a_draw_that_keeps_nothing_is_refused(table: Path, tmp_path: Path) -> None:
    rows = TrainingTable.open(table).metadata.rows["fit"]
    with pytest.raises(ContractError, match=rf"kept none of {rows} rows of the fit days: raise share"):
        drawn_from(table, "uniform", tmp_path, share=1e-6)


def test_a_share_below_the_least_probability_is_refused() -> None:
    with pytest.raises(
        ValidationError, match=r"share 0.02 cannot be reached, since no probability is below least 0.05"
    ):
        config("rare", share=0.02)
