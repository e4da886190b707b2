"""Whole nights on a small simulated world: a server, a worker and a deployment; three drivers, one result; a way back."""

import contextlib
import datetime as dt
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
import yaml
from filelock import FileLock
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import LogFilter, LogFilterLevel
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.alerts import raise_alarm
from flows.notify import WEBHOOK_VARIABLE
from flows.weekly import weekly
from tasks.core.errors import ContractError, NightError
from tasks.core.files import hash_tree
from tasks.core.layout import Workspace
from tasks.core.predictions import SECONDS_AND_SCORE, column
from tasks.lineage.columns import NightColumns
from tasks.mlflow.night import read_night
from tasks.report.library import share_library
from tasks.table.preprocessor import Preprocessor
from tasks.validate.config import RowRulesConfig
from tests.flows import golden
from tests.flows.declared import run_night
from tests.flows.small_night import dwell, lock, run
from tests.lineage.conform import problems

pytestmark = pytest.mark.slow

OUTPUTS = ("data", "artifacts", "metrics", "plots")


def outputs(root: Path) -> dict[str, str]:
    return {name: hash_tree(root / name) for name in OUTPUTS}


@pytest.fixture(scope="module")
def told(prefect_server: dict[str, str]) -> Iterator[list[str]]:
    """What the webhook of the installation is told, as it comes in."""
    texts = list[str]()

    class Sink(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}):
            Webhook(url=f"http://127.0.0.1:{server.server_address[1]}").save("sink")
        yield texts
        server.shutdown()


