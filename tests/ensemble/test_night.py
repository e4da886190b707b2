"""An ensemble among the stages of a night: what it waits for, what is forgotten, and what names its configuration."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.config import Params, load_params
from tasks.core.layout import Workspace
from tasks.gate.inputs import configuration_hash
from tasks.night.key import prepare_night
from tasks.stages import configuration_of
from tests.flows.small_night import make_workspace, small_params


def params_of(ensembles: list[str], **changes: Any) -> dict[str, Any]:
    params = small_params()
    params["nightly"] |= {"recipes": ["d2q", "wlr_mmoe"], "ensembles": ensembles}
    params["ensembles"] = {"blend": {"members": ["d2q", "wlr_mmoe"]}}
    for path, value in changes.items():
        *parents, last = path.split("__")
        block = params
        for name in parents:
            block = block[name]
        block[last] = value
    return params


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(make_workspace(tmp_path_factory.mktemp("night") / "w", params_of(["blend"])))


def graph_of(workspace: Workspace) -> dict[str, list[str]]:
    from flows.stages import stage_graph  # loads Prefect, which takes seconds

    return stage_graph(workspace.root)


@pytest.mark.slow
def test_it_waits_for_its_members_and_is_judged_like_them(workspace: Workspace) -> None:
    prepare_night(workspace)
    graph = graph_of(workspace)
    assert {"train@d2q", "train@wlr_mmoe", "table"} <= set(graph["ensemble@blend"])
    assert "ensemble@blend" in graph["evaluate_ensemble@blend"]
    assert not {name for name in graph["ensemble@blend"] if name.startswith("evaluate")}
    for stage in ("gate", "score", "oracle", "report"):
        assert {"ensemble@blend", "train@d2q"} <= set(graph[stage])
    assert "evaluate_ensemble@blend" in graph["gate"]


def test_a_night_without_it_has_no_such_stage_and_forgets_the_bundle(workspace: Workspace) -> None:
    for folder in (workspace.ensemble("blend"), workspace.predictions("blend"), workspace.bundle("d2q")):
        folder.mkdir(parents=True)
    assert workspace.challenger("blend") == workspace.ensemble("blend")
    workspace.params.write_text(yaml.safe_dump(params_of([])))
    prepare_night(workspace)
    assert not any("ensemble" in name for name in graph_of(workspace))
    assert not workspace.ensemble("blend").exists()
    assert not workspace.predictions("blend").exists()
    assert workspace.bundle("d2q").exists()
    assert workspace.challenger("d2q") == workspace.bundle("d2q")


def test_its_configuration_is_that_of_its_members(tmp_path: Path) -> None:
    """What makes a refresh of it an upgrade: another member, or a member made otherwise; not another seed."""

    def named(**changes: Any) -> str:
        params = Params.model_validate(params_of(["blend"], **changes))
        recipe_of = lambda name: params.recipe(name).model_dump(mode="json")  # noqa: E731
        return configuration_hash(*configuration_of(params, "blend", recipe_of))

    own = named()
    assert named(training__seeds=[5, 6]) == own
    assert named(recipes__latent={}) == own
    others = [
        named(ensembles__blend={"members": ["d2q", "d2q_ips"]}),
        named(recipes__d2q__head={"kind": "d2q", "groups": 7}),
        named(training__learning_rate=0.5),
        named(training__calibration={"variant": "global"}),
    ]
    assert len({own, *others}) == 5


def test_the_projects_configuration_describes_it() -> None:
    from tasks.schema import json_schema

    schema = json_schema("params")
    assert "ensembles" in schema["properties"]
    assert load_params(Path(__file__).resolve().parents[2] / "params.yaml").ensembles
