"""Events of a night on a hand-made archive: what was read and made, told twice alike, sent, and refused."""

import datetime as dt
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tasks.core.contract import IMPRESSIONS, polars_schema
from tasks.core.errors import ConfigError, MachineError
from tasks.core.layout import Workspace
from tasks.core.run_key import load_run_key
from tasks.core.timings import StageSpan, write_span
from tasks.features.config import FeatureConfig
from tasks.lineage.night import tell_night
from tasks.night.calendar import note_failure
from tasks.report.operations import Operations
from tests.flows.small_night import REPOSITORY, dwell
from tests.lineage.conform import problems

AS_OF, SOURCE = dt.date(2026, 1, 16), "simulator"
START = dt.datetime(2026, 1, 17, 2, 30, tzinfo=dt.UTC)
STAGES = {
    "ingest": (["logs", "tasks/ingest"], ["data/raw"]),
    "validate": (["data/raw", "tasks/validate"], ["data/validated"]),
    "features": (["data/raw/source.json", "data/validated"], ["data/features"]),
    "train@d2q": (["data/features", "models"], ["artifacts/models/recipes/d2q"]),
    "gate": (["artifacts/models", "data/validated/summary.json"], ["artifacts/gate"]),
}
"""Stage -> what it reads and what it writes."""
RAW = ["data/raw/impressions", "data/raw/users.parquet", "data/raw/videos.parquet"]
VALIDATED = [f"data/validated/{name}" for name in ("impressions", "users.parquet", "videos.parquet")]
FEATURES = [f"data/features/{name}" for name in ("history", "rows", "users.parquet", "videos.parquet")]


def lock(change: str = "") -> dict[str, Any]:
    def item(path: str) -> dict[str, Any]:
        return {"path": path, "hash": "md5", "md5": f"{abs(hash(path)):x}{change}.dir", "size": 10, "nfiles": 2}

    stages = {
        name: {"cmd": "x", "deps": [item(path) for path in reads], "outs": [item(path) for path in writes]}
        for name, (reads, writes) in STAGES.items()
    }
    return {"schema": "2.0", "stages": stages}


