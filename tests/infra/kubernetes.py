"""What a schema check and kube-linter would say of the manifests, without a cluster, and whether they fit one another."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

VERSIONS = {
    "Namespace": "v1",
    "Service": "v1",
    "PersistentVolumeClaim": "v1",
    "Secret": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|Mi|Gi)?")
Manifest = Mapping[str, Any]


def manifests(folder: Path) -> dict[str, list[Manifest]]:
    """Return file name -> its documents, of every YAML file in a folder."""
    return {path.name: list(yaml.safe_load_all(path.read_text())) for path in sorted(folder.glob("*.yaml"))}


def findings(files: Mapping[str, list[Manifest]]) -> list[str]:
    """Return what is wrong in manifests, their kustomization and the example of their secret."""
    (kustomization,) = files["kustomization.yaml"]
    (secret,) = files["secret.example.yaml"]
    listed = kustomization["resources"]
    others = set(files) - {"kustomization.yaml", "secret.example.yaml"}
    found = [f"kustomization.yaml: {name} is not listed" for name in sorted(others - set(listed))]
    found += [f"kustomization.yaml: there is no {name}" for name in sorted(set(listed) - others)]
    tags = {image["name"]: image.get("newTag", "") for image in kustomization["images"]}
    found += [f"kustomization.yaml: {name} has no tag" for name, tag in tags.items() if tag in ("", "latest")]
    placed = [(name, one) for name in sorted(others) for one in files[name]]
    for name, one in [*placed, ("secret.example.yaml", secret)]:
        where = f"{name}: {one.get('kind')} {one.get('metadata', {}).get('name')}"
        if VERSIONS.get(one.get("kind", "")) != one.get("apiVersion"):
            found.append(f"{where}: apiVersion {one.get('apiVersion')}")
        if not _NAME.fullmatch(str(one.get("metadata", {}).get("name"))):
            found.append(f"{where}: no name")
    known = [one for _, one in placed]
    for name, one in placed:
        found += [f"{name}: {one['kind']} {one['metadata']['name']}: {what}" for what in _one(one, known, tags, secret)]
    if any(secret["stringData"][key] for key in secret["stringData"] if not key.endswith("REGION")):
        found.append("secret.example.yaml: holds a value")
    return found


def _one(one: Manifest, known: list[Manifest], tags: Mapping[str, str], secret: Manifest) -> Iterator[str]:
    if one["kind"] == "Service":
        yield from _service(one, known)
    if one["kind"] not in ("Deployment", "StatefulSet"):
        return
    spec = one["spec"]
    labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
    if not spec["selector"]["matchLabels"].items() <= labels.items():
        yield f"selects {spec['selector']['matchLabels']}, its pods bear {labels}"
    if one["kind"] == "StatefulSet" and spec["serviceName"] not in _names(known, "Service"):
        yield f"no Service {spec['serviceName']}"
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "may run as root"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the cluster"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "runs without seccomp"
    templates = {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())}
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    for volume in volumes.values():
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and claim not in _names(known, "PersistentVolumeClaim"):
            yield f"no PersistentVolumeClaim {claim}"
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        for what in _container(container, set(volumes) | templates, tags, secret):
            yield f"{container['name']}: {what}"


def _container(container: Manifest, volumes: set[str], tags: Mapping[str, str], secret: Manifest) -> Iterator[str]:
    if container["image"] not in tags:
        yield f"image {container['image']}: its tag is no argument (images of kustomization.yaml)"
    for kind in ("requests", "limits"):
        for what in ("cpu", "memory"):
            if not _QUANTITY.fullmatch(str(container.get("resources", {}).get(kind, {}).get(what))):
                yield f"no {kind} of {what}"
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities") != {"drop": ["ALL"]}:
        yield "may gain privileges"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write its image"
    for mount in container.get("volumeMounts", ()):
        if mount["name"] not in volumes:
            yield f"no volume {mount['name']}"
    for variable in container.get("env", ()):
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        if reference and (
            reference["name"] != secret["metadata"]["name"] or reference["key"] not in secret["stringData"]
        ):
            yield f"{variable['name']}: the example of the secret has no {reference['key']}"
        if re.search("PASSWORD|SECRET|AUTH_", variable["name"]) and not reference:
            yield f"{variable['name']} stands in the manifest"
    for source in container.get("envFrom", ()):
        if source["secretRef"]["name"] != secret["metadata"]["name"]:
            yield f"no Secret {source['secretRef']['name']}"


def _service(service: Manifest, known: list[Manifest]) -> Iterator[str]:
    """A Service finds pods, those listen on its ports, and it is seen inside the cluster only."""
    selector = service["spec"]["selector"]
    pods = [
        one["spec"]["template"]
        for one in known
        if one["kind"] in ("Deployment", "StatefulSet")
        and selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()
    ]
    if len(pods) != 1:
        yield f"selects {selector}: {len(pods)} kinds of pods"
    if service["spec"].get("type", "ClusterIP") != "ClusterIP":
        yield "is seen outside the cluster"
    open_ports = {
        port["containerPort"] for pod in pods for box in pod["spec"]["containers"] for port in box.get("ports", ())
    }
    for port in service["spec"].get("ports", ()):
        if port.get("targetPort", port["port"]) not in open_ports:
            yield f"nobody listens on {port['port']}"


def _names(known: list[Manifest], kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in known if one["kind"] == kind}
