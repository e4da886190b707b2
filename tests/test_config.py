"""params.yaml and run.yaml: what is right parses, what is wrong is named with the nearest right thing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.config import load_params
from tasks.core.errors import ConfigError
from tasks.core.run_key import load_run_key
from tasks.schema import json_schema

REPOSITORY = Path(__file__).resolve().parents[1]


def written(tmp_path: Path, **changes: Any) -> Path:
    """Write the project's params.yaml with some keys set, `a__b__c` for a.b.c."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        block = params
        for name in parents:
            block = block[name]
        block[last] = value
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(params))
    return file


def test_the_projects_own_configuration_is_valid() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    assert set(params.nightly.recipes) <= set(params.recipes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainin": {}}, r"params.yaml:\d+: trainin: unknown key 'trainin'; did you mean 'training'\?"),
        (
            {"training__learning_rat": 0.1},
            r"training.learning_rat: unknown key 'learning_rat'; did you mean 'learning_rate'\?",
        ),
        ({"training__learning_rate": "fast"}, r"training.learning_rate: .*got 'fast'"),
        ({"training__seeds": []}, r"training.seeds: .*at least 1 item"),
        ({"window__fit_days": 1}, r"window.fit_days: .*greater than or equal to 2 \(got 1\)"),
        ({"sources__simulator__kind": "simulater"}, r"unknown kind 'simulater'; did you mean 'simulator'\?"),
        ({"sources__simulator__user": 3}, r"unknown key 'user'; did you mean 'users'\?"),
        ({"cluster": {"kind": "kubernetes"}}, r"cluster: unknown kind 'kubernetes'"),
        ({"gate__tre": -1}, r"gate.tre: .*\(got -1\)"),
        ({"nightly": {}}, r"nightly.recipes: missing; add the key"),
        ({"sources__simulator__start_day": "someday"}, r"start_day: .*got 'someday'"),
    ],
)
def test_a_wrong_value_names_file_key_and_remedy(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_params(written(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"nightly__proposers": ["directua"]},
            r"nightly.proposers: unknown proposer 'directua'; did you mean 'directau'\?",
        ),
        ({"nightly__proposers": ["directau", "directau"]}, r"nightly.proposers: 'directau' stands twice: keep one"),
        (
            {"score__proposer": "directau"},
            r"score.proposer: 'directau' proposes nothing that night: add it to nightly.proposers",
        ),
        (
            {"nightly__proposers": ["directau"], "score__proposer": "directau", "candidates": {"length": 10}},
            r"score.top_k: lists of 20 videos cannot be made of 10 proposals: raise candidates.length",
        ),
        (
            {"proposers__directau": {"kind": "directua"}},
            r"proposers.directau: unknown kind 'directua'; did you mean 'directau'\?",
        ),
        ({"nightly__recipes": ["d2q", "d2k"]}, r"unknown recipe 'd2k'; did you mean 'd2q'\?"),
        ({"default_source": "kuairan"}, r"unknown source 'kuairan'; did you mean 'kuairand'\?"),
        (
            {"nightly__recipes": ["d2q"], "recipes__d2q__traits": ["age"], "table__traits": ["age_band"]},
            r"recipes.d2q.traits: unknown trait of table.traits 'age'; did you mean 'age_band'\?",
        ),
        ({"recipes__d2q__head": {"kind": "d2"}}, r"recipes.d2q.head: unknown kind 'd2'; did you mean 'd2q'\?"),
        (
            {"recipes__d2q__head": {"kind": "d2q", "group": 5}},
            r"recipes.d2q.head.*unknown key 'group'; did you mean 'groups'\?",
        ),
        ({"recipes__d2q__trunk__experts": 5}, r"recipes.d2q.trunk.*unknown key 'experts'"),
        ({"recipes__d2q__tasks": {"skip": {}}}, r"recipes.d2q.*lack 'watch_time'"),
        ({"recipes__d2q__tasks__shares": {}}, r"recipes.d2q.tasks.*shares"),
        ({"recipes__latent__hed": {"kind": "wlr"}}, r"recipes.latent.hed: unknown key 'hed'; did you mean 'head'\?"),
        (
            {"training__by_recipe": {"latant": {}}},
            r"training.by_recipe: unknown recipe 'latant'; did you mean 'latent'\?",
        ),
        (
            {"gate__trivial_baselines": ["constants"]},
            r"gate.trivial_baselines: unknown or disabled baseline 'constants'; did you mean 'constant'\?",
        ),
        ({"baselines__enabled": ["lightgbm"]}, r"gate.trivial_baselines: unknown or disabled baseline 'constant'"),
        ({"recipes__lightgbm": {}}, r"recipes.lightgbm: a baseline has that name too"),
        ({"recipes__champion": {}}, r"recipes.champion: .*name 'champion' is taken by dwell itself"),
        ({"recipes__d2q.v2": {}}, r"recipes.d2q.v2: .*use up to 64 letters, digits"),
        ({"sources__my source": {"kind": "simulator"}}, r"sources.my source: .*use up to 64 letters, digits"),
        ({"ensembles__gate": {"members": ["d2q", "latent"]}}, r"ensembles.gate: .*name 'gate' is taken"),
    ],
)
def test_a_wrong_recipe_or_name_is_found_where_the_file_is_read(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_params(written(tmp_path, **changes))


def test_several_mistakes_are_all_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_params(written(tmp_path, trainin={}, gate__tre=-1, recipes__d2q__head={"kind": "d2"}))
    assert len(str(caught.value).splitlines()) == 3
    wrong = {
        "default_source": "x",
        "nightly__recipes": ["y", "z"],
        "recipes__ple__trunc": 1,
        "recipes__latent__head": 2,
    }
    with pytest.raises(ConfigError) as caught:
        load_params(written(tmp_path, **wrong))
    lines = str(caught.value).splitlines()
    assert len(lines) == 5 and all(re.match(r"params.yaml:\d+: ", line) for line in lines)


def test_broken_yaml_and_missing_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run dwell in the project's root folder"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- a")
    with pytest.raises(ConfigError, match="must hold a mapping"):
        load_params(tmp_path / "params.yaml")
    with pytest.raises(ConfigError, match="`dwell prepare` writes it"):
        load_run_key(tmp_path / "run.yaml")


def test_schemas_hold_every_documented_key() -> None:
    schema = json.dumps(json_schema("params"))
    for key in ("lookback_days", "impressions_per_day", "max_quarantined_share", "bound_z", "pool_size"):
        assert key in schema
    assert "num_experts" in json.dumps(json_schema("recipe"))


def test_keys_are_described_by_what_stands_below_them_in_the_code_of_the_class_or_of_its_base() -> None:
    recipe = json_schema("recipe")["$defs"]
    assert recipe["Recipe"]["properties"]["tower"]["description"] == "Layers of each task's own."
    base, heir = (recipe[name]["properties"]["scale_s"]["description"] for name in ("VrMseConfig", "VrHuberConfig"))
    assert base == heir


def test_configuration_is_frozen() -> None:
    params = load_params(REPOSITORY / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.window = params.window


@pytest.mark.slow
def test_reading_the_configuration_again_needs_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    import subprocess
    import sys

    heavy = ("torch", "polars", "great_expectations", "lightgbm", "prefect", "vl_convert")
    load_params(written(tmp_path))
    code = (
        "import sys; from pathlib import Path; from tasks.config import load_params\n"
        f"load_params(Path({str(tmp_path / 'params.yaml')!r}))\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_check_that_passed_says_nothing_of_another_file(tmp_path: Path) -> None:
    load_params(written(tmp_path))
    with pytest.raises(ConfigError, match=r"recipes.latent.head: unknown kind 'wlrr'"):
        load_params(written(tmp_path, recipes__latent__head={"kind": "wlrr"}))


def test_a_check_that_passed_says_nothing_of_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tasks.config

    path = written(tmp_path)
    load_params(path)
    passed = (tmp_path / ".dwell/params.checked").read_text()
    monkeypatch.setattr(tasks.config, "product_hash", lambda: "other code")
    load_params(path)
    assert (tmp_path / ".dwell/params.checked").read_text() != passed


def test_every_command_refuses_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.main import main

    written(tmp_path, recipes__latent__hed={})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text("{as_of: '2026-01-15', source: simulator, data: tasks/simulate}")
    assert main(["ingest"]) == 2
    assert main(["train", "--recipe", "../d2q"]) == 2
