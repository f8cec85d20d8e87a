"""The HTTP side: which request goes where."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.fake_cluster import access, objects, portforward, resources, streams
from tests.support.fake_cluster.answers import Refused
from tests.support.fake_cluster.kubelet import Kubelet
from tests.support.fake_cluster.requests import Asked, parse
from tests.support.fake_cluster.store import Store

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.2", "platform": "linux/amd64"}


@dataclass
class Server:
    """What answers.

    Attributes:
        token: the bearer token that clients must send; None: none is asked for.
        hanging: requests get no answer while it is set.
        requests: method and path with query of each, in their order.
        failures: what went wrong in the fake itself.
        backends: part of an image's name to host and port of what serves in its pods.
    """

    store: Store
    kubelet: Kubelet
    user: str
    token: str | None = None
    hanging: bool = False
    rules: list[access.Rule] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    backends: dict[str, tuple[str, int]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        while self.hanging:
            await asyncio.sleep(0.05)
        try:
            if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
                raise Refused(401, "Unauthorized", "Unauthorized")
            return await self._serve(request)
        except Refused as refused:
            return web.json_response(refused.status, status=refused.code)
        except ConnectionError:  # the client went; nobody reads this answer
            return web.Response()
        except (LookupError, TypeError, ValueError) as error:  # told to the test
            self.failures.append(error)
            raise

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if (document := self._document(request.path)) is not None:
            kind = _AGGREGATED if request.path in ("/api", "/apis") else "application/json"
            return web.Response(text=json.dumps(document), headers={"Content-Type": kind})
        if request.path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        asked = parse(self.store, request, await request.read(), self.user)
        if asked is None:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        access.check(self.rules, asked)
        stream: Callable[[], Awaitable[web.StreamResponse]] | None = {
            "log": lambda: streams.log(self.kubelet, asked, request),
            "proxy": lambda: streams.proxy(self.kubelet, self.backends, asked, request),
            "portforward": lambda: self._forward(asked, request),
        }.get(asked.sub)
        if stream:
            return await stream()
        if asked.verb == "watch":
            return await streams.watch(self.store, asked, request)
        code, answer = objects.serve(self.store, self.rules, asked)
        return web.json_response(answer, status=code)

    async def _forward(self, asked: Asked, request: web.Request) -> web.StreamResponse:
        pod = self.store.get(asked.resource, asked.namespace, asked.name)
        backend = streams.backend_of(self.backends, pod)
        return await portforward.forward(self.store, backend, asked, request)

    def _document(self, path: str) -> resources.Object | None:
        known = self.store.resources
        if path == "/version":
            return dict(_VERSION)
        if path in ("/api", "/apis"):
            return resources.discovery(known, core=path == "/api")
        if path == "/openapi/v3":
            return resources.openapi_index(known)
        if path.startswith("/openapi/v3/"):
            return resources.openapi(known, path.removeprefix("/openapi/v3"))
        return None
