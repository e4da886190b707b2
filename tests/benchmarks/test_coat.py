from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.debias import coat
from benchmarks.debias.__main__ import BENCHMARK
from benchmarks.debias.coat_methods import not_for_pairs, on_biased_mf
from benchmarks.debias.coat_tables import better
from benchmarks.pairs.scoring import Estimate
from benchmarks.parts.part import Options, Table
from benchmarks.parts.report import write_part
from models.objectives import OBJECTIVES
from tasks.core.files import read_json
from tasks.report import charts


@pytest.mark.slow
def test_a_quick_run_gives_all_tables(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    data = shared_data("coat").parent
    tables = coat.run(Options(data=data, seeds=(0,), scratch=tmp_path, quick=True))
    titles = [table.title for table in tables]
    assert titles[0] == "Floors (both variants)"
    assert sum("Honest" in title for title in titles) == 5
    for table in tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows), table.title


def test_every_registered_objective_has_a_row_or_a_reason() -> None:
    rows = {candidate.method.recipe.objective.kind for candidate in on_biased_mf()}
    assert rows | set(not_for_pairs()) == set(OBJECTIVES)


def test_better_asks_for_the_whole_interval() -> None:
    floor = Estimate(0.7, np.full(100, 0.7), ())
    clear, unsure = Estimate(0.8, np.linspace(0.75, 0.85, 100), ()), Estimate(0.72, np.linspace(0.68, 0.76, 100), ())
    assert better(clear, floor, "auc")
    assert not better(unsure, floor, "auc")
    assert not better(clear, floor, "brier")
    assert better(floor, clear, "brier")


def test_results_say_where_and_how_they_were_made(tmp_path: Path) -> None:
    table = Table("Title", ["method", "AUC"], [["a|b", ".700"]], ["A note."], {"a|b": 0.7})
    path = write_part(
        "Debiasing benchmark: coat", "coat", [table], [0, 1], "python -m benchmarks.debias coat", 3.2, tmp_path
    )
    text = path.read_text()
    assert "| a\\|b | .700 |" in text
    assert "- A note." in text
    assert "Run it: `python -m benchmarks.debias coat`" in text
    document = read_json(tmp_path / "coat.json")
    assert document["results"] == {"Title": {"a|b": 0.7}}
    assert document["seeds"] == [0, 1]
    assert {"date", "commit", "cpu", "torch", "seconds"} <= set(document["circumstances"])


def test_a_drawing_stands_beside_its_table_as_a_file_that_browsers_open(tmp_path: Path) -> None:
    figure = charts.intervals([("naive", 0.7, 0.6, 0.8)], "AUC", "AUC of one method")
    table = Table("Title", ["method", "AUC"], [["naive", ".700"]], figure=figure)
    page = write_part("A benchmark: a part", "part", [table], [0], "command", 1.0, tmp_path)
    assert "![Title](part-1.svg)" in page.read_text()
    assert ElementTree.parse(tmp_path / "part-1.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        BENCHMARK.main(["unknown"])
    assert "semi_synthetic" in capsys.readouterr().err
