"""Reads compose.yaml as Docker Compose does, as far as this one goes, and says what is wrong in it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
_SECRET = re.compile(r"PASSWORD|SECRET|AUTH_|CONNECTION_URL")
_HARDENED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "init": True}


def variables(text: str) -> set[str]:
    """Return the names of the environment variables that a file asks for."""
    return {name for name, _, _ in _VARIABLE.findall(text)}


def example(text: str) -> dict[str, str]:
    """Return what an env file sets."""
    lines = [line.partition("=") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in lines}


def compose(text: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the parsed file with variables filled in; a required one that is not given keeps its place.

    Args:
        text: of the file.
        given: the environment.
    """

    def value(found: re.Match[str]) -> str:
        name, kind, default = found.groups()
        return given.get(name) or (default if kind == "-" else found[0])

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(one) for key, one in part.items()}
        if isinstance(part, list):
            return [filled(one) for one in part]
        return _VARIABLE.sub(value, part) if isinstance(part, str) else part

    parsed: dict[str, Any] = filled(yaml.safe_load(text))
    return parsed


def findings(text: str, example_text: str, root: Path) -> list[str]:
    """Return what is wrong.

    Args:
        text: of compose.yaml.
        example_text: of the env file that is its example.
        root: the repository.
    """
    given = example(example_text)
    asked = variables(text)
    found = [f"{name} is not in the example" for name in sorted(asked - set(given))]
    found += [f"{name} of the example is asked for nowhere" for name in sorted(set(given) - asked)]
    parsed = compose(text, given)
    services = parsed["services"]
    for name, service in services.items():
        found += [f"{name}: {what}" for what in _service(service, parsed, root)]
    inside = [name for name, network in parsed["networks"].items() if (network or {}).get("internal")]
    for name, service in services.items():
        if not set(inside) & set(service["networks"]):
            found.append(f"{name}: is on no internal network")
        if set(service["networks"]) - set(inside) and "ports" not in service:
            found.append(f"{name}: reaches the world without need")
    return found


def _service(service: Mapping[str, Any], parsed: Mapping[str, Any], root: Path) -> Iterator[str]:
    if not re.search(r":(?!latest$)[\w.${}?-][^/]*$", service["image"]):
        yield f"image {service['image']} is not pinned"
    for port in service.get("ports", ()):
        if not str(port).startswith("127.0.0.1:"):
            yield f"port {port} is published beyond loopback"
    if "healthcheck" not in service and "depends_on" not in service:
        yield "has no healthcheck and waits for nobody"
    for other, how in _waits(service):
        if other not in parsed["services"]:
            yield f"waits for {other}, which there is not"
        elif "condition" not in how:
            yield f"waits for {other} under no condition"
        elif how["condition"] == "service_healthy" and "healthcheck" not in parsed["services"][other]:
            yield f"waits for the health of {other}, which has no healthcheck"
    for volume in service.get("volumes", ()):
        if volume.partition(":")[0] not in parsed["volumes"]:
            yield f"volume {volume.partition(':')[0]} is not declared"
    for network in service["networks"]:
        if network not in parsed["networks"]:
            yield f"network {network} is not declared"
    for name, value in service.get("environment", {}).items():
        if value is None:
            yield f"{name} is empty: quote it, or Compose takes the shell's"
        if _SECRET.search(name) and ":?" not in str(value):
            yield f"{name} holds a secret, or takes an empty one"
    if "build" in service:
        for key, wanted in _HARDENED.items():
            if service.get(key) != wanted:
                yield f"{key} is {service.get(key)!r}, not {wanted!r}"
        context = root / "infra/docker" / service["build"]["context"]
        declared = (context / service["build"]["dockerfile"]).read_text()
        for argument in service["build"]["args"]:
            if f"ARG {argument}=" not in declared:
                yield f"build argument {argument}: the Dockerfile has none"


def _waits(service: Mapping[str, Any]) -> list[tuple[str, Mapping[str, str]]]:
    """Return who is waited for, and how; the short form knows no condition."""
    waits = service.get("depends_on", {})
    return list(waits.items()) if isinstance(waits, dict) else [(name, {}) for name in waits]
