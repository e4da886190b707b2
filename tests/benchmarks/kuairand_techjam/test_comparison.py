"""The whole table on four real days: every method, and dwell's own stages beside them."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.kuairand_techjam.comparison import NETWORK, TITLES, tables
from benchmarks.kuairand_techjam.rows import Split
from benchmarks.parts.part import Options


@pytest.mark.slow
def test_a_quick_run_gives_all_rows(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    first = dt.date(2022, 4, 25)
    days = [first + dt.timedelta(days=i) for i in range(4)]
    split = Split("four days", (days[0], days[1]), (days[2], days[2]), (days[3], days[3]))
    found, ladder = tables(split, Options(shared_data("KuaiRand-Pure").parent, (0,), tmp_path, quick=True))
    assert [row[0] for row in found.rows] == [*list(TITLES.values())[:-1], NETWORK, TITLES["oracle"]]
    reached = {name: numbers["primary"][0] for name, numbers in found.numbers.items()}
    assert reached["random"] < min(reached["popularity"], reached["fm"], reached["network"])
    assert reached["oracle"] == max(reached.values())
    assert "not to be compared" in ladder.notes[0]
