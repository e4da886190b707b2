"""The mirror against a server of MLflow and against one of our own: the same tests of both."""

import json
from typing import Any

import pytest

from tasks.core.errors import ConfigError, MachineError
from tasks.mlflow.mirror import Mirrored, mirror
from tasks.mlflow.server import Server
from tests.flows.small_night import dwell
from tests.mlflow.conftest import Place
from tests.mlflow.receiver import PASSWORD, TOKEN, USER
from tests.mlflow.small_archive import COMMIT, Archive
from tests.registry.conftest import day

Json = dict[str, Any]


def mirrored(archive: Archive, place: Place, **options: Any) -> Mirrored:
    with Server.named(place.uri) as server:
        return mirror(archive.workspace, archive.source, server, **options)


def held(archive: Archive, place: Place) -> Json:
    """Return what the server holds of a source: everything in it that somebody could see change."""
    name = f"dwell.{archive.source}"
    with Server.named(place.uri) as server:
        experiment = server.ask("GET", "experiments/get-by-name", experiment_name=name)["experiment"]["experiment_id"]
        runs = [
            run
            for night in range(1, 5)
            for run in server.pages(
                "POST", "runs/search", "runs", experiment_ids=[experiment], filter=f"tags.`dwell.night` = '{day(night)}'",
                max_results=100,
            )
        ]  # fmt: skip
        model = server.ask("GET", "registered-models/get", name=name)["registered_model"]
        versions = list(
            server.pages("GET", "model-versions/search", "model_versions", filter=f"name='{name}'", max_results=100)
        )
    return {
        "runs": {run["info"]["run_id"]: run for run in runs},
        "aliases": {one["alias"]: str(one["version"]) for one in model.get("aliases", ())},
        "versions": {str(one["version"]): _tags(one) for one in versions},
        "whole": json.loads(json.dumps(versions)),
    }


def _tags(of: Json) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in of["tags"]}


def run_of(found: Json, night: int) -> Json:
    """Return the run of a night that counts."""
    (run,) = (
        run
        for run in found["runs"].values()
        if run["info"]["run_name"] == str(day(night)) and _tags(run["data"])["dwell.current"] == "true"
    )
    return run


def test_a_night_is_a_run_with_what_it_was_made_from_and_what_came_of_it(place: Place, archive: Archive) -> None:
    done = mirrored(archive, place, site_url="http://dwell.example/nights/")
    assert str(done) == (
        f"dwell.{archive.source} at {place.uri}: 3 new runs, 0 changed, 3 new model versions, now champion 2, challenger 3"
    )
    found = held(archive, place)
    assert sorted(run["info"]["run_name"] for run in found["runs"].values()) == [str(day(n)) for n in (1, 2, 3)]
    run = run_of(found, 2)
    assert run["info"]["status"] == "FINISHED"
    assert int(run["info"]["end_time"]) - int(run["info"]["start_time"]) == 5 * 60 * 1000
    params = {one["key"]: one["value"] for one in run["data"]["params"]}
    assert params.items() >= {
        "source": archive.source, "recipes": "a, b", "recipe_hash/a": "recipe-a", "recipe/a": '{"head": {"kind": "d2q"}}',
        "champion": archive.registry.champion_for(day(2)),
    }.items()  # fmt: skip
    assert len(params["config"]) == 64
    metrics = {one["key"]: one["value"] for one in run["data"]["metrics"]}
    assert metrics == pytest.approx(
        {"rows": 1000, "quarantined": 3, "a/xauc": 0.6, "a/xauc_low": 0.59, "a/xauc_high": 0.61,
         "b/xauc": 0.61, "b/xauc_low": 0.6, "b/xauc_high": 0.62}
    )  # fmt: skip
    assert _tags(run["data"]).items() >= {
        "dwell.decision": "promote", "dwell.winner": "b", "dwell.kind": "refresh", "dwell.version": "0.1.0",
        "mlflow.source.git.commit": COMMIT, "mlflow.note.content": "so it is",
        "dwell.report": f"http://dwell.example/nights/{archive.source}/{day(2)}/report.html",
    }.items()  # fmt: skip


def test_an_entry_is_a_model_version_that_names_the_run_of_its_night(place: Place, archive: Archive) -> None:
    mirrored(archive, place)
    found = held(archive, place)
    first, second = (archive.registry.champion_for(day(number)) for number in (2, 3))
    assert [found["versions"][number].get("dwell.entry") for number in "123"] == [first, second, None]
    assert found["versions"]["2"].items() >= {
        "dwell.night": str(day(2)), "dwell.recipe": "b", "dwell.recipe_hash": "recipe-b", "dwell.data": "d", "dwell.code": "c",
    }.items()  # fmt: skip
    assert len(found["versions"]["2"]["dwell.bundle"]) == 64
    assert found["versions"]["2"]["dwell.bundle"] != found["versions"]["1"]["dwell.bundle"]
    (whole,) = (one for one in found["whole"] if str(one["version"]) == "2")
    assert whole["run_id"] == run_of(found, 2)["info"]["run_id"]
    assert whole["source"] == f"dwell://{archive.source}/{second}"
    challenger = found["versions"][found["aliases"]["challenger"]]
    assert challenger.items() >= {"dwell.night": str(day(3)), "dwell.recipe": "a", "dwell.bundle_md5": "03a5f"}.items()