@pytest.fixture
def server(prefect_server: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with (
        temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        yield client


def comes(told: list[str], text: str, within_s: float = 60) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until and not any(text in one for one in told):
        time.sleep(0.2)
    return any(text in one for one in told)


@pytest.fixture(scope="module")
def installation(
    decided: Path, tmp_path_factory: pytest.TempPathFactory, prefect_server: dict[str, str], told: list[str]
) -> Iterator[Path]:
    """A workspace whose deployments are registered and served by one worker."""
    root = shutil.copytree(decided, tmp_path_factory.mktemp("night") / "workspace")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["nightly"] |= {"site_url": "http://dwell.example/nights", "lineage": True, "mlflow": True}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    nobody = "http://127.0.0.1:9"
    webhook = {WEBHOOK_VARIABLE: "sink", "OPENLINEAGE_URL": nobody, "MLFLOW_TRACKING_URI": nobody}
    deployed = run(["flows.cli", "deploy"], root, **prefect_server, **webhook)
    assert deployed.returncode == 0, deployed.stdout[-3000:]
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "dwell", "--type", "process"]
    log = (root / "worker.log").open("w")
    often = {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    worker = subprocess.Popen(
        command, cwd=root, env=os.environ | prefect_server | webhook | often, stdout=log, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    yield root
    os.killpg(worker.pid, signal.SIGKILL)  # it has no run left to end well, and asked politely it takes half a minute
    worker.wait()
    log.close()


def test_cron_schedules_the_nights_to_come(installation: Path, server: SyncPrefectClient) -> None:
    times: list[dt.datetime] = []
    until = time.monotonic() + 60
    while not times and time.monotonic() < until:
        times = [run.expected_start_time for run in server.read_flow_runs() if run.auto_scheduled]
        time.sleep(0.2)
    assert times, "the scheduler made no run: check the pins of fastapi and SQLAlchemy"
    hours = {moment.astimezone(dt.UTC).strftime("%H:%M") for moment in times}
    assert "18:30" in hours, "02:30 in Shanghai"
    assert hours <= {"18:30", "00:00"}, "08:00 there on Sundays, the week"


@pytest.fixture(scope="module")
def night(installation: Path, prefect_server: dict[str, str]) -> Path:
    """The second night, run by the worker."""
    command = ["prefect", "deployment", "run", "nightly/nightly", "--param", "as_of=2026-01-16", "--watch"]
    done = run(["flows.cli", *command], installation, **prefect_server)
    assert done.returncode == 0, done.stdout[-2000:] + (installation / "worker.log").read_text()[-3000:]
    assert "Completed" in done.stdout or "finished successfully" in done.stdout
    return installation


def test_a_deployed_night_is_archived(night: Path) -> None:
    archive = night / "nights/simulator/2026-01-16"
    assert (archive / "report.html").stat().st_size > 10_000
    stages = list(lock(night)["stages"])
    assert stages == sorted(stages), "whichever of two ended first"
    assert {"dvc.lock", "run.yaml", "params.yaml", "decision.json"} <= {path.name for path in archive.iterdir()}
    kept = json.loads((archive.parent / "headlines/2026-01-16.json").read_text())
    assert kept["models"].keys() == {"d2q", "champion"} and kept["metrics"] in kept["models"].values()
    assert all(one["low"] < one["value"] < one["high"] for one in kept["models"]["d2q"].values())
    read = read_night(Workspace(night), "simulator", dt.date(2026, 1, 16), None)
    assert read.metrics["champion/xauc"] == kept["models"]["champion"]["xauc"]["value"]
    assert (
        read.params["recipe/d2q"].startswith('{"balance": ') and read.tags["dwell.version"] and read.began < read.ended
    )


def test_people_hear_of_a_night_and_find_its_page(night: Path, server: SyncPrefectClient, told: list[str]) -> None:
    assert comes(told, "night 2026-01-16 of simulator is decided")
    page = night / "site/simulator/2026-01-16/report.html"
    archived = share_library((night / "nights/simulator/2026-01-16/report.html").read_bytes(), "../../")
    assert archived is not None and page.read_bytes() == archived.html
    assert (night / "site" / archived.name).read_bytes() == archived.script
    assert "XAUC of 2 nights, the last" in (night / "site/simulator/index.html").read_text()
    alarm = 'scene "7" <b>moved</b>\nfar'
    links = [found.data for found in server.read_artifacts() if found.key == "report"]
    raise_alarm("simulator", alarm)
    assert comes(told, alarm)
    assert any("(http://dwell.example/nights/simulator/2026-01-16/report.html)" in str(link) for link in links)


def test_a_night_tells_what_it_read_and_made_and_a_receiver_that_is_down_does_not_stop_it(
    night: Path, server: SyncPrefectClient
) -> None:
    warned = server.read_logs(LogFilter(level=LogFilterLevel(ge_=logging.WARNING)))
    said = (
        "the lineage of night 2026-01-16 of simulator was not told: the receiver that OPENLINEAGE_URL names took 0 of"
    )
    assert any(record.message.startswith(said) for record in warned)
    said = "night 2026-01-16 of simulator was not mirrored to MLflow: the MLflow server at http://127.0.0.1:9 did not answer"
    assert any(record.message.startswith(said) for record in warned)
    path = night / ".dwell/lineage/simulator/2026-01-16.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [problem for event in events for problem in problems(event)] == []
    ended = {event["job"]["name"]: event for event in events if event["eventType"] == "COMPLETE"}
    assert ended.keys() == {"simulator.night", *(f"simulator.night.{stage}" for stage in lock(night)["stages"])}
    again = night / "again.jsonl"
    dwell(night, "lineage", "2026-01-16", "--out", str(again))
    assert again.read_bytes() == path.read_bytes()
    again.unlink()
    tables = {
        table["name"]: table["facets"]
        for event in ended.values()
        for table in event["outputs"]
        if "schema" in table["facets"]
    }
    columns = {name: {field["name"] for field in facets["schema"]["fields"]} for name, facets in tables.items()}
    for name, facets in tables.items():
        for made, found in facets.get("columnLineage", {"fields": {}})["fields"].items():
            assert made in columns[name]
            assert all(origin["field"] in columns[origin["name"]] for origin in found["inputFields"]), (name, made)
    predicted = tables["simulator/artifacts/predictions/d2q"]
    assert columns["simulator/artifacts/predictions/d2q"] == predicted["columnLineage"]["fields"].keys()


def test_a_prediction_is_said_to_come_from_the_columns_that_its_model_encodes(night: Path) -> None:
    rows = pl.read_parquet(night / "data/features/rows/day=2026-01-16/part.parquet").head(50)
    preprocessor = Preprocessor.load(night / "artifacts/models/recipes/d2q/preprocessor")
    with contextlib.chdir(night):
        lineage = NightColumns(Workspace(), RowRulesConfig()).lineage("artifacts/predictions/d2q")
    said = [origin.name for origin in lineage.fields[column(SECONDS_AND_SCORE[0], 0)]]
    whole = preprocessor.encode(rows, "rows")
    told = preprocessor.encode(rows.select(said), "rows")
    assert all((whole[name] == told[name]).all() for name in whole)
    for name in said:
        with pytest.raises(ContractError, match=name):
            preprocessor.encode(rows.select(set(said) - {name}), "rows")


def test_a_night_has_the_bytes_it_had_elsewhere(by_hand: Path) -> None:
    """A change that is meant to move numbers records them anew: `python -m tests.flows.golden`."""
    recorded = json.loads(golden.FILE.read_text())
    data = golden.hashes(by_hand, golden.DATA)
    assert data == {part: recorded[part] for part in data}
    if golden.maker() != recorded["maker"]:
        pytest.skip(f"models were recorded on a processor of {recorded['maker']}, this is one of {golden.maker()}")
    models = golden.hashes(by_hand, golden.MODELS)
    assert models == {part: recorded[part] for part in models}


def test_after_the_flow_dvc_has_nothing_to_do_and_forced_stages_give_the_same_hashes(night: Path) -> None:
    before, locked = outputs(night), lock(night)
    again = run(["dvc", "repro"], night)
    assert "Data and pipelines are up to date." in again.stdout, again.stdout[-2000:]
    forced = run(["dvc", "repro", "--force", "--no-run-cache", "--downstream", "gate"], night)
    assert forced.returncode == 0, forced.stdout[-3000:]
    assert all(f"Running stage '{stage}'" in forced.stdout for stage in ("gate", "score", "report"))
    assert lock(night) == locked
    assert outputs(night) == before


def test_the_command_line_makes_the_same_bytes_of_declared_inputs_alone(
    night: Path, decided: Path, tmp_path: Path
) -> None:
    """Every stage in another folder; what DVC would lock there is what it locked after the flow."""
    root = shutil.copytree(decided, tmp_path / "by_hand")
    run_night(root, "--as-of", "2026-01-16")
    assert outputs(root) == outputs(night)
    committed = run(["dvc", "commit", "--force"], root)
    assert committed.returncode == 0, committed.stdout[-2000:]
    assert lock(root) == lock(night)


def test_a_night_says_what_changed_and_what_other_weights_would_change(night: Path) -> None:
    page = (night / "artifacts/report/report.html").read_text()
    assert "What changed since night 2026-01-15" in page and "data and features are one part" not in page
    compared = dwell(night, "compare", "2026-01-16", "2026-01-15")
    assert "from night 2026-01-15 to night 2026-01-16, each on its own judge day:" in compared
    alike = dwell(night, "reweigh", "watch_time=2").replace("\N{NO-BREAK SPACE}", " ")
    assert "of the first 5 places 100.00 % [100.00, 100.00] stay" in alike
    before = outputs(night)
    assert "skip -9" in dwell(night, "reweigh", "skip=-9", "-k", "2")
    assert outputs(night) == before
    assert "'lik' is no objective of these scores" in dwell(night, "reweigh", "lik=2", status=2)
    assert "'skip' is no weight: write OBJECTIVE=WEIGHT" in dwell(night, "reweigh", "skip", status=2)


def test_push_and_pull_bring_the_night_to_a_fresh_clone(night: Path, tmp_path: Path) -> None:
    def git(*arguments: str, cwd: Path = night) -> None:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)

    assert (
        run(["dvc", "remote", "add", "--force", "--default", "store", str(tmp_path / "store")], night).returncode == 0
    )
    assert "pushed to store: " in dwell(night, "push")
    git("add", "--all", ".")
    git("commit", "--message", "night")
    clone = tmp_path / "clone"
    git("clone", "--quiet", str(night), str(clone), cwd=tmp_path)
    assert "pulled from store: " in dwell(clone, "pull")
    for name in ("data", "artifacts", "nights", "metrics", "plots"):
        assert hash_tree(clone / name) == hash_tree(night / name), name
    assert dwell(clone, "status") == dwell(night, "status")


def test_a_trial_says_what_would_be_changes_nothing_and_is_not_fitted_again(
    night: Path, tmp_path: Path, prefect_server: dict[str, str]
) -> None:
    root = shutil.copytree(night, tmp_path / "w", symlinks=True)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["recipes"]["slim"] = params["recipes"]["d2q"] | {"trunk": {"kind": "shared_bottom", "hidden": [8]}}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    written = (*OUTPUTS, "registry", "nights")
    before = {name: hash_tree(root / name) for name in written}
    files = {name: (root / name).read_bytes() for name in ("run.yaml", "dvc.lock", "params.yaml")}
    trial = ["flows.cli", "nightly", "--as-of", "2026-01-16", "--recipes", "slim", "--no-publish"]
    done = run(trial, root, **prefect_server)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "trial of night 2026-01-16 of simulator: would " in done.stdout
    assert (
        "nothing was published: ledger, registry, nights and champion are as they were; name slim below" in done.stdout
    )
    assert {name: hash_tree(root / name) for name in written} == before
    assert {name: (root / name).read_bytes() for name in files} == files
    kept = Workspace(root).trial("simulator", dt.date(2026, 1, 16))
    assert [verdict["name"] for verdict in json.loads((kept / "decision.json").read_text())["challengers"]] == ["slim"]

    said = dwell(root, "compare", "slim", "d2q", "--html", "page.html")
    assert " d2q on night 2026-01-16: XAUC " in said
    assert "XAUC, new videos" in said
    assert (root / "page.html").stat().st_size > 10_000
    board = dwell(root, "leaderboard")
    assert {"slim", "d2q", "champion", "constant"} <= {line.split()[0] for line in board.splitlines()[2:]}

    params["nightly"]["recipes"] = ["d2q", "slim"]
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    again = run(["dvc", "repro", "evaluate@slim"], root)
    assert "Stage 'train@slim' is cached - skipping run" in again.stdout, again.stdout[-2000:]
    assert "Stage 'evaluate@slim' is cached - skipping run" in again.stdout
    tried = yaml.safe_load((kept / "dvc.lock").read_text())["stages"]
    assert {name: lock(root)["stages"][name] for name in ("train@slim", "evaluate@slim")} == {
        name: tried[name] for name in ("train@slim", "evaluate@slim")
    }


def test_a_week_takes_its_turn_looks_at_the_night_and_changes_nothing(
    decided: Path, tmp_path: Path, prefect_server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flow itself; what its reviews find is tested in tests/weekly."""
    root = shutil.copytree(decided, tmp_path / "w", symlinks=True)
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["training"]["max_epochs"] = 1
    params["weekly"] = {"more_days": {"kind": "scaling", "axis": "days", "seeds": [0, 1]}}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    before = {name: hash_tree(root / name) for name in (*OUTPUTS, "registry", "nights")}
    files = {name: (root / name).read_bytes() for name in ("run.yaml", "dvc.lock", "params.yaml")}
    a_night = FileLock(root / ".dwell/night.lock", thread_local=False)
    with contextlib.chdir(root), temporary_settings({PREFECT_API_URL: prefect_server["PREFECT_API_URL"]}):
        with a_night, pytest.raises(NightError, match="is held by"):
            weekly()
        (proposal,) = weekly()
        monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "weekly")
        a_night.acquire()
        threading.Timer(2, a_night.release).start()
        assert weekly() == [proposal], "a deployed week waits until the night has ended, and fits nothing twice"
    assert proposal.says[-2] == "no forecast: 2 sizes were fitted, and a law needs 4"
    assert {name: hash_tree(root / name) for name in before} == before
    assert {name: (root / name).read_bytes() for name in files} == files
    assert dwell(root, "proposals") == "nothing is proposed\n"


def test_a_night_given_again_does_nothing_but_print_its_decision_and_a_rollback_undoes_it(
    night: Path, prefect_server: dict[str, str]
) -> None:
    before, locked = outputs(night), lock(night)
    again = run(["flows.cli", "backfill", "--from", "2026-01-16", "--to", "2026-01-16"], night, **prefect_server)
    assert again.returncode == 0, again.stdout[-3000:]
    assert (outputs(night), lock(night)) == (before, locked)
    key = yaml.safe_load((night / "run.yaml").read_text())
    assert key["champion"] != "none"
    decision = json.loads((night / "nights/simulator/2026-01-16/decision.json").read_text())
    assert decision["champion"] == key["champion"]
    assert decision["challengers"][0]["rule"] == "refresh"
    assert f"night 2026-01-16 of simulator: {decision['verdict'].upper()}" in again.stdout
    assert decision["reason"] in again.stdout
    assert "XAUC 0." in again.stdout
    assert "forecast of 2026-01-17: XAUC 0." in again.stdout
    events = map(json.loads, (night / "registry/simulator/ledger.jsonl").read_text().splitlines())
    first, last = (event["forecast"] for event in events if event["forecast"])
    assert last["forecast"] == first["tomorrow"], "what the first night said is judged by the second"
    assert last["realised"].keys() == last["nowcast"].keys() == first["tomorrow"].keys()

    card = dwell(night, "card", key["champion"])
    assert f'model = dwell.load("{key["champion"]}")' in card
    assert "| fit days | 2026-01-12 to 2026-01-13 |" in card
    assert "Too few positives to learn like: it does not predict them." in card
    assert "d2q is a challenger of the night and not registered" in dwell(night, "card", "d2q", status=2)
    status = dwell(night, "status")
    assert key["champion"] in status or decision["verdict"] == "promote"
    forced = dwell(night, "promote", "d2q", "--reason", "the judge day was a holiday")
    assert "promoted by force (from night 2026-01-17 on)" in forced
    assert "promoted by force: the judge day was a holiday" in dwell(night, "status")
    archive = night / "nights/simulator/2026-01-16"
    assert json.loads((archive / "decision.json").read_text())["kind"] == "forced"
    assert "A person overruled the gate: the judge day was a holiday." in (archive / "report.html").read_text()
    dwell(night, "rollback", "--reason", "test")
    gone = dwell(night, "retire", "--reason", "its window is gone")
    assert "is retired (from night 2026-01-17 on)" in gone
    assert "retired     -" in dwell(night, "status")
    dwell(night, "rollback", "--reason", "test")
    prepared = dwell(night, "prepare", "--as-of", "2026-01-16")
    assert key["champion"] in prepared, "a night that was decided keeps the champion it had then"


def test_a_refused_night_says_why_and_loses_nothing(night: Path, embedded_home: Callable[[Path], Path]) -> None:
    """Without a server: the flow brings its own."""
    embedded_home(night)
    before = outputs(night)
    params = yaml.safe_load((night / "params.yaml").read_text())
    (night / "params.yaml").write_text(yaml.safe_dump(params | {"validation": {"tables": {"min_rows": 10**6}}}))
    try:
        done = run(["flows.cli", "nightly", "--as-of", "2026-01-16"], night)
    finally:
        (night / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    assert done.returncode == 2
    assert done.stdout.count("\nerror: stage validate failed:") == 1
    assert "min_rows" in done.stdout
    assert "Traceback" not in done.stdout
    assert outputs(night)["artifacts"] == before["artifacts"]


def test_a_failing_stage_ends_failed_with_its_cause(
    installation: Path, prefect_server: dict[str, str], server: SyncPrefectClient, told: list[str]
) -> None:
    night = ["prefect", "deployment", "run", "nightly/nightly", "--watch"]
    night += ["--param", "as_of=2022-05-04", "--param", "source=kuairand", "--param", "data=no/such/folder"]
    done = run(night, installation, **prefect_server)
    assert done.returncode != 0
    failed = [run.state.message for run in server.read_flow_runs() if run.state and run.state.is_failed()]
    assert any("no/such/folder" in str(message) for message in failed)
    assert comes(told, "no/such/folder")
