"""What an image is made of, as CycloneDX (https://cyclonedx.org): its libraries and its model.

Told from the lock and from mlship.yaml alone, so that the same project always gives the same
document: no time of writing, and a serial number that follows from the content.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlship import __version__
from mlship.indexes import shown
from mlship.lockfile import Lock, Pin
from mlship.project import Project
from mlship.target import NEWEST, Target

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

FILE = "sbom.json"


def write(project: Project, lock: Lock, targets: Iterable[Target], epoch: int | None) -> str:
    """Return the document as JSON of CycloneDX 1.6; ``epoch`` (seconds) becomes its timestamp."""
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    bom = _bom(project, lock, list(targets))
    if epoch is not None:
        bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    # The library draws a random number; this one is the same for the same content.
    bom.serial_number = uuid.UUID(int=0)
    unnamed = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, unnamed)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return text + "\n"


def _bom(project: Project, lock: Lock, targets: list[Target]) -> Bom:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    config = project.config
    bom = Bom()
    bom.metadata.timestamp = None  # type: ignore[assignment]  # the library's default is now
    tool = Component(name="mlship", version=__version__, type=ComponentType.APPLICATION)
    bom.metadata.tools = ToolRepository(components=[tool])
    image = Component(
        name=config.name,
        version=config.version,
        type=ComponentType.CONTAINER,
        bom_ref=f"{config.name}@{config.version}",
    )
    bom.metadata.component = image
    inside = [_model(project)]
    pins = {(pin.name, pin.version): pin for each in targets
            for pin in each.pins(lock, (NEWEST,))}  # fmt: skip
    inside += [_library(pin) for pin in pins.values()]
    for each in inside:
        bom.components.add(each)
        bom.register_dependency(each)
    bom.register_dependency(image, inside)
    return bom


def _model(project: Project) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType

    model = project.config.model
    # Without what it is signed with: the document is handed on.
    source = shown(model.source) if model.source else ""
    return Component(
        name=model.file.rpartition("/")[2],
        version=project.config.version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=model.file,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=model.sha256)],
        properties=[Property(name="mlship:model:source", value=source)] if source else [],
    )


def _library(pin: Pin) -> Component:
    from cyclonedx.model import (
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        XsUri,
    )
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    # A component's own hashes are of one file, and a lock has those of all a release's files.
    known = (each.removeprefix("sha256:") for each in pin.hashes if each.startswith("sha256:"))
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=each) for each in known]
    elsewhere = "://" in pin.version
    # The document is handed on: to whom the password of an address is not.
    purl = PackageURL("pypi", None, pin.name, None if elsewhere else pin.version)
    address = shown(pin.version) if elsewhere else str(purl)
    reference = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION, url=XsUri(address), hashes=hashes
    )
    return Component(
        name=pin.name,
        version=None if elsewhere else pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=address,
        purl=purl,
        external_references=[reference],
    )