def test_a_second_run_changes_nothing_and_a_night_more_adds_its_own(place: Place, archive: Archive) -> None:
    mirrored(archive, place)
    before = held(archive, place)
    assert str(mirrored(archive, place)).endswith(": 0 new runs, 0 changed, 0 new model versions")
    assert held(archive, place) == before
    archive.night(4, winner="a")
    done = mirrored(archive, place, night=day(4))
    assert (done.runs, len(done.versions), done.aliases) == ([day(4)], 2, {"champion": "4", "challenger": "5"})
    after = held(archive, place)
    assert {name: run for name, run in after["runs"].items() if name in before["runs"]} == before["runs"]
    assert {number: tags for number, tags in after["versions"].items() if number in before["versions"]} == before[
        "versions"
    ]


def test_a_rollback_moves_the_alias_and_nothing_else_and_a_retired_champion_loses_it(
    place: Place, archive: Archive
) -> None:
    mirrored(archive, place)
    before = held(archive, place)
    archive.registry.rollback(None, "complaints")
    assert mirrored(archive, place).aliases == {"champion": "1"}
    rolled = held(archive, place)
    assert rolled["aliases"] == {"champion": "1", "challenger": "3"}
    archive.registry.retire("its features are gone")
    assert mirrored(archive, place).aliases == {"champion": None}
    assert held(archive, place)["aliases"] == {"challenger": "3"}
    archive.registry.rollback(None, "they are back")
    mirrored(archive, place)
    assert held(archive, place)["aliases"] == rolled["aliases"]
    for part in ("runs", "versions"):
        assert held(archive, place)[part] == before[part]


def test_an_overruled_night_keeps_its_run_and_says_so(place: Place, archive: Archive) -> None:
    mirrored(archive, place)
    before = held(archive, place)
    archive.overrule(3, "a", "a holiday")
    done = mirrored(archive, place)
    assert (done.runs, done.changed, done.aliases) == ([], [day(3)], {"champion": "4", "challenger": "5"})
    found = held(archive, place)
    assert found["runs"].keys() == before["runs"].keys()
    assert (
        _tags(run_of(found, 3)["data"])["dwell.forced_reason"]
        == found["versions"]["4"]["dwell.forced_reason"]
        == "a holiday"
    )
    assert found["versions"]["5"]["dwell.recipe"] == "b"


def test_a_night_run_again_with_other_numbers_has_another_run(place: Place, archive: Archive) -> None:
    mirrored(archive, place)
    before = run_of(held(archive, place), 3)["info"]["run_id"]
    archive.night(3, xauc=0.5)
    done = mirrored(archive, place)
    assert (done.runs, done.changed, done.versions) == ([day(3)], [day(3)], [])
    found = held(archive, place)
    assert len(found["runs"]) == 4 and run_of(found, 3)["info"]["run_id"] != before
    archive.night(3)
    mirrored(archive, place)
    found = held(archive, place)
    assert len(found["runs"]) == 4 and run_of(found, 3)["info"]["run_id"] == before, "the numbers it had before"
    assert str(mirrored(archive, place)).endswith(": 0 new runs, 0 changed, 0 new model versions")


def test_the_command_line_says_what_it_brought(place: Place, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.uri)
    said = dwell(archive.root, "mlflow", "--source", archive.source)
    assert said.startswith(f"mirrored: dwell.{archive.source} at {place.uri}: 3 new runs")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert dwell(archive.root, "mlflow", "--uri", "sqlite:///x", status=2).startswith(
        "error: MLFLOW_TRACKING_URI names no server of MLflow"
    )


@pytest.mark.parametrize("server", ["own", "guarded_server"])
def test_a_password_is_sent_and_another_one_refused_in_one_line(
    server: str, request: pytest.FixtureRequest, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = request.getfixturevalue(server)
    place = found if isinstance(found, Place) else Place(found)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
    for password in ("another", PASSWORD):
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        said = dwell(
            archive.root, "mlflow", "--uri", place.uri, "--source", archive.source, status=2 * (password != PASSWORD)
        )
        assert said.count("\n") == 1
        if password != PASSWORD:
            assert said.startswith(f"error: the MLflow server at {place.uri} refused experiments/get-by-name (401): ")
    assert held(archive, place)["aliases"] == {"champion": "2", "challenger": "3"}


def test_a_token_is_a_bearer(own: Place, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    assert len(mirrored(archive, own).runs) == 3
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "another")
    with pytest.raises(ConfigError, match=r"\(401\): MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or"):
        mirrored(archive, own)


@pytest.fixture
def let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)


