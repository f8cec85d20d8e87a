"""The verbs on objects: what the API server does with one request."""

from __future__ import annotations

from tests.support.fake_cluster import access, answers, defaults, fields, patches, validation
from tests.support.fake_cluster.requests import Asked, selected
from tests.support.fake_cluster.resources import Object
from tests.support.fake_cluster.store import Store

Answer = tuple[int, Object]


def serve(store: Store, rules: list[access.Rule], asked: Asked) -> Answer:
    """Do one request; returns the status code and the object to answer with.

    Raises:
        Refused: what the API server answers instead.
    """
    with store.lock:
        if asked.sub == "scale":
            return 200, _scale(store, asked)
        if asked.resource.verbs == ["create"]:
            return 201, access.review(rules, asked.resource, asked.body, asked.user)
        verb = {"create": _create, "delete": _delete, "patch": _patch, "update": _update}
        if asked.verb in verb:
            return verb[asked.verb](store, asked)
        if asked.verb == "get":
            return 200, store.get(asked.resource, asked.namespace, asked.name)
        return 200, _list(store, asked)


def _list(store: Store, asked: Asked) -> Object:
    found = store.all(asked.resource, asked.namespace)
    items = [o for o in found if selected(asked.query, o)]
    bare = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in items]
    metadata = {"resourceVersion": str(store.version)}
    kind, version = f"{asked.resource.kind}List", asked.resource.api_version
    return {"kind": kind, "apiVersion": version, "metadata": metadata, "items": bare}


def _create(store: Store, asked: Asked) -> Answer:
    obj: Object = asked.body
    if asked.resource.namespaced:
        obj.setdefault("metadata", {})["namespace"] = asked.namespace
    return 201, store.create(asked.resource, obj, asked.manager, dry=asked.dry)


def _update(store: Store, asked: Asked) -> Answer:
    return 200, store.update(asked.resource, asked.body, asked.manager, asked.sub, dry=asked.dry)


def _patch(store: Store, asked: Asked) -> Answer:
    resource = asked.resource
    live = store.find(resource, asked.namespace, asked.name)
    if asked.content_type == patches.APPLY:
        return _apply(store, asked, live)
    if live is None:
        raise answers.not_found(resource, asked.name)
    changed = patches.patched(live, asked.body, asked.content_type)
    return 200, store.update(resource, changed, asked.manager, asked.sub, dry=asked.dry)


def _apply(store: Store, asked: Asked, live: Object | None) -> Answer:
    resource, config = asked.resource, asked.body
    if resource.namespaced:
        config.setdefault("metadata", {})["namespace"] = asked.namespace
    validation.check_schema(resource, config)
    empty = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    force = asked.query.get("force") == "true"
    merged = fields.apply(live or empty, config, asked.manager, force=force)
    if live is None:
        return 201, store.insert(resource, merged, dry=asked.dry)
    defaults.fill(merged)
    return 200, store.replace(resource, live, merged, dry=asked.dry)


def _delete(store: Store, asked: Asked) -> Answer:
    resource = asked.resource
    live = store.get(resource, asked.namespace, asked.name)
    sent = asked.body or {}
    policy = sent.get("propagationPolicy") or asked.query.get("propagationPolicy")
    grace = sent.get("gracePeriodSeconds", asked.query.get("gracePeriodSeconds"))
    if asked.dry:
        return 200, live
    metadata = live["metadata"]
    closing = resource.kind in ("Pod", "Namespace") and str(grace) != "0"
    if policy == "Orphan":
        orphan(store, live)
    if policy == "Foreground":
        metadata.setdefault("finalizers", []).append("foregroundDeletion")
    if closing or metadata.get("finalizers"):
        seconds = None if grace is None else int(grace)
        return 200, store.mark_deleted(resource, live, seconds)
    store.delete(resource, live)
    about = answers.details(resource, asked.name, uid=metadata["uid"])
    done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return 200, done | {"details": about}


def orphan(store: Store, owner: Object) -> None:
    """Let go of what an object owns."""
    for resource in list(store.resources):
        for obj in store.all(resource, owner["metadata"].get("namespace", "")):
            references = obj["metadata"].get("ownerReferences", [])
            kept = [r for r in references if r["uid"] != owner["metadata"]["uid"]]
            if kept != references:
                obj["metadata"]["ownerReferences"] = kept
                store.update(resource, obj, "kube-controller-manager")


def _scale(store: Store, asked: Asked) -> Object:
    live = store.get(asked.resource, asked.namespace, asked.name)
    if asked.verb != "get":
        scale = asked.body
        if asked.verb == "patch":
            scale = patches.patched(_as_scale(live), asked.body, asked.content_type)
        live["spec"]["replicas"] = int(scale["spec"]["replicas"])
        live = store.update(asked.resource, live, asked.manager, "scale", dry=asked.dry)
    return _as_scale(live)


def _as_scale(live: Object) -> Object:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = live["spec"].get("selector", {}).get("matchLabels", {})
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {k: v for k, v in live["metadata"].items() if k in kept},
        "spec": {"replicas": live["spec"].get("replicas", 1)},
        "status": {
            "replicas": live.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in labels.items()),
        },
    }
