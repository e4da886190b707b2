"""fivetran/great_expectations#11542, #1826: a page of thousands of results takes minutes to make and freezes the browser.

Closed as out of scope: Data Docs were not built for it. dwell renders pages of its own from the results.
"""

import time
from pathlib import Path

import pytest

from tasks.validate.data_docs import write_docs
from tasks.validate.summary import DataSummary
from tasks.validate.verdicts import Verdict

RESULTS = 3_000
DAY = {"day": "2022-05-01", "problems": [], "rows_in": 1, "rows_out": 1, "rows_quarantined": 0, "notes": {}, "mean_watch_s": 1.0,
       "verdicts": {}, "quarantined": {}, "drift": {}, "volume_factor": None}  # fmt: skip
USERS = {"table": "users", "key": "user_id", "rows": 1, "found": {}, "problems": [], "verdicts": {}}
SUMMARY = {"side_tables": {"users": USERS}, "why": {}, "source": "log", "days": [DAY], "passed": True, "rows_in": 1,
           "rows_out": 1, "cleaning": [], "duration_filter": "none"}  # fmt: skip


def bare_page(count: int) -> str:
    """Return the page that Great Expectations makes of some results."""
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    results = [
        ExpectationValidationResult(
            success=True,
            result={"observed_value": 1},
            expectation_config=ExpectationConfiguration(
                "expect_column_max_to_be_between", {"column": f"c{i}", "max_value": 2}
            ),
        )
        for i in range(count)
    ]
    suite = ExpectationSuiteValidationResult(success=True, results=results, suite_name="log", meta={})
    return str(DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(suite)))


@pytest.mark.slow
def test_a_page_of_dwell_holds_thousands_where_one_of_great_expectations_cannot(tmp_path: Path) -> None:
    begun = time.process_time()
    bare = len(bare_page(100)) / 100, (time.process_time() - begun) / 100
    verdicts = [Verdict("maximum", "users", "passed", "1", "at most 2", "mend", column=f"c{i}") for i in range(RESULTS)]
    begun = time.process_time()
    write_docs(tmp_path, DataSummary.model_validate(SUMMARY), {"users": verdicts})
    page = (tmp_path / "users.html").read_text()
    own = len(page) / RESULTS, (time.process_time() - begun) / RESULTS
    assert page.count("at most 2") == RESULTS
    assert own[0] < bare[0] / 5, "characters per result"
    assert own[1] < bare[1] / 5, "seconds per result"
    assert "<script" not in page