@pytest.mark.slow
@pytest.mark.usefixtures("let_in")
def test_a_mirror_cut_short_anywhere_goes_on_where_it_stopped(own: Place, archive: Archive) -> None:
    assert own.receiver is not None
    mirrored(archive, own)
    whole, writes = held(archive, own), own.receiver.writes
    assert len(writes) == 16
    for taken in range(len(writes)):
        receiver = own.receiver
        receiver.__init__()  # begin anew
        receiver.ends_after = taken
        with pytest.raises(MachineError, match=r"refused .* \(500 INTERNAL_ERROR so it is\)"):
            mirrored(archive, own)
        receiver.ends_after = None
        mirrored(archive, own)
        assert held(archive, own) == whole, f"cut short after {taken} requests"


def test_a_run_that_was_not_ended_is_filled_again_and_nothing_stands_twice(place: Place, archive: Archive) -> None:
    mirrored(archive, place)
    run = run_of(held(archive, place), 2)
    with Server.named(place.uri) as server:
        ended = int(run["info"]["end_time"])
        server.ask("POST", "runs/update", run_id=run["info"]["run_id"], status="RUNNING", end_time=ended)
        assert mirrored(archive, place).runs == [day(2)]
        assert run_of(held(archive, place), 2) == run
        if place.receiver is None:
            history = server.ask("GET", "metrics/get-history", run_id=run["info"]["run_id"], metric_key="a/xauc")
            assert len(history["metrics"]) == 1


@pytest.mark.usefixtures("let_in")
def test_what_another_version_archived_is_left_out_and_earlier_headlines_have_one_model(
    own: Place, archive: Archive
) -> None:
    decision = archive.workspace.night(archive.source, day(1)) / "decision.json"
    sound = decision.read_text()
    decision.write_text('{"colour": "red"}')
    headline = archive.workspace.headline(archive.source, day(2))
    written = json.loads(headline.read_text())
    headline.write_text(json.dumps({name: value for name, value in written.items() if name != "models"}))
    archive.workspace.headline(archive.source, day(3)).unlink()
    done = mirrored(archive, own)
    assert str(done).endswith(f"left out, since their archive cannot be read: {day(1)}")
    found = held(archive, own)
    metrics = [{one["key"] for one in run_of(found, night)["data"]["metrics"]} for night in (2, 3)]
    assert metrics == [{"rows", "quarantined", "champion/xauc", "champion/xauc_low", "champion/xauc_high"}, set()]
    assert found["aliases"] == {"champion": "2", "challenger": "3"}
    decision.write_text(sound)
    decision.with_name("run.yaml").write_text("<<<<<<< HEAD\n")
    assert mirrored(archive, own).left_out == [day(1)]


@pytest.mark.usefixtures("let_in")
def test_what_is_no_server_of_mlflow_is_said_in_one_line(own: Place, archive: Archive) -> None:
    assert own.receiver is not None
    own.receiver.says = b"<html>a page</html>"
    with pytest.raises(MachineError, match="does not answer experiments/get-by-name as a server of MLflow does"):
        mirrored(archive, own)
    with pytest.raises(MachineError, match=r"at http://127.0.0.1:9 did not answer experiments/get-by-name \(.*refused"):
        mirrored(archive, Place("http://user:secret@127.0.0.1:9"))
    late = Server.named(own.uri, patience_s=0)
    with pytest.raises(MachineError, match=r"did not answer .* \(it took too long\): `dwell mlflow` brings"):
        mirror(archive.workspace, archive.source, late)
    with pytest.raises(ConfigError, match=r"no night of other is decided here: `dwell nightly --source other`"):
        mirror(archive.workspace, "other", late)
    with pytest.raises(ConfigError, match="no MLflow server is named: set MLFLOW_TRACKING_URI"):
        Server.named(environment={})
    for wrong in (
        *(
            "mlflow",
            "databricks",
            "http://",
            "user:secret@host",
            "http://user:p@secret@host",
            "http://user:se/secret@host:1",
        ),
        *("http://user:secret@host:port", "http://host/a path?secret"),
    ):
        with pytest.raises(ConfigError, match="names no server of MLflow: write it as") as caught:
            Server.named(wrong)
        assert "secret" not in str(caught.value)


def test_credentials_in_an_address_are_sent_and_not_shown(own: Place, archive: Archive) -> None:
    uri = own.uri.replace("//", "//admin:a%20long%20password@")
    done = mirrored(archive, Place(uri))
    assert len(done.runs) == 3 and done.address == own.uri
