"""What is not one object: watches, logs, answers through the proxy."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import aiohttp
from aiohttp import web

from tests.support.fake_cluster import answers
from tests.support.fake_cluster.controllers import is_ready
from tests.support.fake_cluster.kubelet import Kubelet, Life
from tests.support.fake_cluster.requests import Asked, selected
from tests.support.fake_cluster.resources import Object
from tests.support.fake_cluster.store import Store

_POLL = 0.02
# Hop by hop, or wrong once the body is read.
_NOT_PASSED_ON = ("Transfer-Encoding", "Content-Encoding", "Content-Length", "Connection", "Date")


async def watch(store: Store, asked: Asked, request: web.Request) -> web.StreamResponse:
    """Tell of changes, as lines of JSON, until the client goes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    plural = "events" if asked.resource.plural == "events" else asked.resource.qualified
    with store.lock:
        after = int(asked.query.get("resourceVersion") or 0)
        present = store.all(asked.resource, asked.namespace)
        initial = asked.query.get("sendInitialEvents") == "true" or not after
        seen = len(store.history)
        while after and not initial and seen and store.history[seen - 1][0] > after:
            seen -= 1
    if initial:
        for obj in present:
            await _tell(response, asked, "ADDED", obj)
    if asked.query.get("sendInitialEvents") == "true":
        metadata = {
            "resourceVersion": str(store.version),
            "annotations": {"k8s.io/initial-events-end": "true"},
        }
        kind = {"kind": asked.resource.kind, "apiVersion": asked.resource.api_version}
        await _tell(response, None, "BOOKMARK", kind | {"metadata": metadata})
    until = time.monotonic() + float(asked.query.get("timeoutSeconds", 600))
    while time.monotonic() < until and _listens(request):
        changes, seen = store.history[seen:], len(store.history)
        for _, how, of, obj in changes:
            if of == plural and asked.namespace in ("", obj["metadata"].get("namespace")):
                await _tell(response, asked, how, obj)
        await asyncio.sleep(_POLL)
    return response


def _listens(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def _tell(response: web.StreamResponse, asked: Asked | None, how: str, obj: Object) -> None:
    if asked and asked.name and obj["metadata"]["name"] != asked.name:
        return
    if asked is None or selected(asked.query, obj):
        await response.write(json.dumps({"type": how, "object": obj}).encode() + b"\n")


async def log(kubelet: Kubelet, asked: Asked, request: web.Request) -> web.StreamResponse:
    """Answer ``kubectl logs``."""
    pod = kubelet.store.get(asked.resource, asked.namespace, asked.name)
    life, previous = kubelet.life(pod), asked.query.get("previous") == "true"
    _check_log(pod, asked, previous)
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    lines = _lines(life, previous)
    sent = len(_due(kubelet, life, lines))
    first = max(0, sent - int(asked.query.get("tailLines", sent)))
    for at, line in lines[first:sent]:
        await _write(response, asked, kubelet, life, at, line)
    while asked.query.get("follow") == "true" and not previous and _listens(request):
        due = _due(kubelet, life, lines)
        for at, line in due[sent:]:
            await _write(response, asked, kubelet, life, at, line)
        sent = len(due)
        live = kubelet.store.find(asked.resource, asked.namespace, asked.name)
        if live is None or "running" not in _state(live, "state"):
            break
        await asyncio.sleep(_POLL)
    return response


def _state(pod: Object, which: str) -> Object:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    found: Object = statuses[0].get(which, {})
    return found


def _check_log(pod: Object, asked: Asked, previous: bool) -> None:
    names = [c["name"] for c in pod["spec"]["containers"]]
    name = asked.query.get("container") or names[0]
    subject = f'container "{name}" in pod "{asked.name}"'
    if name not in names:
        message = f"container {name} is not valid for pod {asked.name}"
        raise answers.Refused(400, "BadRequest", message)
    state, last = _state(pod, "state"), _state(pod, "lastState")
    if previous and "terminated" not in last:
        raise answers.Refused(400, "BadRequest", f"previous terminated {subject} not found")
    if not state and "nodeName" not in pod["spec"]:
        message = f"pod {asked.name} does not have a host assigned"
        raise answers.Refused(400, "BadRequest", message)
    if not previous and "terminated" not in last and "waiting" in (state or {"waiting": {}}):
        reason = state.get("waiting", {}).get("reason", "ContainerCreating")
        told = {
            "ErrImagePull": "image can't be pulled",
            "ImagePullBackOff": "trying and failing to pull image",
        }.get(reason, reason)
        raise answers.Refused(400, "BadRequest", f"{subject} is waiting to start: {told}")


def _lines(life: Life, previous: bool) -> list[tuple[float, str]]:
    scenario = life.scenario
    chosen = scenario.previous if previous and scenario.previous is not None else scenario.log
    start = next((s.at for s in scenario.steps if "running" in s.state), 0.0)
    return [(start, each) if isinstance(each, str) else each for each in chosen]


def _due(kubelet: Kubelet, life: Life, lines: list[tuple[float, str]]) -> list[tuple[float, str]]:
    return [(at, line) for at, line in lines if at <= kubelet.age(life)]


async def _write(
    response: web.StreamResponse, asked: Asked, kubelet: Kubelet, life: Life, at: float, line: str
) -> None:
    if asked.query.get("timestamps") == "true":
        ago = timedelta(seconds=(kubelet.age(life) - at) / kubelet.speed)
        line = f"{datetime.now(UTC) - ago:%Y-%m-%dT%H:%M:%S.%f}000Z {line}"
    await response.write(line.encode() + b"\n")


async def proxy(
    kubelet: Kubelet, backends: dict[str, tuple[str, int]], asked: Asked, request: web.Request
) -> web.Response:
    """Answer for a pod or service: from the server that a test runs for it, or its scenario."""
    pod = proxied_pod(kubelet.store, asked)
    path = f"/{asked.rest}"
    if backend := backend_of(backends, pod):
        url = f"http://{backend[0]}:{backend[1]}{path}"
        headers = {k: v for k, v in request.headers.items() if k in ("Accept", "Content-Type")}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                url,
                params=request.query,
                data=await request.read(),
                headers=headers,
            ) as answer,
        ):
            kept = {k: v for k, v in answer.headers.items() if k not in _NOT_PASSED_ON}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
    life = kubelet.life(pod)
    if path in life.scenario.probes and "running" in _state(pod, "state"):
        status, body = life.scenario.probes[path]
        return web.Response(status=status, text=body, content_type="application/json")
    address = f"{life.ip}:{asked.port or 80}"
    message = f"error trying to reach service: dial tcp {address}: connect: connection refused"
    raise answers.Refused(503, "ServiceUnavailable", message)


def proxied_pod(store: Store, asked: Asked) -> Object:
    """Return the pod that answers: the one named, or a ready one of the service."""
    named = store.get(asked.resource, asked.namespace, asked.name)
    if asked.resource.kind == "Pod":
        return named
    chosen = named["spec"].get("selector", {}).items()
    for pod in store.all(store.of_kind("Pod", "v1"), asked.namespace):
        if chosen <= pod["metadata"].get("labels", {}).items() and is_ready(pod):
            return pod
    name = f"{asked.name}:{asked.port}" if asked.port else asked.name
    message = f'no endpoints available for service "{name}"'
    raise answers.Refused(503, "ServiceUnavailable", message)


def backend_of(backends: dict[str, tuple[str, int]], pod: Object) -> tuple[str, int] | None:
    """Return where a test serves for this pod."""
    image = pod["spec"]["containers"][0].get("image", "")
    return next((where for part, where in backends.items() if part in image), None)
