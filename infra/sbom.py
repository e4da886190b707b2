"""Write the bill of materials of the locked environment, CycloneDX 1.6 as JSON: `make sbom`.

Name, version and file hashes of every package come from requirements.lock (and of torch's CPU build from requirements.cpu.lock);
licences and who needs whom from the metadata of what is installed. Equal locks in equal environments give equal bytes: no time, no
random number.
"""

import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.exceptions import InvalidLicenseExpressionException
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from infra.docker.prune import dependency_graph, installed
from infra.lock_file import Locked, read_lock

REPOSITORY = Path(__file__).resolve().parents[1]
OUT = Path(".dwell/sbom.cdx.json")
_INDEX = "https://pypi.org/simple/"
_CLASSIFIER = "License :: "


def bill(repository: Path) -> Bom:
    """Return the bill of a repository: its locks, and the metadata of what is installed here.

    Args:
        repository: folder of pyproject.toml and the locks.
    """
    project: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    locked = read_lock(repository / "requirements.lock")
    builds = {build.name: build for build in read_lock(repository / "requirements.cpu.lock")}
    graph = dependency_graph(repository / "pyproject.toml", ())
    everything = dependency_graph(repository / "pyproject.toml", project["optional-dependencies"])
    components = {package.name: _component(package, builds.get(package.name), graph) for package in locked}
    seed = b"".join((repository / name).read_bytes() for name in ("requirements.lock", "requirements.cpu.lock"))
    bom = Bom(components=components.values(), serial_number=uuid.uuid5(uuid.NAMESPACE_URL, seed.hex()))
    bom.metadata.timestamp = None  # type: ignore[assignment]  # the specification lets it be absent
    root = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        description=project["description"],
        licenses=[LicenseFactory().make_from_string(project["license"])],
    )
    bom.metadata.component = root
    for name, needed in everything.items():
        owner = root if name == project["name"] else components.get(name)
        if owner is not None:
            bom.register_dependency(owner, [components[other] for other in sorted(needed) if other in components])
    return bom


def _component(package: Locked, build: Locked | None, graph: Iterable[str]) -> Component:
    address = PackageURL("pypi", name=package.name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        purl=address,
        bom_ref=address.to_string(),
        scope=ComponentScope.REQUIRED if package.name in graph else ComponentScope.OPTIONAL,
        licenses=_licences(package),
        external_references=[_files(one) for one in (package, build) if one is not None],
    )


def _files(package: Locked) -> ExternalReference:
    """Return where the files of a package come from, and which of them may be taken."""
    return ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"{_INDEX}{package.name}/#{package.version}"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes],
    )


def _licences(package: Locked) -> Iterator[License]:
    """Yield what the installed package of that version says of its licence: an expression, or else classifiers."""
    if package.name not in installed():
        return
    said = installed()[package.name].metadata
    make = LicenseFactory()
    lines = [said[field].strip() for field in ("License-Expression", "License") if field in said]
    lines = [line for line in lines if line and "\n" not in line]
    for line in lines:
        try:
            yield make.make_with_expression(line)
            return
        except InvalidLicenseExpressionException:
            continue
    classifiers = (found for found in said.get_all("Classifier", []) if found.startswith(_CLASSIFIER))
    names = {found.rpartition(" :: ")[2] for found in classifiers} or {*lines}
    yield from (make.make_from_string(name) for name in sorted(names))


def main(out: Path) -> int:
    """Write the bill; return the exit status."""
    bom = bill(REPOSITORY)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(JsonV1Dot6(bom).output_as_string(indent=1) + "\n")
    unsaid = [component.name for component in bom.components if not component.licenses]
    print(
        f"written: {out}: {len(bom.components)} packages, licence unknown of {len(unsaid)}: {', '.join(sorted(unsaid))}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT))
