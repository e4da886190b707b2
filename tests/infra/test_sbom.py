"""The bill of materials: valid, the same bytes each time, and of what is locked."""

import json
from typing import Any

import pytest
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.lock_file import read_lock
from infra.sbom import REPOSITORY, bill

pytestmark = pytest.mark.slow


def text() -> str:
    return JsonV1Dot6(bill(REPOSITORY)).output_as_string()


@pytest.fixture(scope="module")
def made() -> str:
    return text()


@pytest.fixture(scope="module")
def components(made: str) -> dict[str, Any]:
    return {component["name"]: component for component in json.loads(made)["components"]}


def digests(component: dict[str, Any]) -> list[set[str]]:
    return [{found["content"] for found in files["hashes"]} for files in component["externalReferences"]]


def test_it_is_what_the_specification_allows_and_a_damaged_one_is_not(made: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(made) is None
    damaged = json.loads(made)
    damaged["components"] = damaged["components"][:1]
    damaged["components"][0]["scope"] = "perhaps"
    assert validator.validate_str(json.dumps(damaged)) is not None


def test_equal_locks_give_equal_bytes(made: str) -> None:
    assert text() == made
    assert "timestamp" not in json.loads(made)["metadata"]


def test_it_names_every_locked_package_and_the_files_that_may_be_taken_for_it(components: dict[str, Any]) -> None:
    locked = {package.name: package for package in read_lock(REPOSITORY / "requirements.lock")}
    assert components.keys() == locked.keys() and "torch" in locked
    for name, package in locked.items():
        assert components[name]["version"] == package.version
        assert components[name]["purl"] == f"pkg:pypi/{name}@{package.version}"
        assert digests(components[name])[0] == set(package.hashes)
    (build,) = read_lock(REPOSITORY / "requirements.cpu.lock")
    assert set(build.hashes) in digests(components["torch"])


def test_it_tells_what_a_night_needs_from_the_tools_of_developers(made: str, components: dict[str, Any]) -> None:
    assert {components[name]["scope"] for name in ("torch", "polars", "prefect", "numpy")} == {"required"}
    assert {components[name]["scope"] for name in ("pytest", "ruff", "openlineage-python")} == {"optional"}
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in json.loads(made)["dependencies"]}
    assert components["torch"]["bom-ref"] in needs["dwell"]
    assert components["sympy"]["bom-ref"] in needs[components["torch"]["bom-ref"]]


def test_licences_are_those_that_packages_state(components: dict[str, Any]) -> None:
    assert components["openlineage-python"]["licenses"] == [{"expression": "Apache-2.0"}]
    assert len([name for name, component in components.items() if not component.get("licenses")]) < 10
