"""Roles of rows: the judge day chooses nothing, lies after all that was learned from, and holds warm and cold rows alike
(docs/methods/metrics.md#traps)."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.baselines.config import BaselineConfig
from tasks.baselines.constant import Constant
from tasks.baselines.rows import Examples
from tasks.baselines.stage import fit_calibration
from tasks.core.days import Days
from tasks.core.errors import ConfigError
from tasks.evaluate import catalogue
from tasks.evaluate.config import EvaluationConfig
from tasks.evaluate.evaluation import Evaluation, measure
from tasks.evaluate.role import Role, RoleError
from tasks.score.fusion.config import MonotoneConfig
from tasks.score.fusion.fit import fit_fusion
from tasks.table.build import build_table
from tasks.table.columns import open_column
from tasks.table.config import TableConfig
from tests.evaluate.conftest import make_table
from tests.score.fusion.test_fit import SIGNS, a_day
from tests.table.small_night import DAYS
from tests.traps.twins import tells_apart

Select = Callable[[Role], object]


def fusion(role: Role) -> object:
    """Fit the order of several objectives."""
    return fit_fusion(a_day(0, users=40, role=role), SIGNS, MonotoneConfig(kind="monotone"), 5.0)


def calibration(role: Role) -> object:
    """Fit the curves of a baseline."""
    frame = pl.DataFrame({"watch_ms": [1000, 4000], "duration_ms": [9000, 9000], "user_id": [1, 2]})
    fit, rows = Examples("fit", "fit", frame), Examples(role, "rows", frame)
    return fit_calibration(Constant(1.0, 1.0, {}), fit, rows, dt.date(2024, 3, 1), BaselineConfig())


def without_role(role: Role) -> object:
    """Choose by whatever is given: the weight swept on the test split."""
    day = a_day(0, users=40, role=role)
    return max((0.0, 1.0, 2.0), key=lambda weight: float((day.score_B + weight * day.mean_B) @ day.watch_B))


@pytest.mark.parametrize("select", [fusion, calibration])
def test_trap_2_nothing_is_chosen_on_the_judge_day(select: Select) -> None:
    def check(choose: Select) -> None:
        choose("validation")
        try:
            choose("judge")
        except RoleError as error:
            assert "rows of the judge day, which selects nothing: use the validation day" in str(error)
        else:
            raise AssertionError("the judge day chose something")

    tells_apart(check, select, without_role)


def test_trap_12_days_follow_each_other() -> None:
    """A random split is no order of days, and is refused where roles are made."""

    def check(split: Callable[[], tuple[list[dt.date], list[dt.date]]]) -> None:
        learned, judged = split()
        assert max(learned) < min(judged)

    days = [dt.date(2024, 3, 1) + dt.timedelta(days=number) for number in range(9)]

    def of_a_night() -> tuple[list[dt.date], list[dt.date]]:
        night = Days.of_night(days[-1], fit_days=6, lookback=2)
        return [*night.fit, night.validation], list(night.judge)

    def at_random() -> tuple[list[dt.date], list[dt.date]]:
        dealt = [days[number] for number in np.random.default_rng(0).permutation(9)]
        return dealt[:7], dealt[7:]

    tells_apart(check, of_a_night, at_random)
    learned, judged = at_random()
    with pytest.raises(ConfigError, match="must follow each other in time"):
        Days(tuple(learned[:6]), learned[6], tuple(judged), lookback=2)


@pytest.mark.slow
def test_trap_12_rows_that_are_learned_from_were_known_before_the_first_judged_one(night: Path, tmp_path: Path) -> None:
    build_table(night, TableConfig(), DAYS, tmp_path / "table")
    times = {
        split: open_column(tmp_path / "table" / split, "event_time_ms") for split in ("fit", "validation", "judge")
    }
    all_B = np.concatenate(list(times.values()))
    dealt_B = np.random.default_rng(0).permutation(all_B)

    def check(parts: tuple[np.ndarray, np.ndarray]) -> None:
        learned_B, judged_B = parts
        assert learned_B.max() < judged_B.min()

    tells_apart(check, (times["fit"], times["judge"]), (dealt_B[: len(times["fit"])], dealt_B[len(times["fit"]) :]))


@pytest.mark.slow
def test_trap_12_a_verdict_shows_warm_and_cold_rows(tmp_path: Path) -> None:
    """Every row is of a known or a new video, and of a known or a new user; a report of warm rows alone has gaps."""
    frame, config = make_table(rows=2000, users=200), EvaluationConfig(replicates=100, list_lengths=(3,))

    def measured(name: str, rows: pl.DataFrame) -> Evaluation:
        rows.write_parquet(tmp_path / f"{name}.parquet")
        return measure(tmp_path / f"{name}.parquet", config, name=name)

    def check(found: Evaluation) -> None:
        for kind in ("user", "video"):
            parts = {part.value: part for part in found.segments if part.segment == f"is_new_{kind}"}
            assert set(parts) == {f"known {kind}", f"new {kind}"}
            assert sum(part.rows for part in parts.values()) == found.rows
            assert all(np.isfinite(part.metrics["xauc"].value) for part in parts.values())

    warm = frame.filter((pl.col("is_new_video") == 0) & (pl.col("is_new_user") == 0))
    tells_apart(check, measured("all", frame), measured("warm", warm))


def test_trap_12_the_gate_always_asks_about_cold_rows() -> None:
    def check(names: tuple[str, ...]) -> None:
        assert {"xauc_new_user", "xauc_new_video"} <= set(names)

    tells_apart(check, catalogue.compared((), ()), catalogue.TESTED)
