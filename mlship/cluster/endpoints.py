"""Where a project can be asked: its Service, and what leads to that from outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError
from mlship.rollout.looking import objects
from mlship.runner import Runner

Object = dict[str, Any]
ROUTE = "HTTPRoute.gateway.networking.k8s.io"
_GATEWAY = "gateway.gateway.networking.k8s.io"


@dataclass(frozen=True)
class Endpoint:
    """One way to the pods.

    Attributes:
        kind: Service, Ingress or HTTPRoute.
        name: of that object.
        urls: what to ask; without a path.
        addresses: where these names have to lead to; empty while nobody gave it one.
        note: what is wrong, or must be known; may be empty.
    """

    kind: str
    name: str
    urls: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    note: str = ""

    @property
    def https(self) -> bool:
        """Whether each of its URLs is encrypted."""
        return bool(self.urls) and all(url.startswith("https://") for url in self.urls)


def look(runner: Runner, target: Target, name: str, kinds: set[str]) -> list[Endpoint]:
    """Return the ways to the project; ``kinds`` are those that the cluster has.

    What one may not read is left out.
    """
    found = _ask(runner, target, kubectl.entrances(target))
    if ROUTE in kinds:
        found += _ask(runner, target, kubectl.get(target, [ROUTE.lower()]))
    gateways = []
    for namespace, gateway in sorted(_parents(found, name, target.namespace)):
        there = Target(target.program, target.context, namespace)
        gateways += _ask(runner, there, there.command("get", _GATEWAY, gateway, "--output", "json"))
    return of(name, target.namespace, found + gateways)


def _ask(runner: Runner, target: Target, command: Any) -> list[Object]:
    try:
        return objects(runner, target, command)
    except ClusterError:
        return []


def of(name: str, namespace: str, items: list[Object]) -> list[Endpoint]:
    """Sort out objects of any kind: those that lead to the Service ``name``."""
    gateways = {_key(item): item for item in items if item["kind"] == "Gateway"}
    found = []
    for item in items:
        if item["kind"] == "Service" and item["metadata"]["name"] == name:
            found.append(_service(item, namespace))
        elif item["kind"] == "Ingress" and name in _backends(item):
            found.append(_ingress(item))
        elif item["kind"] == "HTTPRoute" and _routes_to(item, name):
            found.append(_route(item, namespace, gateways))
    order = ("Service", "Ingress", "HTTPRoute")
    return sorted(found, key=lambda endpoint: (order.index(endpoint.kind), endpoint.name))


def _service(item: Object, namespace: str) -> Endpoint:
    spec, name = item["spec"], item["metadata"]["name"]
    urls = [f"http://{name}.{namespace}"]
    balancer = _balancer(item)
    ports = spec.get("ports", [])
    urls += [f"http://{address}{_port(ports[0]['port'])}" for address in balancer if ports]
    cluster_ip = spec.get("clusterIP", "")
    note = "inside the cluster only"
    if spec.get("type") == "LoadBalancer":
        note = "" if balancer else "no load balancer gave it an address yet"
    elif spec.get("type") == "NodePort":
        note = f"port {ports[0].get('nodePort')} of each node" if ports else ""
    return Endpoint("Service", name, tuple(urls), (*_present(cluster_ip), *balancer), note)


def _present(address: str) -> tuple[str, ...]:
    return (address,) if address and address != "None" else ()


def _port(number: int) -> str:
    return "" if number == 80 else f":{number}"


def _balancer(item: Object) -> list[str]:
    entries = item.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    return [str(entry.get("hostname") or entry.get("ip")) for entry in entries]


def _backends(ingress: Object) -> set[str]:
    spec = ingress.get("spec", {})
    backends = [spec.get("defaultBackend") or {}]
    for rule in spec.get("rules") or []:
        backends += [path["backend"] for path in (rule.get("http") or {}).get("paths", [])]
    return {backend.get("service", {}).get("name", "") for backend in backends}


def _ingress(item: Object) -> Endpoint:
    spec, addresses = item["spec"], _balancer(item)
    secured = {host for tls in spec.get("tls") or [] for host in tls.get("hosts") or []}
    hosts = [rule.get("host", "") for rule in spec.get("rules") or []] or [""]
    everywhere = any(not tls.get("hosts") for tls in spec.get("tls") or [])
    named = [(host, everywhere or host in secured) for host in hosts if host]
    if "" in hosts:  # any host: then the address itself is what to ask
        named += [(address, everywhere) for address in addresses]
    urls = tuple(f"{'https' if safe else 'http'}://{host}" for host, safe in named)
    note = "" if addresses else "no ingress controller gave it an address yet"
    return Endpoint("Ingress", item["metadata"]["name"], urls, tuple(addresses), note)


def _routes_to(route: Object, name: str) -> bool:
    rules = route.get("spec", {}).get("rules") or []
    return any(ref.get("name") == name for rule in rules for ref in rule.get("backendRefs") or [])


def _references(route: Object, namespace: str) -> list[tuple[tuple[str, str], str]]:
    """Return the gateways of a route, by namespace and name, each with the listener meant."""
    return [
        ((ref.get("namespace", namespace), ref["name"]), ref.get("sectionName", ""))
        for ref in route.get("spec", {}).get("parentRefs") or []
        if ref.get("kind", "Gateway") == "Gateway"
    ]


def _parents(items: Iterable[Object], name: str, namespace: str) -> set[tuple[str, str]]:
    return {
        key
        for item in items
        if item["kind"] == "HTTPRoute" and _routes_to(item, name)
        for key, _ in _references(item, namespace)
    }


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _route(item: Object, namespace: str, gateways: dict[tuple[str, str], Object]) -> Endpoint:
    urls: list[str] = []
    addresses: list[str] = []
    for key, section in _references(item, namespace):
        gateway = gateways.get(key, {})
        addresses += [a["value"] for a in gateway.get("status", {}).get("addresses") or []]
        listeners = [
            listener
            for listener in gateway.get("spec", {}).get("listeners") or []
            if section in ("", listener["name"])
        ]
        safe = any(listener.get("protocol") in ("HTTPS", "TLS") for listener in listeners)
        own = [listener["hostname"] for listener in listeners if listener.get("hostname")]
        hosts = item["spec"].get("hostnames") or own
        urls += [f"{'https' if safe else 'http'}://{host}" for host in hosts]
    note = _refusal(item) or ("" if addresses else "its Gateway has no address yet")
    name = item["metadata"]["name"]
    return Endpoint("HTTPRoute", name, tuple(dict.fromkeys(urls)), tuple(addresses), note)


def _refusal(route: Object) -> str:
    """Return why a Gateway does not take the route; empty where all do."""
    parents = route.get("status", {}).get("parents") or []
    if not parents:
        return "no Gateway has taken it yet"
    for parent in parents:
        for condition in parent.get("conditions") or []:
            if condition.get("status") == "False":
                return str(condition.get("message") or condition.get("reason"))
    return ""
