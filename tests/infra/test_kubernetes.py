"""The manifests, and that they run what compose.yaml runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.compose import compose
from tests.infra.kubernetes import findings, manifests
from tests.test_lock import REPOSITORY

FOLDER = REPOSITORY / "infra/kubernetes"


def test_the_manifests_keep_the_rules() -> None:
    assert findings(manifests(FOLDER)) == []


@pytest.mark.parametrize(
    ("file", "right", "wrong", "finding"),
    [
        ("worker.yaml", "runAsNonRoot: true", "runAsNonRoot: false", "StatefulSet worker: may run as root"),
        ("worker.yaml", "runAsUser: 10001", "runAsUser: 0", "may run as root"),
        ("worker.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "worker: may write its image"),
        ("worker.yaml", "drop: [ALL]", "drop: []", "may gain privileges"),
        ("worker.yaml", "limits: {cpu: \"8\", memory: 16Gi}", "limits: {cpu: \"8\"}", "no limits of memory"),
        ("worker.yaml", "memory: 16Gi", "memory: 16 GB", "no limits of memory"),
        ("worker.yaml", "secretRef: {name: dwell}", "secretRef: {name: well}", "no Secret well"),
        ("worker.yaml", "claimName: workspace", "claimName: worskpace", "no PersistentVolumeClaim worskpace"),
        ("worker.yaml", "name: tmp, mountPath", "name: temp, mountPath", "no volume temp"),
        ("worker.yaml", "serviceName: worker", "serviceName: workers", "no Service workers"),
        ("worker.yaml", "automountServiceAccountToken: false", "hostNetwork: false", "gets a token of the cluster"),
        ("server.yaml", "image: dwell", "image: dwell:0.1.0", "its tag is no argument"),
        ("server.yaml", "labels: {app: dwell, part: server}", "labels: {app: dwell, part: api}", "Deployment server: selects"),
        ("server.yaml", "selector: {app: dwell, part: server}", "selector: {app: dwell}", "5 kinds of pods"),
        ("server.yaml", "port: 4200", "port: 4201", "nobody listens on 4201"),
        ("server.yaml", "spec:\n  selector: {", "spec:\n  type: NodePort\n  selector: {", "is seen outside the cluster"),
        ("server.yaml", "key: POSTGRES_PASSWORD", "key: PASSWORD", "the example of the secret has no PASSWORD"),
        ("server.yaml", "value: \"http://127.0.0.1:4200\"}", "value: x}\n            - {name: A_PASSWORD, value: x}", "A_PASSWORD stands"),
        ("server.yaml", "apiVersion: apps/v1", "apiVersion: extensions/v1beta1", "apiVersion extensions/v1beta1"),
        ("dask.yaml", "seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}", "without seccomp"),
        ("kustomization.yaml", "  - dask.yaml\n", "", "dask.yaml is not listed"),
        ("kustomization.yaml", "  - dask.yaml\n", "  - dask.yaml\n  - more.yaml\n", "there is no more.yaml"),
        ("kustomization.yaml", "newTag: 0.1.0", "newTag: latest", "dwell has no tag"),
        ("secret.example.yaml", "AWS_ACCESS_KEY_ID: \"\"", "AWS_ACCESS_KEY_ID: AKIA", "holds a value"),
    ],
)  # fmt: skip
def test_a_wrong_twin_is_found(file: str, right: str, wrong: str, finding: str) -> None:
    files, text = manifests(FOLDER), (FOLDER / file).read_text()
    assert right in text
    files[file] = list(yaml.safe_load_all(text.replace(right, wrong)))
    assert any(finding in found for found in findings(files)), findings(files)


def commands(folder: Path) -> dict[str, list[str]]:
    found = dict[str, list[str]]()
    for one in (
        one for documents in manifests(folder).values() for one in documents if "template" in one.get("spec", {})
    ):
        pod: dict[str, Any] = one["spec"]["template"]["spec"]
        boxes = [*pod.get("initContainers", ()), *pod["containers"]]
        found |= {box["name"]: box["args"] for box in boxes if box["image"] == "dwell"}
    return found


def test_both_topologies_run_the_same_commands() -> None:
    parsed = compose((REPOSITORY / "infra/docker/compose.yaml").read_text(), {})
    assert commands(FOLDER) == {name: one["command"] for name, one in parsed["services"].items() if "build" in one}
