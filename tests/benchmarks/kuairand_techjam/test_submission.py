"""A submission as written is what is read back; what the organisers reject is refused, with its line."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.kuairand_techjam.rows import SPLITS, TaskRows
from benchmarks.kuairand_techjam.submission import SubmissionError, main, read_scores, write
from tests.benchmarks.kuairand_techjam.layout import SMALL


def test_scores_come_back_as_they_were(parts: Mapping[str, TaskRows], tmp_path: Path) -> None:
    rows = parts["test"]
    score_B = np.random.default_rng(0).normal(size=len(rows)) * 10.0 ** np.arange(-8, len(rows) - 8).clip(max=8)
    path = write(rows, score_B, tmp_path / "submission.csv")
    assert path.read_text().splitlines()[0] == "row_id,user_id,video_id,score"
    assert read_scores(path, rows).tobytes() == score_B.tobytes()


def line(number: int, by: Callable[[list[str]], str]) -> Callable[[list[str]], list[str]]:
    """Return a change of one line, from 1."""
    return lambda lines: [*lines[: number - 1], by(lines[number - 1].split(",")), *lines[number:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (line(1, lambda _: "row,user_id,video_id,score"), "its header is 'row,user_id,video_id,score'"),
        (lambda lines: lines[:-1], "has 175 rows, the part has 176"),
        (lambda lines: [*lines[:3], "2", *lines[4:]], "line 4: user_id is None"),
        (line(4, lambda fields: ",".join(["7", *fields[1:]])), "line 4: row_id is '7' where the log has '2'"),
        (line(4, lambda fields: ",".join([fields[0], "99", *fields[2:]])), "line 4: user_id is '99'"),
        (lambda lines: [lines[0], *sorted(lines[1:], key=lambda row: row.split(",")[1])], "row_id is .* without a gap"),
        (line(6, lambda fields: ",".join([*fields[:3], "NaN"])), "line 6: score is 'NaN'; write a finite number"),
        (line(6, lambda fields: ",".join([*fields[:3], "inf"])), "line 6: score is 'inf'"),
        (line(6, lambda fields: ",".join([*fields[:3], "high"])), "line 6: score is 'high'"),
        (line(6, lambda fields: ",".join([*fields[:3], ""])), "line 6: score is None"),
    ],
    ids=["header", "count", "fields", "gap", "pair", "order", "NaN", "Inf", "word", "empty"],
)  # fmt: skip
def test_what_would_be_rejected_is_refused(
    parts: Mapping[str, TaskRows], tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    rows = parts["test"]
    path = write(rows, np.arange(len(rows)) / 7, tmp_path / "submission.csv")
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(SubmissionError, match=message):
        read_scores(path, rows)


def test_a_score_that_is_not_finite_is_never_written(parts: Mapping[str, TaskRows], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 of 176 values are NaN or infinite"):
        write(parts["test"], np.append(np.zeros(175), np.nan), tmp_path / "submission.csv")
    with pytest.raises(ValueError, match="3 scores for 176 rows"):
        write(parts["test"], np.zeros(3), tmp_path / "submission.csv")
    assert not list(tmp_path.iterdir())


def test_the_command_writes_and_checks(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SPLITS, "small", SMALL)
    path, where = str(tmp_path / "submission.csv"), ["--data", str(layout), "--split", "small"]
    assert main(["write", "popularity", path, *where]) == 0
    assert main(["check", path, *where]) == 0
    assert capsys.readouterr().out.count("176 rows of test") == 2
    assert main(["check", path, *where, "--part", "valid"]) == 1
    assert "has 176 rows, the part has 88" in capsys.readouterr().err
    assert main(["check", path, "--data", str(layout)]) == 1
    assert "no row of date" in capsys.readouterr().err
