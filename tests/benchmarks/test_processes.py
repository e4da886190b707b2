"""What the benchmark of several processes measures, by one process on few ids; tests/train/test_processes.py starts two."""

import json

import pytest

from benchmarks import gpu, processes


@pytest.mark.slow
def test_steps_are_measured_and_written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = tuple((name, max(size // 1000, 4)) for name, size in gpu.SCHEMA.fields)
    monkeypatch.setattr(gpu, "SCHEMA", gpu.SCHEMA.model_copy(update={"fields": sizes}))
    assert processes.main(["--json", "--processes", "1", "--batch", "64", "32", "--steps", "2"]) == 0
    found = [processes.Measured(**of) for of in json.loads(capsys.readouterr().out)]
    assert [(of.processes, of.batch) for of in found] == [(1, 64), (1, 32)]
    assert all(of.rows_per_second > 0 and of.cpu_seconds > 0 and of.peak_mib > 50 for of in found)
    lines = processes.table([*found, processes.Measured(2, 32, 2_000.4, 31.26, 512.4)])
    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| 32", "1"], ["| 32", "2"], ["| 64", "1"]]
    assert lines[3] == "| 32 | 2 | 2,000 | 31.3 | 512 |"
