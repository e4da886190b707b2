"""The watch-time benchmark on one small simulated night: every part of its machinery runs on real stages."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.watchtime import bins
from benchmarks.watchtime.bins import QUICK_ARMS, differences, levels, measured, steps_of
from benchmarks.watchtime.blend import Blender, members
from benchmarks.watchtime.correction import ARMS, recalibrated
from benchmarks.watchtime.grid import TRUNKS, heads, recipe_of
from benchmarks.watchtime.heads import against_reference, grid_table
from benchmarks.watchtime.measure import Number, Outputs, Scored
from benchmarks.watchtime.nights import METRICS, Night
from benchmarks.watchtime.reference import REFERENCES
from models.heads import HEADS
from tasks.table.columns import open_column
from tasks.train.trees.config import TreesRecipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night.of(tmp_path_factory.mktemp("night"), seed=0, number=0, quick=True)


def test_the_grid_holds_every_head_on_every_trunk() -> None:
    assert set(heads()) == set(HEADS)
    assert {recipe_of("d2q", trunk).trunk.kind for trunk in TRUNKS} == {"shared_bottom", "mmoe", "ple"}
    assert recipe_of("d2q", "alone").task_names == ("watch_time",)
    assert "skip" in recipe_of("d2q", "ple").task_names
    assert set(REFERENCES) <= set(HEADS)


def test_a_cell_is_measured_on_logged_rows_and_against_the_truth_once(night: Night) -> None:
    found = night.measure("d2q", "alone")
    assert set(found) == set(METRICS)
    assert all(np.isfinite(value) for value in found.values())
    assert 0.5 < found["expected_xauc"] < 1
    bundle = night.testbed.fit("d2q_alone", recipe_of("d2q", "alone"))
    before = (bundle / "manifest.json").stat().st_mtime_ns
    assert night.measure("d2q", "alone") == found
    assert (bundle / "manifest.json").stat().st_mtime_ns == before


def test_own_decodes_are_measured_where_a_head_has_them(night: Night) -> None:
    mean_only = night.testbed.measure("wlr_alone", recipe_of("wlr", "alone")).metrics
    median_only = night.testbed.measure("d2q_alone", recipe_of("d2q", "alone")).metrics
    assert "native_mean_rmse" in mean_only and "native_median_mae" not in mean_only
    assert "native_median_mae" in median_only and "native_mean_rmse" not in median_only


def test_blending_a_model_with_itself_keeps_its_order(night: Night) -> None:
    bundle = night.testbed.fit("d2q_alone", recipe_of("d2q", "alone"))
    member = members(night.testbed, bundle)[0]
    blended, validation_xauc = Blender(night.testbed).blend([member, member])
    # Percentiles are a curve of finitely many knots that is flat outside its reference: order may tie, not turn.
    order = np.argsort(member.judge["score"], kind="stable")
    assert (np.diff(blended.score_B[order]) >= 0).all()
    outputs, own = Blender(night.testbed).alone(member)
    np.testing.assert_array_equal(outputs.score_B, member.judge["score"])
    assert validation_xauc == pytest.approx(own, abs=2e-3)


def test_trees_and_recipes_blend_on_the_same_rows(night: Night) -> None:
    blender = Blender(night.testbed)
    member = members(night.testbed, night.testbed.fit("d2q_alone", recipe_of("d2q", "alone")))[0]
    trees = members(night.testbed, night.testbed.fit("trees", TreesRecipe(fits=1, max_rounds=20)))[0]
    blended, _ = blender.blend([member, trees])
    found = night.testbed.score({0: blended}).metrics
    assert 0.5 < found["xauc"].value < 1
    assert np.isfinite(found["rmse"].value)


def outputs(rows: int) -> Outputs:
    values = np.arange(rows, dtype=np.float64)
    return Outputs(values, values, values, None, values, {"skip": values})


def test_outputs_are_joined_and_taken_by_row() -> None:
    joined = Outputs.join([outputs(2), outputs(3)])
    assert joined.score_B.tolist() == [0, 1, 0, 1, 2]
    assert joined.native_mean_B is None
    taken = joined.take(np.array([4, 0]))
    assert taken.probability["skip"].tolist() == [2, 0]
    assert taken.native_median_B is not None and taken.native_median_B.tolist() == [2, 0]


def scored(xauc_value: float, sd: float) -> Scored:
    def number(value: float) -> Number:
        return Number(value=value, low=value, high=value, seed_sd=sd, per_seed=(value,))

    names = (
        "xgauc",
        "xgauc_across_days",
        "mae",
        "rmse",
        "tre_signed",
        "dce_rel",
        *(f"native_median_{m}" for m in ("mae", "rmse", "tre")),
    )
    return Scored(metrics={"xauc": number(xauc_value), **{name: number(0.5) for name in names}})


@pytest.mark.parametrize(("value", "sd", "verdict"), [(0.6711, 0.0, "yes"), (0.6710, 0.0, "no"), (0.65, 0.02, "yes")])
def test_the_reference_is_reached_within_two_standard_deviations(value: float, sd: float, verdict: str) -> None:
    (row,) = against_reference({"d2q": scored(value, sd)}).rows
    assert row[0] == "d2q" and row[-1] == verdict


def test_the_table_puts_the_best_order_first() -> None:
    table = grid_table("heads", {"d2q": scored(0.66, 0.001), "tr_log": scored(0.67, 0.001)}, rows=10)
    assert [row[0] for row in table.rows] == ["tr_log", "d2q"]
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_same_fit_is_calibrated_without_and_with_a_correction(night: Night, tmp_path: Path) -> None:
    bundle = night.testbed.fit("wlr_alone", recipe_of("wlr", "alone"))
    (own,), plain, corrected, ranked = (
        list(night.testbed.outputs(bundle).values()),
        *(
            night.testbed.outputs(recalibrated(night.testbed, bundle, ARMS[arm], tmp_path / arm))[0]
            for arm in ("plain", "dadf", "dadf, ranked by")
        ),
    )
    np.testing.assert_array_equal(plain.mean_B, own.mean_B)
    np.testing.assert_array_equal(corrected.score_B, own.score_B)
    np.testing.assert_array_equal(corrected.mean_B, ranked.mean_B)
    np.testing.assert_array_equal(corrected.native_mean_B, own.native_mean_B)
    assert (ranked.score_B != own.score_B).any()


def test_bins_that_grow_are_measured_beside_fixed_ones_at_equal_steps(night: Night) -> None:
    steps = steps_of(night, epochs=2)
    found = {arm: [measured(night, arm, epochs=2)] * 2 for arm in QUICK_ARMS}
    assert [arm.bins for arm in found] == [bins.AGAINST, "8 to 128 bins"]
    assert all(0.5 < worlds[0]["xauc"] < 1 and worlds[0]["cpu_s"] > 0 for worlds in found.values())
    (row,) = differences(found).rows
    assert row[:2] == ["cread", "8 to 128 bins"] and len(levels(found, steps).rows) == 2
    head = QUICK_ARMS[1].recipe(steps).head
    assert head.model_dump()["progressive_steps"] == steps == 2 * -(-night_rows(night) // 512)
    assert len({(arm.head, arm.bins) for arm in bins.ARMS}) == len(bins.ARMS)


def night_rows(night: Night) -> int:
    """Return the rows of the fit days, counted from their column."""
    return len(open_column(night.testbed.table / "fit", "watch_s"))
