"""The image: what is built, from what, and as whom it runs."""

import importlib.metadata
import os
import re
import subprocess
from pathlib import Path

import pytest

from infra.docker.prune import superfluous
from tests.infra.dockerfile import findings
from tests.test_lock import REPOSITORY, normal

TEXT = (REPOSITORY / "infra/docker/Dockerfile").read_text()
PROJECT = REPOSITORY / "pyproject.toml"


def test_the_dockerfile_keeps_the_rules() -> None:
    assert findings(TEXT, REPOSITORY) == []


@pytest.mark.parametrize(
    ("right", "wrong", "finding"),
    [
        ("BASE_IMAGE=python:3.11-slim-bookworm", "BASE_IMAGE=python:latest", "is not pinned"),
        ("BASE_IMAGE=python:3.11-slim-bookworm", "BASE_IMAGE=python", "is not pinned"),
        ("FROM ${BASE_IMAGE} AS base", "FROM python:3.11 AS base", "the base is no argument"),
        ("USER 10001:10001\n", "", "runs as root"),
        ("USER 10001:10001\n", "USER 0:0\n", "runs as 0:0"),
        ("USER 10001:10001\n", "USER dwell\n", "runs as dwell"),
        ("HEALTHCHECK NONE", "RUN chown -R 10001 /opt/venv", "after USER"),
        ("COPY flows flows", "COPY flow flow", "COPY flow: there is none"),
        ("COPY flows flows", "COPY tests tests", ".dockerignore leaves it out"),
        ("COPY flows flows", "ADD flows flows", "use COPY"),
        ("--require-hashes --requirement /tmp", "--requirement /tmp", "without --require-hashes"),
        ("--no-cache-dir --no-deps --require", "--no-deps --require", "keeps a cache or resolves"),
        (" --no-install-recommends", "", "recommended packages"),
        ("ARG TORCH=cpu", "ARG TORCH=cpu\nARG UNUSED=1", "ARG UNUSED is not used"),
        ("ENV HOME=/tmp", "ENV API_TOKEN=x HOME=/tmp", "a secret would stay"),
        ('ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]', "ENTRYPOINT entrypoint.sh", "ENTRYPOINT is no list"),
    ],
)  # fmt: skip
def test_a_wrong_twin_is_found(right: str, wrong: str, finding: str) -> None:
    assert right in TEXT
    assert any(finding in found for found in findings(TEXT.replace(right, wrong), REPOSITORY))


@pytest.mark.parametrize("build", ["cpu", "cuda"])
def test_the_lock_that_an_argument_chooses_holds_one_version_with_hashes(build: str) -> None:
    """What torch's builds need beside requirements.lock; that names no package of CUDA, and torch once."""
    text = (REPOSITORY / f"requirements.{build}.lock").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    names = [line.partition("==")[0] for line in lines if not line.startswith("    --hash=sha256:")]
    assert names and all(re.fullmatch(r"[a-z0-9-]+==[^ ]+ \\", line) for line in lines if line[0] != " ")
    assert len(lines) > len(names)
    if build == "cpu":
        assert names == ["torch"]
    else:
        main = re.findall(r"^([\w.-]+)==", (REPOSITORY / "requirements.lock").read_text(), re.MULTILINE)
        assert all(re.match("nvidia-|cuda-|triton", name) for name in names)
        assert not set(names) & {normal(name) for name in main}


@pytest.mark.slow
def test_what_only_developers_need_is_pruned_and_what_runs_stays() -> None:
    pruned = superfluous(PROJECT, ["s3"])
    assert {"pytest", "mypy", "ruff", "moto", "hypothesis", "coverage", "mkdocs-material"} <= set(pruned)
    needed = {"torch", "prefect", "asyncpg", "dvc-s3", "botocore", "polars", "great-expectations", "duckdb", "pip"}
    assert not needed & set(pruned)
    rest = {normal(found.metadata["Name"]) for found in importlib.metadata.distributions()} - set(pruned)
    assert len(rest) > 100 and "dvc-s3" in superfluous(PROJECT, [])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What the image holds below /opt/dwell, with one file of each folder."""
    root = tmp_path / "image"
    for name in ("flows", "tasks", "models", ".dvc"):
        (root / name).mkdir(parents=True)
    text = (REPOSITORY / "infra/docker/entrypoint.sh").read_text()
    (listed,) = re.findall(r"for name in flows tasks models (.*); do", text)
    for name in (*listed.split(), "params.yaml", ".dvc/config", "flows/a.py", "tasks/a.py", "models/a.py"):
        (root / name).write_text("of the first image")
    (tmp_path / "image.code").write_text("1")
    (tmp_path / "workspace").mkdir()
    return root


def enter(image: Path, *command: str) -> str:
    """Run a command as the image does."""
    return subprocess.run(
        ["sh", REPOSITORY / "infra/docker/entrypoint.sh", *command], text=True, check=True, capture_output=True,
        env=os.environ | {"DWELL_HOME": str(image.parent / "workspace"), "DWELL_IMAGE": str(image)},
    ).stdout  # fmt: skip


def test_a_new_image_brings_its_code_and_keeps_the_configuration(image: Path) -> None:
    workspace = image.parent / "workspace"
    assert enter(image, "echo", "two words") == "two words\n"
    assert (workspace / "params.yaml").read_text() == "of the first image"
    assert (workspace / ".git").is_dir()
    (workspace / "params.yaml").write_text("of the operator")
    (workspace / "tasks/a.py").write_text("touched while the image is the same")
    enter(image, "true")
    assert (workspace / "tasks/a.py").read_text().startswith("touched")
    (image / "tasks/a.py").rename(image / "tasks/b.py")
    (image.parent / "image.code").write_text("2")
    enter(image, "true")
    assert [path.name for path in (workspace / "tasks").iterdir()] == ["b.py"]
    assert (workspace / "params.yaml").read_text() == "of the operator"
