"""The fake cluster as a test sees it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from aiohttp import web

from tests.support.fake_cluster import access, answers, certificates, scenarios
from tests.support.fake_cluster.controllers import ReplicaSets, autoscale, collect
from tests.support.fake_cluster.deployments import Deployments, revision
from tests.support.fake_cluster.kubelet import Kubelet
from tests.support.fake_cluster.resources import Object, Resource
from tests.support.fake_cluster.scenario import NODE, Scenario
from tests.support.fake_cluster.server import Server
from tests.support.fake_cluster.store import Store

_TICK = 0.05
# How long controllers rest where nothing changes; they have deadlines.
_REST = 0.5


class FakeCluster:
    """A Kubernetes cluster in a thread; see the package for its use.

    Args:
        speed: how much faster than real the pods live and the deadline of a rollout comes.
        user: who the requests are from.
        token: what they must show; the kubeconfig holds it.
        tls: empty for plain HTTP; ``trusted``, ``self-signed`` or ``expired``.
    """

    context = "fake"

    def __init__(
        self, *, speed: float = 20, user: str = "ann", token: str | None = None, tls: str = ""
    ):
        self.store = Store()
        self._scenarios: list[tuple[str, int | None, Scenario]] = []
        self.kubelet = Kubelet(self.store, self._scenario, speed)
        self.server = Server(self.store, self.kubelet, user, token)
        self.port = 0
        self._tls, self._token = tls, token
        self._players: tuple[Callable[[], None], ...] = (
            lambda: autoscale(self.store),
            Deployments(self.store, speed).tick,
            ReplicaSets(self.store, self._refuse_pod).tick,
            self.kubelet.tick,
            lambda: collect(self.store),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._folder = tempfile.TemporaryDirectory(prefix="fake-cluster-")
        self._runner: web.AppRunner | None = None
        self.failures = self.server.failures
        self.store.admission.append(self._deny)
        for name in ("default", "kube-system"):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.put(node())

    # For tests

    @property
    def kubeconfig(self) -> Path:
        """The file that leads kubectl here."""
        return Path(self._folder.name) / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        """What kubectl must have, so that it comes here and forgets what it learns."""
        cache = str(Path(self._folder.name) / "cache")
        return {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": cache}

    @property
    def requests(self) -> list[str]:
        """``GET /api/v1/pods?limit=500`` and so on, in their order."""
        return self.server.requests

    def play(self, image: str, scenario: Scenario, *, revision: int | None = None) -> None:
        """Have the pods whose image's name holds this text live like that; the last word counts.

        With a revision, only those of this revision of their Deployment.
        """
        self._scenarios.insert(0, (image, revision, scenario))

    def serve(self, image: str, port: int, host: str = "127.0.0.1") -> None:
        """Have a server of the test answer for such pods: proxy and port-forward lead there."""
        self.server.backends[image] = (host, port)

    def put(self, obj: Object, manager: str = "test") -> Object:
        """Make an object, or replace it; an unknown kind is added as a custom resource."""
        resource = self.store.of_kind(obj["kind"], obj["apiVersion"])
        if resource.namespaced:
            obj["metadata"].setdefault("namespace", "default")
        with self.store.lock:
            where = obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
            if resource.namespaced and resource.kind != "Namespace":
                self._have_namespace(where[0])
            if self.store.find(resource, *where):
                return self.store.update(resource, obj, manager)
            return self.store.create(resource, obj, manager)

    def objects(self, kind: str, namespace: str = "") -> list[Object]:
        """Return all objects of a kind, such as ``Pod``."""
        return self.store.all(self.store.of_kind(kind), namespace)

    def get(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """Return an object, or None."""
        return self.store.find(self.store.of_kind(kind), namespace, name)

    def add_kind(self, kind: str, api_version: str) -> None:
        """Have the cluster know a custom resource."""
        resource = self.store.of_kind(kind, api_version)
        crd = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
        self.put({"apiVersion": crd[0], "kind": crd[1], "metadata": {"name": resource.qualified}})

    def forbid(self, verb: str, resource: str, namespace: str = "") -> None:
        """Refuse a verb on a resource (``deployments``, ``pods/log``, ``*``) with 403."""
        self.server.rules.append(access.Rule(verb, resource, namespace))

    def fail(
        self,
        verb: str,
        resource: str,
        code: int,
        reason: str,
        message: str,
        times: int | None = None,
    ) -> None:
        """Answer a verb on a resource with another status, as a busy or broken server does."""
        answer = answers.Refused(code, reason, message)
        self.server.rules.append(access.Rule(verb, resource, "", answer, times))

    def hang(self, on: bool = True) -> None:
        """Answer nothing more, or again."""
        self.server.hanging = on

    def down(self) -> None:
        """Close the port: connections are refused."""
        self._call(self._close())

    def up(self) -> None:
        """Open the port again; also what ``with`` does at first."""
        self._call(self._open())

    def wait(self, until: Callable[[], Any], seconds: float = 10) -> Any:
        """Wait for something to hold; returns what it returned.

        Raises:
            TimeoutError: with all pods and events, to see why.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.failures:
                raise self.failures[0]
            if found := until():
                return found
            time.sleep(0.02)
        pods = [(p["metadata"]["name"], p["status"]) for p in self.objects("Pod")]
        raise TimeoutError(f"{pods}\n{[e['message'] for e in self.objects('Event')]}")

    # Inside

    def __enter__(self) -> FakeCluster:
        self._thread.start()
        self.up()
        self._ticking = asyncio.run_coroutine_threadsafe(self._tick(), self._loop)
        self.kubeconfig.write_text(yaml.safe_dump(self._config()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._ticking.cancel()
        self.hang(False)
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._folder.cleanup()
        if self.failures and error is None:
            raise self.failures[0]

    def _call(self, task: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(task, self._loop).result(10)

    async def _open(self) -> None:
        self._runner = web.AppRunner(self.server.app(), shutdown_timeout=0.1)
        await self._runner.setup()
        ssl = None
        if self._tls:
            ssl = certificates.context(Path(self._folder.name), self._tls)
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=ssl)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _tick(self) -> None:
        seen, rested = 0, 0.0
        while True:
            try:
                with self.store.lock:
                    due = self.store.version != seen or time.monotonic() > rested + _REST
                    if due:
                        seen, rested = self.store.version, time.monotonic()
                    for play in self._players if due else (self.kubelet.tick,):
                        # Who is refused, say in a namespace that ends, tries again.
                        with contextlib.suppress(answers.Refused):
                            play()
            except Exception as error:  # told to the test by wait() and at the end
                self.failures.append(error)
                raise
            await asyncio.sleep(_TICK)

    def _config(self) -> Object:
        cluster: Object = {"server": f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"}
        if self._tls in ("trusted", "expired"):
            cluster["certificate-authority"] = str(Path(self._folder.name) / "ca.pem")
        user = {"token": self._token} if self._token else {}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.context,
            "clusters": [{"name": "fake", "cluster": cluster}],
            "users": [{"name": "ann", "user": user}],
            "contexts": [{"name": self.context, "context": {"cluster": "fake", "user": "ann"}}],
        }

    def _scenario(self, pod: Object) -> Scenario:
        image = pod["spec"]["containers"][0].get("image", "")
        uids = {r["uid"] for r in pod.get("metadata", {}).get("ownerReferences", [])}
        sets = [s for s in self.objects("ReplicaSet") if s["metadata"]["uid"] in uids]
        numbers = {None, *(revision(s) for s in sets)}
        found = (s for part, number, s in self._scenarios if part in image and number in numbers)
        return next(found, scenarios.healthy())

    def _refuse_pod(self, pod: Object, existing: int) -> str:
        """Return why the API server makes no such pod; empty where it does."""
        scenario, metadata = self._scenario(pod), pod["metadata"]
        if not scenario.refused or existing < scenario.quota:
            return ""
        if scenario.refused.startswith("admission webhook"):
            return scenario.refused
        why = scenario.refused.replace("{namespace}", metadata["namespace"])
        return f'pods "{metadata["generateName"]}" is forbidden: {why}'

    def _deny(self, resource: Resource, obj: Object) -> None:
        if resource.kind == "Deployment" and "template" in obj["spec"]:
            containers = obj["spec"]["template"]["spec"].get("containers") or [{}]
            denied = self._scenario({"spec": {"containers": containers}}).denied
            if denied:
                raise answers.Refused(403, "Forbidden", denied)

    def _have_namespace(self, name: str) -> None:
        spaces = self.store.of_kind("Namespace", "v1")
        if not self.store.find(spaces, "", name):
            made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.store.create(spaces, made, "test")


def node(cpu: str = "4", memory: str = "16Gi", **more: str) -> Object:
    """Return the one node of the cluster; put another like it, with say a GPU, in its place."""
    room = {"cpu": cpu, "memory": memory, "pods": "110"} | more
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"kubernetes.io/arch": "amd64"}},
        "status": {"capacity": room, "allocatable": room, "conditions": [ready]},
    }
