"""The SBOM: valid, the same for the same project, and complete."""

import json
from dataclasses import replace

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from mlship import lockfile, sbom
from mlship.project import find
from mlship.target import Target

LOCK = lockfile.parse(
    "numpy==2.0 \\\n    --hash=sha256:" + "1" * 64 + " \\\n    --hash=sha256:" + "2" * 64 + "\n"
    "colorama==0.4 ; sys_platform == 'win32' \\\n    --hash=sha256:" + "3" * 64 + "\n"
    "uvloop==0.22 ; platform_machine == 'aarch64' \\\n    --hash=sha256:" + "4" * 64 + "\n"
    "own @ https://me:pw@files.example.com/own-1.whl \\\n    --hash=sha256:" + "5" * 64 + "\n"
)
AMD, ARM = Target("linux/amd64", "3.12"), Target("linux/arm64", "3.12")


def test_valid(project):
    text = sbom.write(find(project), LOCK, [AMD, ARM], 1700000000)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = text.replace('"machine-learning-model"', '"model"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_what_is_in_it(project):
    told = json.loads(sbom.write(find(project), LOCK, [AMD], None))
    by_name = {each["name"]: each for each in told["components"]}
    assert by_name.keys() == {"iris.onnx", "numpy", "own"}
    model = by_name["iris.onnx"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": find(project).config.model.sha256}]
    numpy = by_name["numpy"]
    assert (numpy["version"], numpy["purl"]) == ("2.0", "pkg:pypi/numpy@2.0")
    hashes = numpy["externalReferences"][0]["hashes"]
    assert {each["content"] for each in hashes} == {"1" * 64, "2" * 64}
    assert by_name["own"]["externalReferences"][0]["url"] == "https://files.example.com/own-1.whl"
    image = told["metadata"]["component"]
    assert (image["type"], image["name"], image["version"]) == ("container", "iris", "0.2.0")
    needs = {each["ref"]: each.get("dependsOn", []) for each in told["dependencies"]}
    assert len(needs[image["bom-ref"]]) == 3
    assert "timestamp" not in told["metadata"]


def test_of_the_platforms_that_are_built(project):
    told = json.loads(sbom.write(find(project), LOCK, [AMD, ARM], 1700000000))
    assert "uvloop" in {each["name"] for each in told["components"]}
    assert told["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_the_same_project_gives_the_same_document(project):
    first = sbom.write(find(project), LOCK, [AMD], 1700000000)
    assert sbom.write(find(project), LOCK, [AMD], 1700000000) == first
    serial = json.loads(first)["serialNumber"]
    other = json.loads(sbom.write(find(project), LOCK, [ARM], 1700000000))["serialNumber"]
    assert serial.startswith("urn:uuid:") and serial != other


def test_a_signed_address_of_the_model_is_not_handed_on(project):
    found = find(project)
    source = "https://store.example.com/models/iris.onnx?sv=1&sig=secret"
    model = replace(found.config.model, source=source)
    found = replace(found, config=replace(found.config, model=model))
    text = sbom.write(found, LOCK, [AMD], None)
    assert "secret" not in text and "https://store.example.com/models/iris.onnx" in text
