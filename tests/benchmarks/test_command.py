"""A benchmark whose data is absent says which file it expects where, and ends with status 1."""

from pathlib import Path

import pytest

from benchmarks.kuairand_techjam.__main__ import BENCHMARK as TECHJAM
from benchmarks.kuaivideo_x1.__main__ import BENCHMARK as KUAIVIDEO
from benchmarks.parts.command import Benchmark


@pytest.mark.parametrize(
    ("benchmark", "part", "expected"),
    [
        (TECHJAM, "public", "log_standard_*_pure.csv"),
        (TECHJAM, "days_at_hand", "log_standard_*_pure.csv"),
        (KUAIVIDEO, "public", "holds no train.csv and no test.csv: unpack KuaiVideo_x1.zip"),
        (KUAIVIDEO, "days_at_hand", "log_standard_*_pure.csv"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_expected_where_is_said(
    benchmark: Benchmark, part: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "KuaiRand-Pure").mkdir()
    assert benchmark.main([part, "--data", str(tmp_path), "--out", str(tmp_path / "results")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: part {part}: {tmp_path}")
    assert expected in said
    assert not (tmp_path / "results").exists()
