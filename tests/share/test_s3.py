"""The same through S3: a real server process that speaks it, credentials from the environment."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests

from flows.embedded import free_port
from tasks.core.errors import StorageError
from tests.share.place import Place

pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket; the environment says where and who."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _wait(endpoint)
        given = {
            "ENDPOINT_URL": endpoint,
            "ACCESS_KEY_ID": "key",
            "SECRET_ACCESS_KEY": "secret",
            "DEFAULT_REGION": "us-east-1",
        }
        for name, value in given.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        boto3.client("s3").create_bucket(Bucket="nights")
        yield "s3://nights/of/clips"
    finally:
        server.kill()
        server.wait()


def _wait(endpoint: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            requests.get(endpoint, timeout=2)
            return
        except requests.RequestException:
            assert time.monotonic() < until, "the S3 server did not start"
            time.sleep(0.2)


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
    assert "of/clips/dwell/index.json" in keys


def test_a_bucket_that_is_not_there_is_named(bucket: str, tmp_path: Path) -> None:
    one = Place(tmp_path / "one", "s3://elsewhere/nights")
    one.night(1, winner="a")
    with pytest.raises(StorageError, match=r"remote store \(elsewhere/nights/dwell\): could not"):
        one.push()
