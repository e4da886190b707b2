"""What the page says of the data and of the run itself."""

from tasks.core.machine import this_machine
from tasks.core.timings import StageCost
from tasks.report import Operations
from tasks.report.inputs import Artifacts
from tasks.report.sections.data import drift, volume
from tasks.report.sections.expectations import expectations
from tasks.report.sections.timings import timings
from tasks.validate.summary import CleaningStep
from tests.report.reading import tables, texts, words


class TestData:
    def test_quarantine_adds_up(self, read: dict[str, Artifacts]) -> None:
        summary = read["first"].validation
        reasons = next(table for table in tables(volume(summary)) if table.caption.startswith("Quarantined rows"))
        taken = [int(row[1].replace(",", "")) for row in texts(reasons)]
        assert sum(taken) == summary.rows_in - summary.rows_out
        assert reasons.rows[0].cells[0].detail == "the same row stands there already"

    def test_days_show_late_rows(self, read: dict[str, Artifacts]) -> None:
        section = volume(read["first"].validation)
        newest = texts(tables(section)[0])[0]
        assert newest[:5] == ["2026-01-15", "16,800", "16,500", "300", "158"]
        assert "videos of 5 to 400 s" in words(section)
        assert "Table videos: 5,400 rows; joined tags in tag: 446 rows." in words(section)

    def test_a_clean_source_is_said(self, read: dict[str, Artifacts]) -> None:
        clean = {"cleaning": (CleaningStep(step="raw", taken=0, rows=10),), "duration_filter": "none"}
        summary = read["first"].validation.model_copy(update=clean)
        assert "No row was quarantined." in words(volume(summary))

    def test_what_ingest_set_aside_is_said(self, read: dict[str, Artifacts]) -> None:
        summary = read["first"].validation.model_copy(update={"set_aside": {"implausible_time": 2}})
        assert "2 rows of the source belong to no day and were set aside by ingest: implausible time." in words(
            volume(summary)
        )
        assert "set aside by ingest" not in words(volume(read["first"].validation))

    def test_sensitive_attributes_are_said_to_be_such(self, read: dict[str, Artifacts]) -> None:
        told = {"traits": {"band": "new users"}, "trait_users": {"asked": 1200, "used": 1100}}
        said = words(volume(read["first"].validation.model_copy(update=told)))
        assert "Sensitive attributes of users: band (for new users). Of 1,200 users they may be used of 1,100" in said
        assert "Sensitive" not in words(volume(read["first"].validation))

    def test_drift_is_judged_as_validation_judged_it(self, read: dict[str, Artifacts]) -> None:
        assert texts(tables(drift(read["first"].validation))[0]) == [
            ["watch", "0.1370", "0.0020", "warning"],
            ["scene", "0.0050", "0.0050", "stable"],
        ]

    def test_no_drift_without_days_before(self, read: dict[str, Artifacts]) -> None:
        summary = read["first"].validation
        days = tuple(day.model_copy(update={"drift": {}}) for day in summary.days)
        assert "enough days" in words(drift(summary.model_copy(update={"days": days})))


def test_expectations_count_and_explain(read: dict[str, Artifacts]) -> None:
    section = expectations(read["first"].validation)
    assert "804 rules judged: 1 warning, 33 skipped, 770 passed." in words(section)
    problem = next(table for table in tables(section) if table.caption.startswith("What did not hold"))
    assert texts(problem)[0][:3] == ["2026-01-15", "drift (watch)", "warning"]


class TestTimings:
    def test_stages_that_did_not_run_are_not_counted(self) -> None:
        taken = {
            "ingest": StageCost(seconds=65.4, cpu_seconds=66.0, peak_mib=201.2),
            "train@d2q": StageCost(seconds=75.0, cpu_seconds=80.0, peak_mib=602.0),
        }
        stages = {"ingest": "restored", "train@d2q": "ran", "gate": "ran"}
        section = timings(Operations(stages=stages, timings=taken))
        assert "2 stages ran for 1 min 15 s in all; peak memory of a stage 602 MiB; 1 were" in words(section)
        assert texts(tables(section)[0])[0] == ["ingest", "restored", "1 min 05 s", "201"]
        assert texts(tables(section)[0])[2][2:] == ["\N{EN DASH}", "\N{EN DASH}"]
        here = this_machine()
        said = words(timings(Operations(stages=stages, timings=taken, machine=here)))
        assert f"Computed on {here.cpu}, {here.cores} cores" in said
        assert "Computed on" not in words(section), "archives of earlier versions do not say"

    def test_the_stage_of_the_pipeline_holds_none(self) -> None:
        assert "holds no timings" in words(timings(None))
