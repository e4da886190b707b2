"""Each part of the page says what its artifact says."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tasks.evaluate.off_policy import ExposureOverlap
from tasks.gate.decision import Retired
from tasks.report.config import ReportConfig
from tasks.report.formatting import NOTHING
from tasks.report.inputs import Artifacts
from tasks.report.page import leaders_of
from tasks.report.sections.by_segment import by_segment
from tasks.report.sections.calibration import calibration
from tasks.report.sections.challengers import challengers, check_name
from tasks.report.sections.exposure import exposure
from tasks.report.sections.leaders import leaders
from tasks.report.sections.lineage import lineage
from tasks.report.sections.summary import top
from tasks.report.sections.training import training
from tests.report.reading import flat, tables, texts, words

Nights = Mapping[str, Any]


class TestTop:
    @pytest.mark.slow
    def test_first_night_says_there_was_no_champion(self, read: dict[str, Artifacts]) -> None:
        found = top(read["first"], None)
        assert (found.verdict, found.tone) == ("Promoted", "good")
        assert found.headline == "d2q becomes the first champion (there was none before), and serves 2026-01-16."
        assert found.reasons[0].startswith("d2q beats every trivial baseline")
        assert found.facts[0].label == "Best candidate, d2q (promoted): XAUC over item user effects"
        assert found.facts[0].detail.endswith("all 10 conditions hold") and found.facts[0].tone == "good"

    def test_refresh_names_the_champion_it_replaces(self, read: dict[str, Artifacts]) -> None:
        found = top(read["later"], None)
        assert (
            found.headline
            == "d2q, refitted on newer data, replaces the champion d2q of night 2026-01-14, and serves 2026-01-16."
        )
        assert found.facts[0].label == "Best candidate, d2q (promoted): XAUC over champion (d2q)"
        assert any("wlr_mmoe was refused" in reason and "enough judge days" in reason for reason in found.reasons)

    def test_a_champion_that_stays_serves(self, read: dict[str, Artifacts]) -> None:
        night = read["later"]
        verdicts = tuple(verdict.model_copy(update={"passed": False}) for verdict in night.decision.challengers)
        kept = {"verdict": "keep", "kind": "keep", "winner": None, "challengers": verdicts}
        found = replace(night, decision=night.decision.model_copy(update=kept))
        assert top(found, None).headline == "The champion stays: d2q of night 2026-01-14 serves 2026-01-16."
        assert found.serving is found.model("champion")

    def test_nothing_serves_where_nothing_passed(self, read: dict[str, Artifacts]) -> None:
        found = top(read["refused"], None)
        assert (found.verdict, found.tone) == ("Nothing serves", "bad")
        assert "nothing serves 2026-01-16" in found.headline
        assert read["refused"].serving is None

    def test_a_forced_promotion_is_marked(self, read: dict[str, Artifacts]) -> None:
        night = read["later"]
        found = top(replace(night, decision=night.decision.forced("wlr_mmoe", "the launch cannot wait")), None)
        assert found.verdict == "Promoted by force"
        assert found.reasons[0] == "A person overruled the gate: the launch cannot wait."
        assert found.headline.endswith("and is the champion from the next night on.")
        assert found.reasons[1] == "The lists on this page were made before, by what the gate had let serve."

    def test_what_needs_a_look_is_listed(self, read: dict[str, Artifacts]) -> None:
        attention = top(read["later"], None).attention
        assert "1 data rule warned or failed (2026-01-15): see Expectations." in attention
        assert "wlr_mmoe did not learn like: too few positives in the fit days." in attention
        assert any("seed 0: its calibrator broke a guard" in remark for remark in attention)


@pytest.mark.slow
def test_every_number_that_has_an_interval_shows_it(read: dict[str, Artifacts]) -> None:
    night = read["later"]
    sections = [
        challengers(night),
        leaders(night, leaders_of(night)),
        by_segment(night, ReportConfig()),
        exposure(night),
    ]
    named = ("XAUC", "XGAUC", "MAE", "RMSE", "Total error", "Worst decile", "Difference", "Challenger", "Reference")
    seen = 0
    for table in (table for section in sections for table in tables(section)):
        for row in table.rows:
            for head, cell in zip(table.heads, row.cells, strict=True):
                if head.text in named and any(letter.isdigit() for letter in cell.text):
                    seen += 1
                    assert cell.detail, f"{table.caption}: {row.cells[0].text}, {head.text} stands without its interval"
    assert seen > 200


class TestChallengers:
    def test_every_condition_of_the_gate_is_shown(self, read: dict[str, Artifacts]) -> None:
        night = read["later"]
        shown = {
            row[0] for table in tables(challengers(night)) if table.heads[0].text == "Condition" for row in texts(table)
        }
        assert shown == {check_name(check) for verdict in night.decision.challengers for check in verdict.checks}

    def test_failed_conditions_come_with_their_reason(self, read: dict[str, Artifacts]) -> None:
        failed = next(
            table for table in tables(challengers(read["later"])) if table.caption == "Conditions that do not hold"
        )
        name, status, reason = next(row for row in texts(failed) if row[0] == "enough judge days")
        assert (name, status) == ("enough judge days", "failed")
        assert reason.startswith("An upgrade needs 7 judge days, has 1; 1 night of evidence, ")

    def test_first_night_compares_with_the_baselines(self, read: dict[str, Artifacts]) -> None:
        section = challengers(read["first"])
        assert "There is no champion yet" in words(section)
        against = next(table for table in tables(section) if table.caption.startswith("Against the baselines"))
        assert [row[0] for row in texts(against)] == ["duration table", "item user effects"]

    @pytest.mark.parametrize("night", ["first", "refused"])
    def test_a_retired_champion_is_named_with_the_reason(self, read: dict[str, Artifacts], night: str) -> None:
        retired = Retired(entry="feedfacefeedface", lacks=("<b>",))
        decision = read[night].decision.model_copy(update={"retired": retired, "champion": None})
        found = replace(read[night], decision=decision, champion=None)
        assert f"The champion feedfacefeedface was retired: {retired.reason}." in words(challengers(found))
        assert "feedfacefeedface was retired" in top(found, None).headline

    def test_no_comparison_is_said(self, read: dict[str, Artifacts]) -> None:
        night = read["refused"]
        bare = tuple(verdict.model_copy(update={"compared": ()}) for verdict in night.decision.challengers)
        found = replace(night, decision=night.decision.model_copy(update={"challengers": bare}))
        assert "there was nothing to compare it with" in words(challengers(found))


class TestLeaders:
    def test_best_first_with_the_column_each_metric_reads(self, read: dict[str, Artifacts]) -> None:
        night = read["later"]
        values = tables(leaders(night, leaders_of(night)))[0]
        xauc = [float(row[1]) for row in texts(values)]
        assert xauc == sorted(xauc, reverse=True)
        assert len(xauc) == 5
        assert {head.text: head.detail for head in values.heads}["MAE"] == "watch_median"
        assert [row.cells[0].text for row in values.rows if row.marked] == ["d2q"]

    def test_no_baselines_is_said(self, read: dict[str, Artifacts]) -> None:
        night = read["refused"]
        assert "No baseline was computed" in words(leaders(night, leaders_of(night)))


def test_only_the_largest_scenes_are_shown(read: dict[str, Artifacts]) -> None:
    night = read["first"]
    section = by_segment(night, ReportConfig(segments=("scene", "hour_block"), max_scenes=3))
    scenes = next(table for table in tables(section) if table.caption.startswith("By scene"))
    sizes = sorted((part.rows for part in night.focus.segments if part.segment == "scene"), reverse=True)
    shown = sorted((int(row[1].replace(",", "")) for row in texts(scenes)), reverse=True)
    assert shown == sizes[:3]
    assert "9 smaller ones in segments.json" in scenes.caption


def test_a_segment_that_was_not_computed_is_said(read: dict[str, Artifacts]) -> None:
    night = read["first"]
    models = tuple(
        replace(model, segments=[part for part in model.segments if part.segment != "hour_block"])
        for model in night.models
    )
    page = words(by_segment(replace(night, models=models), ReportConfig(segments=("scene", "hour_block"))))
    assert "Not computed this night: hour of the day" in page


def test_calibration_plots_the_serving_seed(read: dict[str, Artifacts]) -> None:
    night = read["first"]
    section = calibration(night)
    captions = [chart.caption for block in flat(section) if block.kind == "charts" for chart in block.charts]
    assert {"Fast skip, by predicted probability.", "Long view, by predicted probability."} <= set(captions)
    table = next(table for table in tables(section) if table.caption.endswith("d2q, seed 1"))
    bins = [row for row in night.focus.reliability if row.table == "duration_decile" and row.seed == 1]
    assert [row[2] for row in texts(table)] == [f"{found.predicted:.2f}" for found in bins]


def test_training_shows_epochs_frozen_tasks_and_refused_calibrators(read: dict[str, Artifacts]) -> None:
    section = training(read["first"])
    assert "Frozen for want of positives: like" in words(section)
    seeds = next(table for table in tables(section) if table.caption.startswith("wlr_mmoe on the validation day"))
    assert [row[-1] for row in texts(seeds)] == ["refused", "kept"]
    assert [(row.cells[1].text, row.cells[1].detail) for row in seeds.rows] == [("2", "of 4"), ("3", "of 4")]


class TestExposure:
    def test_random_rows_and_the_truth_stand_beside_logged_ones(self, read: dict[str, Artifacts]) -> None:
        section = exposure(read["later"])
        outright = [block for block in section.blocks if block.kind == "table"]
        assert [table.caption for table in outright] == ["XAUC by model and population"]
        folded = [block.summary for block in section.blocks if block.kind == "details"]
        assert folded[:-1] == ["XGAUC", "MAE", "RMSE", "Total error", "AUC long view"]

    def test_exposures_stand_side_by_side(self, read: dict[str, Artifacts]) -> None:
        night = read["later"]
        overview = tables(exposure(night))[0]
        heads = ["Model", "Logged", "New users", "New videos", "At random", "Truth", "Truth, no noise"]
        assert [head.text for head in overview.heads] == heads
        row = next(row for row in overview.rows if row.cells[0].text == "d2q")
        model = night.model("d2q")
        parts, segments = model.metrics.random_exposure, {(part.segment, part.value): part for part in model.segments}
        new = [segments[name, words] for name, words in (("is_new_user", "new user"), ("is_new_video", "new video"))]
        exposed = [parts["logged"], parts["random"], model.truth["truth"], model.truth["truth_expected"]]
        logged, *others = [part.metrics["xauc"].value for part in exposed]
        expected = [logged, *(part.metrics["xauc"].value for part in new), *others]
        assert [cell.text for cell in row.cells[1:]] == [f"{value:.4f}" for value in expected]
        baseline = next(row for row in overview.rows if row.cells[0].text == "duration table")
        assert baseline.cells[5].text == NOTHING

    def test_estimates_apart_from_the_truth_are_named(self, read: dict[str, Artifacts]) -> None:
        night = read["later"]
        truth = night.focus.truth["truth"]
        far = truth.metrics["mae"].model_copy(update={"value": 90.0, "low": 89.0, "high": 91.0})
        shifted = truth.model_copy(update={"metrics": {**truth.metrics, "mae": far}})
        model = replace(night.focus, truth={"truth": shifted})
        models = tuple(model if other is night.focus else other for other in night.models)
        assert "At random in MAE" in words(exposure(replace(night, models=models)))
        assert "lies apart" not in words(exposure(night))

    def test_weights_that_cannot_be_right_are_doubted(self, read: dict[str, Artifacts]) -> None:
        night = read["later"]
        logged = night.focus.metrics.random_exposure["logged"]

        def told(mean_weight: float) -> str:
            weights = ExposureOverlap(rows=4000, mean_weight=mean_weight, max_weight=9.5, effective_rows=3636.0)
            exposures = {"ips": logged.model_copy(update={"diagnostics": weights}), "logged": logged}
            metrics = night.focus.metrics.model_copy(update={"random_exposure": exposures})
            models = tuple(replace(model, metrics=metrics, truth={}) for model in night.models)
            section = exposure(replace(night, models=models))
            rows = tables(section)[-1]
            assert rows.rows[0].cells[[head.text for head in rows.heads].index("IPS")].detail == "3,636 effective"
            return words(section)

        assert "The mean importance weight is 0.0035 and should be near 1" in told(0.0035)
        assert "mean importance weight" not in told(1.08)

    def test_without_them_it_says_so(self, read: dict[str, Artifacts]) -> None:
        section = exposure(read["first"])
        assert [head.text for head in tables(section)[0].heads] == ["Model", "Logged", "New users", "New videos"]
        assert "no randomly exposed rows" in words(section)


def test_lineage_names_inputs_and_says_how_to_repeat(made_nights: Nights, read: dict[str, Artifacts]) -> None:
    section = lineage(read["later"], made_nights["later"].key)
    key = dict(texts(tables(section)[0]))
    assert (key["Night (as_of)"], key["Seeds"], key["Champion challenged"]) == ("2026-01-15", "0, 1", "entry-of-d2q")
    assert key["Decision"] == read["later"].decision.id
    commands = [line for block in flat(section) if block.kind == "commands" for line in block.lines]
    assert "dwell nightly --as-of 2026-01-15 --source simulator" in commands
    assert any(line.startswith("dwell rollback") for line in commands)
    hashes = dict(texts(next(table for table in tables(section) if table.caption == "SHA-256")))
    assert len(hashes["judge table of d2q"]) == 64
