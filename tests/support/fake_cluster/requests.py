"""What a request asks for, read from its path and query."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import yaml
from aiohttp import web

from mlship.inspection.protobuf import Message
from tests.support.fake_cluster.answers import Refused
from tests.support.fake_cluster.resources import Object, Resource
from tests.support.fake_cluster.store import Store

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+)(?:/(?P<rest>.*))?)?)?"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass
class Asked:
    """A request on objects: which verb, on what.

    Attributes:
        name: without the port and scheme of ``http:iris:80``, as the proxy's paths have them.
        port: that port, a number or a name; empty without.
        rest: what follows the subresource, such as the path behind ``proxy/``.
    """

    verb: str
    resource: Resource
    namespace: str
    name: str
    sub: str
    rest: str
    query: dict[str, str]
    user: str
    manager: str
    content_type: str
    port: str = ""
    body: Any = field(default=None)

    @property
    def dry(self) -> bool:
        return self.query.get("dryRun") == "All"


def parse(store: Store, request: web.Request, body: bytes, user: str) -> Asked | None:
    """Read a request; None where the path names no kind that the cluster has."""
    found = _PATH.fullmatch(request.path)
    if not found:
        return None
    part = found.groupdict(default="")
    resource = store.resource(part["group"], part["core"] or part["version"], part["plural"])
    if resource is None:
        return None
    query = dict(request.query)
    verb = _VERBS.get(request.method) or (
        "watch" if query.get("watch") in ("1", "true") else "get" if part["name"] else "list"
    )
    agent = request.headers.get("User-Agent", "").split("/")[0]
    content_type = request.content_type
    name, port = part["name"], ""
    if part["sub"] == "proxy" and ":" in name:  # NAME:PORT or SCHEME:NAME:PORT
        name, port = name.split(":")[-2:]
    return Asked(
        *(verb, resource, part["namespace"], name, part["sub"], part["rest"], query),
        request.headers.get("Impersonate-User", user),
        query.get("fieldManager") or agent,
        content_type,
        port,
        _decode(body, content_type, resource) if body and part["sub"] != "proxy" else None,
    )


def _decode(body: bytes, content_type: str, resource: Resource) -> Any:
    if "protobuf" in content_type:
        return _from_protobuf(body, resource)
    return yaml.safe_load(body) if "yaml" in content_type else json.loads(body)


def _from_protobuf(body: bytes, resource: Resource) -> Object:
    """Read the few kinds that kubectl's ``create`` and ``auth`` send as protobuf.

    The numbers are those of generated.proto in k8s.io/api and k8s.io/apimachinery.

    Raises:
        Refused: 415 for other kinds, of which this would lose a part; kubectl sends ``-f`` as JSON.
    """
    obj: Object = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    sent = Message(body, len(b"k8s\0"), len(body)).message(2)
    if name := sent.message(1).text(1):
        obj["metadata"]["name"] = name
    if resource.kind == "SelfSubjectAccessReview":
        names = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
        asked = sent.message(2).message(1)
        obj["spec"] = {"resourceAttributes": {n: asked.text(i) for i, n in enumerate(names, 1)}}
    elif resource.kind in ("ConfigMap", "Secret"):
        data = {entry.text(1): entry.text(2) for entry in sent.messages(2)}
        if resource.kind == "Secret":
            obj["type"] = sent.text(3) or "Opaque"
            data = {k: b64encode(v.encode()).decode() for k, v in data.items()}
        obj["data"] = data
    elif resource.kind not in ("Namespace", "ServiceAccount", "SelfSubjectReview"):
        message = "the body of the request was in an unknown format"
        raise Refused(415, "UnsupportedMediaType", f"{message}: this fake reads no such protobuf")
    return obj


def selected(query: dict[str, str], obj: Object) -> bool:
    """Tell whether the label and field selectors of a list take an object."""
    labels = obj["metadata"].get("labels", {})
    by_label = _requirements(query.get("labelSelector", ""))
    by_field = _requirements(query.get("fieldSelector", ""))
    return all(_holds(r, labels) for r in by_label) and all(
        _holds(r, {r.lstrip("!").split("=")[0].rstrip("!"): _at(obj, r)}) for r in by_field
    )


def _requirements(selector: str) -> list[str]:
    return [r.strip() for r in re.split(r",(?![^()]*\))", selector) if r.strip()]


def _at(obj: Object, requirement: str) -> str:
    value: Any = obj
    for name in re.split(r"[!=]", requirement)[0].split("."):
        value = value.get(name, "") if isinstance(value, dict) else ""
    return str(value)


def _holds(requirement: str, labels: dict[str, str]) -> bool:
    if found := re.fullmatch(r"(\S+) (in|notin) \(([^)]*)\)", requirement):
        name, how, values = found.groups()
        inside = labels.get(name) in [v.strip() for v in values.split(",")]
        return inside == (how == "in")
    if "!=" in requirement:
        name, _, value = requirement.partition("!=")
        return labels.get(name) != value
    if "=" in requirement:
        name, _, value = requirement.replace("==", "=").partition("=")
        return labels.get(name) == value
    if requirement.startswith("!"):
        return requirement[1:] not in labels
    return requirement in labels
