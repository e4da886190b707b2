"""The schedule against closed forms and brute force, the rates against hand calculation, and the times against a real cluster."""

import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pytest

from benchmarks.cluster_cost import __main__ as of_costs
from benchmarks.cluster_cost.__main__ import main
from benchmarks.cluster_cost.measured import StageRun, _timed
from benchmarks.cluster_cost.night import DRIVER, WORKERS, Cost, Night, Rates
from benchmarks.cluster_cost.schedule import Work, makespan, simulate
from benchmarks.scale import REPOSITORY
from tasks.core.cluster import ClusterAddress, partition_map
from tasks.core.files import write_json


@pytest.mark.parametrize("cores", [1, 3, 7])
def test_equal_tasks_take_as_many_rounds_as_they_fill(cores: int) -> None:
    assert makespan([2.5] * 7, cores) == pytest.approx(2.5 * math.ceil(7 / cores))


def test_dealing_is_within_grahams_bound_of_the_best_assignment() -> None:
    """List scheduling takes at most 2 - 1/m times what the best assignment to m cores takes (Graham 1966)."""
    rng = np.random.default_rng(0)
    for cores in (2, 3):
        for task_s in rng.uniform(0.1, 3, (20, 6)):
            assignments = itertools.product(range(cores), repeat=len(task_s))
            best = min(max(np.bincount(of, task_s, cores)) for of in assignments)
            assert best <= makespan(list(task_s), cores) + 1e-12 <= (2 - 1 / cores) * best + 1e-9


def test_works_wait_for_each_other_and_share_cores_first_come_first_served() -> None:
    works = [
        Work("last", "there", [1.0], ("left", "right")),
        Work("left", "here", [3.0, 1.0]),
        Work("right", "here", [2.0]),
        Work("after left", "here", [5.0], ("left",)),
    ]
    spans = {name: (span.began_s, span.ended_s) for name, span in simulate(works, {"here": 2, "there": 1}).items()}
    assert spans == {"left": (0, 3), "right": (1, 3), "last": (3, 4), "after left": (3, 8)}
    with pytest.raises(ValueError, match="last: they wait for works that are not there, or for each other"):
        simulate(works[:2], {"here": 1, "there": 1})


def test_what_two_workers_take_is_predicted_map_by_map() -> None:
    run = StageRun(wall_s=12.0, maps=[[3.0, 1.0, 1.0], [2.0, 2.0]], span_s=9.0)
    assert run.alone_s == 3
    assert run.predicted_s(1) == 12
    assert run.predicted_s(2) == 3 + 3 + 2, "a map begins when the one before it has ended"


@pytest.fixture(scope="module")
def rates() -> Rates:
    """Rates of the recorded table, with shares and sizes by hand."""
    scale = json.loads((REPOSITORY / "benchmarks/scale/results.json").read_text())["results"]
    folders = ("raw/impressions", "validated/impressions", "features/rows", "features/daily", "features/state", "table")
    shares = {"features": [0.25, 0.25, 0.5], "table": [0.5, 0.5]}
    return Rates.read(scale, {"shares": shares, "bytes_per_row": dict.fromkeys(folders, 100.0)})


def test_rates_are_what_a_row_costs_beyond_the_start(rates: Rates) -> None:
    assert rates.cpu_s["features"] == pytest.approx((257.1 - 22.0) / 9e6, rel=0.01)
    assert rates.memory["features"] == pytest.approx((1600 - 422) * 2**20 / 600_000, rel=0.01)
    assert rates.score_s == pytest.approx((583.3 - 50.0) / (135_000 * 100), rel=0.01)


def test_a_night_on_one_core_takes_what_it_works(rates: Rates) -> None:
    night = Night(rows=1e6, workers=1, cores=1, driver_cores=1)
    cost = Cost.of(night, rates)
    assert cost.hours == pytest.approx(cost.busy_core_hours)
    assert cost.paid_core_hours == pytest.approx(cost.hours + cost.mapped_hours)


def test_more_cores_help_only_as_far_as_there_are_tasks(rates: Rates) -> None:
    whole = [Cost.of(Night(workers=workers), rates) for workers in (4, 16)]
    assert whole[0].hours - whole[1].hours < 0.2, "eight days are eight tasks: only scoring gains"
    divided = [Cost.of(Night(workers=workers, parts=64), rates) for workers in (4, 16)]
    assert divided[1].mapped_hours < divided[0].mapped_hours / 2 < whole[1].mapped_hours / 2
    assert divided[0].busy_core_hours == pytest.approx(whole[0].busy_core_hours)
    first = Cost.of(Night(parts=64, new_days=15), rates)
    assert first.busy_core_hours > divided[1].busy_core_hours
    assert {work.where for work in Night().works(rates)} == {WORKERS, DRIVER}


@pytest.mark.parametrize(
    ("option", "value"), [("rows", "0"), ("rows", "nan"), ("price", "-1"), ("storage", "inf"), ("rows-per-user", "0")]
)
def test_a_number_that_no_night_has_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"--{option}={value}"])
    assert f"argument --{option}: {value} is no finite number above 0" in capsys.readouterr().err


def test_what_was_not_measured_here_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--measured", str(tmp_path / "measured.json"), "--out", str(tmp_path)]) == 2
    assert "make it by `python -m benchmarks.cluster_cost measure`" in capsys.readouterr().err


def test_a_try_is_printed_and_records_nothing(
    rates: Rates, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_costs, "FOLDER", tmp_path / "recorded")
    sizes = {"shares": rates.shares, "bytes_per_row": rates.bytes_per_row, "circumstances": {"commit": "c"}}
    write_json(tmp_path / "measured.json", sizes)
    asked = ["--measured", str(tmp_path / "measured.json"), "--rows", "1e6"]
    assert main(asked) == 0
    assert "# A night of 1e+06 rows a day" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"measured.json"}
    assert main([*asked, "--out", str(tmp_path / "tried")]) == 0
    assert (tmp_path / "tried/cost.md").read_text().startswith("# A night of 1e+06 rows a day")


@pytest.mark.slow
def test_tasks_of_a_real_cluster_are_timed_map_by_map(tmp_path: Path) -> None:
    def stage() -> None:
        with partition_map(ClusterAddress(address=running.scheduler_address), tmp_path) as run:
            run(time.sleep, [0.2, 0.1, 0.1])
            run(time.sleep, [0.1])

    running: Any
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as running,
        distributed.Client(running) as client,
    ):
        client.get_task_stream()
        found = _timed(client, stage)
    assert [sorted(round(seconds, 1) >= 0.1 for seconds in of) for of in found.maps] == [[True] * 3, [True]]
    assert found.predicted_s(1) >= found.alone_s + 0.5
    assert found.span_s >= 0.3
