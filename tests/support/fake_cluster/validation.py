"""What the API server refuses of a Deployment, as far as a slip in a manifest goes."""

from __future__ import annotations

import json
import re

import kubernetes_validate

from tests.support.fake_cluster import answers
from tests.support.fake_cluster.fields import key, printed
from tests.support.fake_cluster.resources import Object, Resource

_VERSION = "1.36"


def check_schema(resource: Resource, config: Object) -> None:
    """Refuse an applied object with a field that isn't there, or text for a number.

    The first such error only, and of built-in kinds only.
    """
    try:
        kubernetes_validate.validate(config, _VERSION, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return
    except kubernetes_validate.ValidationError as error:
        at, why = list(error.path), ""
        if unknown := re.search(r"\('([^']+)' (?:was|were) unexpected", error.message):
            at, why = [*at, unknown[1]], "field not declared in schema"
        elif "is not of type 'integer'" in error.message:
            why = "expected numeric (int or float), got string"
        if why:
            metadata = config["metadata"]
            name = f"{metadata.get('namespace', '')}/{metadata['name']}"
            about = f"({name}; {resource.api_version}, Kind={resource.kind})"
            message = f"failed to create typed patch object {about}: {_printed(config, at)}: {why}"
            raise answers.Refused(500, "", message) from error


def _printed(config: Object, path: list[str | int]) -> str:
    value, elements, field = config, (), ""
    for part in path:
        if isinstance(part, int):
            elements = (*elements, key(field, value[part]) or f"i:{part}")
        else:
            elements, field = (*elements, f"f:{part}"), part
        inside = part in value if isinstance(value, dict) else isinstance(part, int)
        value = value[part] if inside else {}
    return printed(elements)


def check(resource: Resource, live: Object | None, new: Object) -> None:
    """Refuse a Deployment whose values can't be, or can't change."""
    if resource.kind != "Deployment":
        return
    spec = new["spec"]
    problems = []
    if spec["replicas"] < 0:
        why = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        problems.append(("spec.replicas", "FieldValueInvalid", why))
    template = spec.get("template", {})
    labels = template.get("metadata", {}).get("labels", {})
    if not spec.get("selector", {}).get("matchLabels", {}).items() <= labels.items():
        why = f"Invalid value: {_json(labels)}: `selector` does not match template `labels`"
        problems.append(("spec.template.metadata.labels", "FieldValueInvalid", why))
    for i, container in enumerate(template.get("spec", {}).get("containers", [])):
        if not container.get("image"):
            field = f"spec.template.spec.containers[{i}].image"
            problems.append((field, "FieldValueRequired", "Required value"))
    if live and spec.get("selector") != live["spec"].get("selector"):
        why = f"Invalid value: {_json(spec.get('selector'))}: field is immutable"
        problems.append(("spec.selector", "FieldValueInvalid", why))
    if problems:
        raise answers.invalid(resource, new["metadata"]["name"], problems)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
