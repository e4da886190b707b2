"""The same through S3: a real server process that speaks it, credentials from the environment."""

from pathlib import Path

import boto3
import pytest

from tasks.core.errors import StorageError
from tests.share.place import Place

pytestmark = pytest.mark.slow


def test_nights_reach_another_place_through_a_bucket(bucket: str, tmp_path: Path) -> None:
    one, other = Place(tmp_path / "one", bucket), Place(tmp_path / "other", bucket)
    one.night(1, winner="a")
    one.push()
    other.pull()
    other.night(2, winner="b")
    other.push()
    assert one.pull() == "1 events of the ledger, 1 registry entries, 2 archived nights, 0 proposals"
    assert one.shared() == other.shared()
    assert one.nights.registry.status() == other.nights.registry.status()
    keys = {item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket="nights")["Contents"]}
    assert f"{bucket.removeprefix('s3://nights/')}/dwell/index.json" in keys


def test_a_bucket_that_is_not_there_is_named(bucket: str, tmp_path: Path) -> None:
    one = Place(tmp_path / "one", "s3://elsewhere/nights")
    one.night(1, winner="a")
    with pytest.raises(StorageError, match=r"remote store \(elsewhere/nights/dwell\): could not"):
        one.push()
