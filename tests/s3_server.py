"""A server process that speaks S3, with one bucket, for all tests of a worker."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def store_server() -> Iterator[dict[str, str]]:
    """What the environment says of a server that holds the bucket `nights`: where it is, and who asks."""
    import boto3  # a second, and only some tests need it

    from flows.embedded import free_port

    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    about = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        _wait(about["AWS_ENDPOINT_URL"])
        with pytest.MonkeyPatch.context() as patched:
            for name, value in about.items():
                patched.setenv(name, value)
            boto3.client("s3").create_bucket(Bucket="nights")
        yield about
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(store_server: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An empty folder of the bucket; the environment says where and who."""
    for name, value in store_server.items():
        monkeypatch.setenv(name, value)
    return f"s3://nights/{request.node.name}"


def _wait(endpoint: str) -> None:
    import requests

    until = time.monotonic() + 60
    while True:
        with contextlib.suppress(requests.RequestException):
            requests.get(endpoint, timeout=2)
            return
        assert time.monotonic() < until, "the S3 server did not start"
        time.sleep(0.2)