def spans(began: dt.datetime = START) -> dict[str, StageSpan]:
    minute = dt.timedelta(minutes=1)
    return {
        stage: StageSpan(began=began + place * minute, ended=began + (place + 1) * minute, outcome="ran")
        for place, stage in enumerate(STAGES)
    }


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with one archived night whose raw and validated tables are still there."""
    found = Workspace(tmp_path)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    key = {"as_of": str(AS_OF), "source": SOURCE, "data": "logs", "arithmetic": "native"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(key))
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock()))
    for folder in (found.raw, found.validated):
        for day in ("2026-01-15", "2026-01-16"):
            part = folder / f"impressions/day={day}/part.parquet"
            part.parent.mkdir(parents=True)
            rows = {name: [None] for name in polars_schema("impressions")}
            pl.DataFrame(rows, schema=polars_schema("impressions")).write_parquet(part)
        for table in ("users", "videos"):
            pl.DataFrame(schema=polars_schema(table)).write_parquet(folder / f"{table}.parquet")
    archive(found, spans())
    return found


def archive(workspace: Workspace, ran: dict[str, StageSpan]) -> None:
    folder = workspace.night(SOURCE, AS_OF)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("run.yaml", "dvc.lock"):
        shutil.copy(workspace.root / name, folder / name)
    Operations(stages=dict.fromkeys(STAGES, "ran"), timings={}, spans=ran).write(folder / "operations.json")


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(workspace: Workspace) -> list[dict[str, Any]]:
    return events(tell_night(workspace, SOURCE, AS_OF))


def ended(found: list[dict[str, Any]], job: str) -> dict[str, Any]:
    (event,) = (one for one in found if one["job"]["name"] == job and one["eventType"] != "START")
    return event


def names(data_sets: list[dict[str, Any]]) -> list[str]:
    return [found["name"].removeprefix(f"{SOURCE}/") for found in data_sets]


def test_sensitive_attributes_are_data_sets_of_their_own_and_marked(workspace: Workspace) -> None:
    locked = lock()
    declared = {"band": {"kind": "category", "purpose": "new users"}}
    locked["stages"]["ingest"]["params"] = {"params.yaml": {"sources.simulator": {"traits": {"consent": 0.8}}}}
    for place in (workspace.root, workspace.night(SOURCE, AS_OF)):
        (place / "dvc.lock").write_text(yaml.safe_dump(locked))
    people = {name: pl.Series([], dtype=dtype) for name, dtype in polars_schema("traits").items()}
    for folder in (workspace.raw, workspace.validated):
        pl.DataFrame(people | {"band": pl.Series([], dtype=pl.String)}).write_parquet(folder / "traits.parquet")
    workspace.features.mkdir(parents=True)
    known_from = {"known_from_ms": pl.Series([], dtype=pl.Int64)}
    features = pl.DataFrame({"user_id": people["user_id"]} | known_from | {"band": pl.Series([], dtype=pl.String)})
    features.write_parquet(workspace.features / "traits.parquet")
    about = {"config": FeatureConfig().model_dump(mode="json"), "timezone": "UTC", "traits": declared}
    (workspace.features / "schema.json").write_text(json.dumps(about))
    for table in ("users", "videos"):
        shutil.copy(workspace.validated / f"{table}.parquet", workspace.features)
    found = told(workspace)
    assert [problem for event in found for problem in problems(event)] == []
    for stage, folder in (("ingest", "raw"), ("validate", "validated"), ("features", "features")):
        outputs = {one["name"]: one for one in ended(found, f"{SOURCE}.night.{stage}")["outputs"]}
        table = outputs.pop(f"{SOURCE}/data/{folder}/traits.parquet")
        marks = {field["name"]: field.get("description", "") for field in table["facets"]["schema"]["fields"]}
        assert marks["band"] == "SENSITIVE attribute of users, collected for: new users"
        assert not any("SENSITIVE" in json.dumps(other) for other in outputs.values())
    origins = table["facets"]["columnLineage"]["fields"]["known_from_ms"]["inputFields"]
    assert [origin["field"] for origin in origins] == ["consent_time_ms", "recorded_time_ms"]


def test_every_stage_and_the_night_begin_and_end_in_order(workspace: Workspace) -> None:
    found = told(workspace)
    assert [problem for event in found for problem in problems(event)] == []
    jobs = [f"{SOURCE}.night", *(f"{SOURCE}.night.{stage}" for stage in STAGES)]
    for job in jobs:
        assert [event["eventType"] for event in found if event["job"]["name"] == job] == ["START", "COMPLETE"]
        assert len({event["run"]["runId"] for event in found if event["job"]["name"] == job}) == 1
    assert len({event["run"]["runId"] for event in found}) == len(jobs)
    times = [dt.datetime.fromisoformat(event["eventTime"]) for event in found]
    assert times == sorted(times) and times[0] == START and times[-1] == START + dt.timedelta(minutes=len(STAGES))
    night, *stages = (ended(found, job)["run"] for job in jobs)
    assert {stage["facets"]["parent"]["run"]["runId"] for stage in stages} == {night["runId"]}
    described = ended(found, f"{SOURCE}.night.train@d2q")["job"]["facets"]["documentation"]["description"]
    assert described == "fit one recipe, every seed"


def test_what_does_not_conform_is_found(workspace: Workspace) -> None:
    """The twin of the check above: an event that is damaged in one place at a time."""
    whole = ended(told(workspace), f"{SOURCE}.night.validate")
    facets = whole["outputs"][0]["facets"]
    for damaged in (
        whole | {"eventType": "ENDED"},
        whole | {"colour": "red"},
        {name: value for name, value in whole.items() if name != "job"},
        whole | {"outputs": [whole["outputs"][0] | {"facets": facets | {"schema": {"fields": []}}}]},
        whole | {"outputs": [whole["outputs"][0] | {"facets": {"schema": facets["version"] | {"datasetVersion": 3}}}]},
    ):
        assert list(problems(json.loads(json.dumps(damaged))))


def test_a_stage_reads_and_writes_what_dvc_locked_and_no_code(workspace: Workspace) -> None:
    found = told(workspace)
    of = {stage: ended(found, f"{SOURCE}.night.{stage}") for stage in STAGES}
    assert of["ingest"]["inputs"][0]["namespace"] == "file" and names(of["ingest"]["inputs"]) == ["logs"]
    assert names(of["ingest"]["outputs"]) == sorted([*RAW, "data/raw/source.json"])
    assert names(of["validate"]["inputs"]) == RAW
    assert names(of["validate"]["outputs"]) == sorted(
        [*VALIDATED, "data/validated/quarantine", "data/validated/summary.json"]
    )
    assert names(of["features"]["inputs"]) == sorted(["data/raw/source.json", *VALIDATED])
    assert names(of["train@d2q"]["inputs"]) == FEATURES
    assert names(of["gate"]["inputs"]) == ["artifacts/models/recipes/d2q", "data/validated/summary.json"]
    assert of["validate"]["inputs"][0]["facets"]["version"] == of["ingest"]["outputs"][0]["facets"]["version"]
    night = ended(found, f"{SOURCE}.night")
    assert names(night["inputs"]) == ["logs"]
    assert names(night["outputs"]) == sorted(name for event in of.values() for name in names(event["outputs"]))
    assert all(set(found["facets"]) == {"version"} for found in night["outputs"])


def test_a_table_says_its_columns_and_where_each_comes_from(workspace: Workspace) -> None:
    outputs = ended(told(workspace), f"{SOURCE}.night.validate")["outputs"]
    (table,) = (found for found in outputs if found["name"].endswith("validated/impressions"))
    schema = table["facets"]["schema"]["fields"]
    assert [(field["name"], field["type"], field["description"]) for field in schema] == [
        (column.name, str(column.dtype), column.meaning) for column in IMPRESSIONS
    ]
    lineage = table["facets"]["columnLineage"]
    (origin,) = lineage["fields"]["watch_ms"]["inputFields"]
    assert origin | {"transformations": None} == {
        "namespace": "dwell", "name": f"{SOURCE}/data/raw/impressions", "field": "watch_ms", "transformations": None,
    }  # fmt: skip
    assert origin["transformations"] == [{"type": "DIRECT", "subtype": "IDENTITY", "masking": False}]
    assert {found["field"] for found in lineage["dataset"]} == {column.name for column in IMPRESSIONS}
    assert table["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert table["outputFacets"]["outputStatistics"]["fileCount"] == 2


def test_of_a_table_that_is_there_no_more_only_the_version_is_told(workspace: Workspace) -> None:
    (workspace.root / "dvc.lock").write_text(yaml.safe_dump(lock("0")))
    for table in ended(told(workspace), f"{SOURCE}.night.validate")["outputs"]:
        assert set(table["facets"]) == {"version"}


def test_the_same_night_has_the_same_bytes_and_another_run_of_it_other_ids(
    workspace: Workspace, tmp_path: Path
) -> None:
    assert dwell(workspace.root, "lineage") == f"written: .dwell/lineage/{SOURCE}/{AS_OF}.jsonl\n"
    first = workspace.lineage(SOURCE, AS_OF).read_bytes()
    again = tmp_path / "again.jsonl"
    dwell(workspace.root, "lineage", str(AS_OF), "--source", SOURCE, "--out", str(again))
    assert again.read_bytes() == first
    archive(workspace, spans(START + dt.timedelta(seconds=1)))
    others = {event["run"]["runId"] for event in told(workspace)}
    assert not others & {event["run"]["runId"] for event in events(again)}


def test_a_night_that_failed_says_where_and_why(workspace: Workspace) -> None:
    shutil.rmtree(workspace.night(SOURCE, AS_OF))
    write_span(workspace, "ingest", START, "restored")
    write_span(workspace, "validate", START + dt.timedelta(minutes=1), "failed")
    note_failure(workspace, load_run_key(workspace.run_key), ValueError("stage validate failed: 3 rules"))
    found = told(workspace)
    assert [problem for event in found for problem in problems(event)] == []
    assert ended(found, f"{SOURCE}.night.ingest")["run"]["facets"]["tags"]["tags"][0]["value"] == "restored"
    for job in (f"{SOURCE}.night.validate", f"{SOURCE}.night"):
        failed = ended(found, job)
        assert failed["eventType"] == "FAIL" and "inputs" in failed and failed["outputs"] == []
        assert failed["run"]["facets"]["errorMessage"]["message"] == "stage validate failed: 3 rules"
    assert {event["job"]["name"] for event in found} == {
        f"{SOURCE}.night{stage}" for stage in ("", ".ingest", ".validate")
    }


def test_a_night_that_is_not_known_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="night 2026-01-20 of simulator is not archived here"):
        tell_night(workspace, SOURCE, dt.date(2026, 1, 20))
    archive(workspace, {})
    with pytest.raises(ConfigError, match="does not say when the stages of night 2026-01-16 ran"):
        tell_night(workspace, SOURCE, AS_OF)


def test_without_the_client_one_line_says_what_to_install(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"install the extra, pip install 'dwell\[lineage\]'"):
        tell_night(workspace, SOURCE, AS_OF)


class Received:
    """A receiver of OpenLineage on loopback: what it was sent, and which event it refuses."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: set[str] = set()
        self.refuses_after: int | None = None


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            refused = received.refuses_after is not None and len(received.events) >= received.refuses_after
            if not refused:
                received.events.append(body)
            received.headers.append(dict(self.headers))
            received.paths.add(self.path)
            self.send_response(422 if refused else 201)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        yield received
        server.shutdown()


def test_a_receiver_gets_what_the_file_holds(
    workspace: Workspace, receiver: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "k3y")
    assert told(workspace) == receiver.events
    assert {headers["Authorization"] for headers in receiver.headers} == {"Bearer k3y"}
    assert receiver.paths == {"/api/v1/lineage"}


def test_a_receiver_that_takes_no_more_is_said_and_the_file_is_whole(workspace: Workspace, receiver: Received) -> None:
    receiver.refuses_after = 3
    with pytest.raises(MachineError, match=r"took 3 of 12 lineage events and then no more .*422"):
        tell_night(workspace, SOURCE, AS_OF)
    assert len(receiver.headers) == 4, "it is not asked again for each of the others"
    assert len(events(workspace.lineage(SOURCE, AS_OF))) == 12


def test_an_address_that_is_none_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "lineage")
    with pytest.raises(ConfigError, match="OPENLINEAGE_URL is 'lineage': name a server"):
        tell_night(workspace, SOURCE, AS_OF)
