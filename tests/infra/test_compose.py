"""The topology on one machine."""

import subprocess

import pytest

from tests.infra.compose import findings
from tests.test_lock import REPOSITORY

FOLDER = REPOSITORY / "infra/docker"
TEXT, EXAMPLE = (FOLDER / "compose.yaml").read_text(), (FOLDER / "example.env").read_text()


def test_the_topology_keeps_the_rules() -> None:
    assert findings(TEXT, EXAMPLE, REPOSITORY) == []


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("image: ${POSTGRES_IMAGE:-postgres:15.10-bookworm}", "image: postgres:latest", "postgres:latest is not pinned"),
        ("image: ${POSTGRES_IMAGE:-postgres:15.10-bookworm}", "image: postgres", "postgres is not pinned"),
        ("127.0.0.1:4200:4200", "4200:4200", "server: port 4200:4200 is published beyond loopback"),
        ("127.0.0.1:4200:4200", "0.0.0.0:4200:4200", "published beyond loopback"),
        ("{condition: service_completed_successfully}", "{}", "worker: waits for setup under no condition"),
        ("setup: {condition", "store: {condition: service_healthy}\n      setpu: {condition", "waits for setpu"),
        ("    healthcheck:\n      test: [CMD, mc", "    labels:\n      test: [CMD, mc", "health of store"),
        ("workspace: {}", "worskpace: {}", "worker: volume workspace is not declared"),
        ("outside: {}", "outsiders: {}", "server: network outside is not declared"),
        ("inside: {internal: true}", "inside: {}", "is on no internal network"),
        ("  networks: [inside]\n  restart", "  networks: [inside, outside]\n  restart", "reaches the world"),
        ("${POSTGRES_PASSWORD:?set it in infra/docker/.env}\n    volumes", "prefect\n    volumes", "POSTGRES_PASSWORD"),
        ("read_only: true", "read_only: false", "read_only is False"),
        ("cap_drop: [ALL]", "cap_drop: []", "cap_drop is []"),
        ("TORCH: ${TORCH", "TROCH: ${TORCH", "build argument TROCH"),
        ('"${DWELL_WEBHOOK_BLOCK:-}"', "", "DWELL_WEBHOOK_BLOCK is empty"),
        ("${S3_BUCKET:?", "${S3_NAME:?", "S3_NAME is not in the example"),
    ],
)  # fmt: skip
def test_a_wrong_twin_is_found(right: str, wrong: str, finding: str) -> None:
    assert right in TEXT
    assert any(finding in found for found in findings(TEXT.replace(right, wrong), EXAMPLE, REPOSITORY))


def test_what_the_example_names_beyond_is_found() -> None:
    assert findings(TEXT, EXAMPLE + "UNUSED=1\n", REPOSITORY) == ["UNUSED of the example is asked for nowhere"]


def test_git_never_takes_the_passwords() -> None:
    for name in ("infra/docker/.env", "infra/kubernetes/secret.yaml"):
        assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=REPOSITORY).returncode == 0
    assert not [
        line for line in EXAMPLE.splitlines() if line.startswith(("PREFECT_", "POSTGRES_P", "AWS_")) and line[-1] != "="
    ]
