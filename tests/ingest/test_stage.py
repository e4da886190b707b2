"""The ingest stage: re-use, window, manifests, and that a failure loses nothing."""

import datetime as dt
import errno
from pathlib import Path

import polars as pl
import pytest

from tasks.core.cluster import LocalCluster
from tasks.core.days import Days
from tasks.core.errors import ConfigError, SourceError, StorageError
from tasks.core.files import hash_file, hash_tree, read_json
from tasks.ingest import data_path, default_as_of, first_day, ingest
from tasks.ingest.config import KuaiRandConfig, SourceConfig
from tasks.ingest.source import CAPABILITIES
from tasks.simulate.config import SimulatorConfig

SMALL = SimulatorConfig(users=50, videos=40, new_users_per_day=5, new_videos_per_day=4, impressions_per_day=300)
FIRST = SMALL.start_day


def night(day: int) -> Days:
    return Days.of_night(FIRST + dt.timedelta(days=day), 2, 2)


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    first = ingest(SMALL, night(6), tmp_path)
    assert len(first.written) == len(first.days) == 6
    before = hash_tree(tmp_path)
    assert ingest(SMALL, night(6), tmp_path).written == ()
    assert hash_tree(tmp_path) == before


def test_the_next_night_equals_a_full_rebuild(tmp_path: Path) -> None:
    ingest(SMALL, night(6), tmp_path / "moved")
    moved = ingest(SMALL, night(7), tmp_path / "moved")
    ingest(SMALL, night(7), tmp_path / "fresh")
    assert moved.written == (FIRST + dt.timedelta(days=7),)
    assert hash_tree(tmp_path / "moved") == hash_tree(tmp_path / "fresh")


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes(tmp_path: Path) -> None:
    ingest(SMALL, night(6), tmp_path / "here")
    ingest(SMALL, night(6), tmp_path / "there", LocalCluster(workers=2))
    assert hash_tree(tmp_path / "there") == hash_tree(tmp_path / "here")


def test_days_before_the_source_are_left_out(tmp_path: Path) -> None:
    result = ingest(SMALL, night(4), tmp_path)
    assert result.days == tuple(FIRST + dt.timedelta(days=i) for i in range(5))
    assert first_day(tmp_path) == FIRST


def test_too_few_days_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs at least 2 fit days .* choose as_of 2026-01-04 or later"):
        ingest(SMALL, night(2), tmp_path)
    with pytest.raises(SourceError, match=r"night 2025-12-31 lies outside: choose as_of"):
        ingest(SMALL, night(-1), tmp_path)


def test_a_damaged_partition_is_made_again(tmp_path: Path) -> None:
    ingest(SMALL, night(6), tmp_path)
    before = hash_tree(tmp_path)
    day = FIRST + dt.timedelta(days=3)
    (tmp_path / f"impressions/day={day}/part.parquet").write_bytes(b"PAR1 cut")
    (tmp_path / f"impressions/day={FIRST + dt.timedelta(days=4)}/manifest.json").write_text("{")
    assert ingest(SMALL, night(6), tmp_path).written == (day, day + dt.timedelta(days=1))
    assert hash_tree(tmp_path) == before


def test_another_configuration_makes_every_day_again(tmp_path: Path) -> None:
    ingest(SMALL, night(6), tmp_path)
    changed = SMALL.model_copy(update={"rho": 0.1})
    assert len(ingest(changed, night(6), tmp_path).written) == 6
    ahead = changed.model_copy(update={"as_of": FIRST + dt.timedelta(days=20)})
    assert ingest(ahead, night(6), tmp_path).written == ()


def test_manifest_counts_the_rows(tmp_path: Path) -> None:
    result = ingest(SMALL, night(6), tmp_path)
    total = 0
    for day in result.days:
        manifest = read_json(tmp_path / f"impressions/day={day}/manifest.json")
        part = tmp_path / f"impressions/day={day}/part.parquet"
        assert manifest["rows_in"] == manifest["rows_out"] == pl.read_parquet(part).height
        assert manifest["output"] == hash_file(part)
        assert {"key", "inputs", "code", "rows_quarantined"} <= set(manifest)
        assert str(tmp_path) not in str(manifest)
        total += manifest["rows_out"]
    assert total == result.rows


def test_source_json_says_what_the_log_records(tmp_path: Path) -> None:
    ingest(SMALL, night(6), tmp_path)
    about = read_json(tmp_path / "source.json")
    assert about == {
        "name": "simulator",
        "timezone": "Asia/Shanghai",
        "first_day": "2026-01-01",
        "capabilities": list(CAPABILITIES),
        "scenes": list(range(15)),
    }


def test_first_day_of_a_folder_without_source_json(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"source.json does not name the source's first day"):
        first_day(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_failed_write_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    ingest(SMALL, night(6), tmp_path / "raw")
    before = hash_tree(tmp_path / "raw/impressions")

    def fail(*_: object) -> int:
        raise OSError(number, "simulated")

    monkeypatch.setattr("tasks.ingest.simulator.write_day", fail)
    with pytest.raises(StorageError, match=r"could not write .*day=2026-01-08"):
        ingest(SMALL, night(7), tmp_path / "raw")
    assert hash_tree(tmp_path / "raw/impressions") == before


def test_a_full_disk_while_parting_files_is_named(
    kuairand: Path, night: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "raw")
    before = hash_tree(tmp_path / "raw")
    log = kuairand / "data/log_standard_4_25_to_4_30_pure.csv"
    log.write_text(log.read_text().replace(",9000,", ",9001,"))

    def full(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("parquet: underlying IO error: No space left on device (os error 28)")

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", full)
    with pytest.raises(StorageError, match=r"could not part .*log_standard.*free some space"):
        ingest(KuaiRandConfig(path=str(kuairand)), night, tmp_path / "raw")
    assert hash_tree(tmp_path / "raw") == before


def test_an_unchanged_file_is_not_indexed_again(
    kuairand: Path, night: Days, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = KuaiRandConfig(path=str(kuairand))
    ingest(config, night, tmp_path / "raw")
    monkeypatch.setattr("tasks.ingest.logs.index_file", lambda *_: pytest.fail("the file was read again"))
    assert ingest(config, night, tmp_path / "raw").written == ()


def test_default_night_and_data_path(kuairand: Path) -> None:
    sources: list[tuple[SourceConfig, dt.date, str]] = [
        (SMALL, dt.date(2026, 1, 15), "tasks/simulate"),
        (KuaiRandConfig(path=str(kuairand)), dt.date(2022, 4, 30), str(kuairand)),
    ]
    for source, as_of, path in sources:
        assert default_as_of(source) == as_of
        assert str(data_path(source)) == path


def test_configuration_is_cheap_to_import() -> None:
    import subprocess
    import sys

    code = "import sys, tasks.ingest.config; sys.exit('polars' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
