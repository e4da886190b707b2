"""The servers that dwell starts answer nobody without the password, which only its owner can read."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from flows.credentials import FILE, guarded
from tasks.core.errors import StorageError

PASSWORD = "PREFECT_API_AUTH_STRING"


def test_a_password_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = guarded(tmp_path, {})
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert (tmp_path / FILE).read_text().strip() == first[PASSWORD] == first["PREFECT_SERVER_API_AUTH_STRING"]
    assert len(first[PASSWORD]) > 40
    assert guarded(tmp_path, {}) == first
    assert [path.name for path in (tmp_path / FILE).parent.iterdir()] == [Path(FILE).name]
    (tmp_path / FILE).unlink()
    assert guarded(tmp_path, {})[PASSWORD] != first[PASSWORD]


@pytest.mark.parametrize("name", [PASSWORD, "PREFECT_SERVER_API_AUTH_STRING"])
def test_a_password_of_the_environment_is_taken(tmp_path: Path, name: str) -> None:
    found = guarded(tmp_path, {name: "me:secret"})
    assert found[PASSWORD] == found["PREFECT_SERVER_API_AUTH_STRING"] == "me:secret"
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    ("mode", "text", "said"), [(0o640, "a:" + "b" * 20, "can be read by others"), (0o600, "", "holds no password")]
)
def test_a_password_that_others_know_is_not_used(tmp_path: Path, mode: int, text: str, said: str) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(text)
    (tmp_path / FILE).chmod(mode)
    with pytest.raises(StorageError, match=f"{said}.*delete it for a new"):
        guarded(tmp_path, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "password", "status"),
    [(None, None, 401), (None, "dwell:guess", 401), ("http://evil.example", None, 401), (None, "right", 200)],
)
def test_the_server_asks_for_it(
    prefect_server: dict[str, str], origin: str | None, password: str | None, status: int
) -> None:
    url = prefect_server["PREFECT_API_URL"]
    user, _, word = (os.environ[PASSWORD] if password == "right" else password or "").partition(":")
    answer = requests.get(
        f"{url}/admin/version", headers={"Origin": origin or ""}, auth=(user, word) if password else None, timeout=30
    )
    assert answer.status_code == status
    assert answer.headers.get("Access-Control-Allow-Origin") is None


@pytest.mark.slow
def test_the_server_takes_no_change_without_a_token_of_its_own(prefect_server: dict[str, str]) -> None:
    """What a page in the browser of somebody who is logged in could send."""
    user, _, word = os.environ[PASSWORD].partition(":")
    answer = requests.post(
        f"{prefect_server['PREFECT_API_URL']}/flow_runs/filter",
        json={}, headers={"Origin": "http://evil.example"}, auth=(user, word), timeout=30,
    )  # fmt: skip
    assert answer.status_code == 403


@pytest.mark.slow
def test_the_embedded_server_is_guarded_too(tmp_path: Path, embedded_home: Callable[[Path], Path]) -> None:
    """On 127.0.0.1, with the password of the workspace: its own client is answered, nobody else."""
    embedded_home(tmp_path)
    code = (
        "from pathlib import Path; from flows import environment; environment.prepare(Path.cwd())\n"
        "import requests, os\n"
        "from prefect.client.orchestration import get_client\n"
        "with get_client(sync_client=True) as client:\n"
        "    url = str(client.api_url)\n"
        "    client.read_flow_runs()\n"
        "    print(url, requests.get(url.rstrip('/') + '/admin/version', timeout=30).status_code)\n"
    )
    left_out = ("PREFECT_API_URL", PASSWORD, "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_HOME")
    variables = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    url, status = done.stdout.split()[-2:]
    assert url.startswith("http://127.0.0.1:") and status == "401"
