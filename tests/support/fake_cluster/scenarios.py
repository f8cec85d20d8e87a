"""Ready-made scenarios. Texts are those of Kubernetes 1.36 and containerd, seen on a real node.

Times are seconds of a real cluster; the cluster's ``speed`` divides them.
"""

from __future__ import annotations

import json
from dataclasses import replace

from tests.support.fake_cluster.resources import Object
from tests.support.fake_cluster.scenario import RUNNING, STARTING, Note, Scenario, Step

_PULLED = Note(
    "Normal",
    "Pulled",
    'Container image "{image}" already present on machine and can be accessed by the pod',
)
_UP = (
    _PULLED,
    Note("Normal", "Created", "Container created"),
    Note("Normal", "Started", "Container started"),
)
_BACK_OFF = Note(
    "Warning",
    "BackOff",
    "Back-off restarting failed container {container} in pod {pod}_{namespace}({uid})",
)


def json_log(message: str, level: str = "INFO", logger: str = "app") -> str:
    """Return a line as a generated server writes it (templates/shared, app/logs.py)."""
    time = "2026-01-01T00:00:00+0000"
    fields = {"time": time, "level": level, "logger": logger, "message": message}
    return json.dumps(fields | {"request_id": None})


def waiting(reason: str, message: str = "") -> Object:
    """Return the state of a container that waits."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def ended(code: int, reason: str = "Error") -> Object:
    """Return the state of a container that ended."""
    times = {"startedAt": "{now}", "finishedAt": "{now}"}
    return {"terminated": {"exitCode": code, "reason": reason, **times}}


SERVING = (json_log("model loaded"), json_log("Application startup complete.", logger="uvicorn"))


def healthy(seconds: float = 3, log: tuple[str | tuple[float, str], ...] = SERVING) -> Scenario:
    """Pods that are ready after a time."""
    return Scenario(
        "healthy",
        (
            Step(0),
            Step(1, RUNNING, notes=_UP),
            Step(max(seconds, 1.5), RUNNING, ready=True, started=True),
        ),
        log=log,
        probes={"/readyz": (200, '{"status":"ready"}'), "/healthz": (200, '{"status":"ok"}')},
    )


def slow_start(seconds: float = 60) -> Scenario:
    """Pods that need long, and are fine then."""
    return replace(healthy(seconds), name="slow start")


def _pull(name: str, error: str) -> Scenario:
    tail = f'failed to pull and unpack image "{{image}}": failed to resolve image: {error}'
    failed = (
        Note("Normal", "Pulling", 'Pulling image "{image}"'),
        Note("Warning", "Failed", f'Failed to pull image "{{image}}": {tail}'),
        Note("Warning", "Failed", "Error: ErrImagePull"),
    )
    again = (
        Note("Normal", "BackOff", 'Back-off pulling image "{image}"'),
        Note("Warning", "Failed", "Error: ImagePullBackOff"),
    )
    why = f'Back-off pulling image "{{image}}": ErrImagePull: {tail}'
    return Scenario(
        name,
        (
            Step(0),
            Step(1, waiting("ErrImagePull", tail), notes=failed),
            Step(10, waiting("ImagePullBackOff", why), notes=again),
        ),
    )


def image_not_found() -> Scenario:
    """The registry knows no such image."""
    return _pull("image not found", "{image}: not found")


def image_unauthorized() -> Scenario:
    """The registry wants a password."""
    return _pull(
        "image unauthorized",
        "pull access denied, repository does not exist or may require authorization: "
        "authorization failed: no basic auth credentials",
    )


def crash_loop(
    code: int = 1,
    log: tuple[str, ...] = ("Traceback (most recent call last):", "ValueError: no model here"),
    reason: str = "Error",
) -> Scenario:
    """The server ends soon after its start, again and again."""
    steps = [Step(0), Step(1, RUNNING, notes=_UP), Step(2, ended(code, reason))]
    pause = (
        "back-off {}s restarting failed container={{container}} pod={{pod}}_{{namespace}}({{uid}})"
    )
    at, last = 2.0, ended(code, reason)
    for restarts, seconds in enumerate((10, 20, 40)):
        back_off = waiting("CrashLoopBackOff", pause.format(seconds))
        steps.append(Step(at + 1, back_off, last, restarts=restarts, notes=(_BACK_OFF,)))
        if restarts == 2:
            break
        at += seconds
        steps.append(Step(at, RUNNING, last, restarts=restarts + 1, notes=_UP))
        steps.append(Step(at + 1, ended(code, reason), last, restarts=restarts + 1))
        at += 1
    return Scenario("crash loop", tuple(steps), log=log)


def bad_model_hash() -> Scenario:
    """The generated server refuses a model whose sum is not that of mlship.yaml."""
    found, wanted = "ab" * 32, "cd" * 32
    told = f"model refused: /srv/model/x has sha256 {found}, expected {wanted}"
    line = json_log(told, "ERROR")
    return replace(crash_loop(3, (line,)), name="bad model hash")


def oom_killed() -> Scenario:
    """The model needs more memory than the limit."""
    found = crash_loop(137, (json_log("loading the model"),), "OOMKilled")
    return replace(found, name="OOMKilled")


def readiness_failing(status: int = 503, body: str = '{"status":"loading"}') -> Scenario:
    """The server runs, and says that it isn't ready."""
    text = f"Readiness probe failed: HTTP probe failed with statuscode: {status}"
    unhealthy = (Note("Warning", "Unhealthy", text),)
    steps = [Step(0), Step(1, RUNNING, notes=_UP)]
    steps += [Step(at, RUNNING, started=True, notes=unhealthy) for at in (2, 4, 6, 8)]
    probes = {"/readyz": (status, body), "/healthz": (200, '{"status":"ok"}')}
    return Scenario("readiness failing", tuple(steps), SERVING, probes=probes)


def never_ready() -> Scenario:
    """The server runs and answers nothing, until the progress deadline."""
    refused = 'Get "http://{ip}:8000/readyz": dial tcp {ip}:8000: connect: connection refused'
    unhealthy = (Note("Warning", "Unhealthy", f"Readiness probe failed: {refused}"),)
    steps = (Step(0), Step(1, RUNNING, notes=_UP), Step(2, RUNNING, started=True, notes=unhealthy))
    return Scenario("never ready", steps, (json_log("loading the model"),))


def startup_failing(status: int = 503, body: str = '{"status":"loading"}') -> Scenario:
    """The model takes longer to load than the startup probe allows."""
    text = f"Startup probe failed: HTTP probe failed with statuscode: {status}"
    unhealthy = (Note("Warning", "Unhealthy", text),)
    killing = "Container {container} failed startup probe, will be restarted"
    killed = (*unhealthy, Note("Normal", "Killing", killing))
    last = ended(137)
    return Scenario(
        "startup failing",
        (
            Step(0),
            Step(1, RUNNING, notes=_UP),
            Step(2, RUNNING, notes=unhealthy),
            Step(10, RUNNING, notes=killed),
            Step(12, RUNNING, last, restarts=1, notes=_UP),
            Step(14, RUNNING, last, restarts=1, notes=unhealthy),
            Step(22, RUNNING, last, restarts=1, notes=killed),
            Step(24, RUNNING, last, restarts=2, notes=_UP),
        ),
        log=(json_log("loading the model"),),
        probes={"/readyz": (status, body), "/healthz": (200, '{"status":"ok"}')},
    )


def _unscheduled(name: str, why: str) -> Scenario:
    note = Note("Warning", "FailedScheduling", why, "default-scheduler")
    return Scenario(name, (Step(0, unscheduled=why, notes=(note,)),))


def _insufficient(what: str) -> str:
    return (
        f"0/1 nodes are available: 1 Insufficient {what}. no new claims to deallocate, preemption: "
        "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    )


def unschedulable_cpu() -> Scenario:
    """No node has that many processors free."""
    return _unscheduled("unschedulable cpu", _insufficient("cpu"))


def unschedulable_gpu() -> Scenario:
    """No node has a GPU."""
    return _unscheduled("unschedulable gpu", _insufficient("nvidia.com/gpu"))


def claim_pending() -> Scenario:
    """The volume that the pod asks for isn't there yet."""
    why = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
    return _unscheduled("claim pending", why)


def node_pressure() -> Scenario:
    """The only node is short of memory: new pods are kept away from it."""
    taint = "{node.kubernetes.io/memory-pressure: }"
    why = (
        f"0/1 nodes are available: 1 node(s) had untolerated taint {taint}. no new claims to "
        "deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for "
        "scheduling."
    )
    return _unscheduled("node pressure", why)


def evicted() -> Scenario:
    """The pod runs, until its node is short of memory."""
    why = (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 61Mi. "
        "Container {container} was using 1900Mi, request is 1Gi, has larger consumption of memory. "
    )
    note = Note("Warning", "Evicted", why)
    status = {"reason": "Evicted", "message": why}
    steps = (*healthy().steps, Step(6, ended(137), phase="Failed", notes=(note,), status=status))
    return Scenario("evicted", steps, SERVING)


def quota_exceeded(pods: int = 0) -> Scenario:
    """The namespace's quota allows no more than ``pods`` of these pods."""
    why = f"exceeded quota: team, requested: pods=1, used: pods={pods}, limited: pods={pods}"
    return Scenario("quota exceeded", healthy().steps, refused=why, quota=pods)


def pod_security() -> Scenario:
    """The namespace takes only pods that are more confined."""
    why = (
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container '
        '"server" must set securityContext.allowPrivilegeEscalation=false)'
    )
    return Scenario("pod security", refused=why)


def missing_service_account(name: str = "iris") -> Scenario:
    """The pod's service account isn't there."""
    why = (
        f'error looking up service account {{namespace}}/{name}: serviceaccount "{name}" not found'
    )
    return Scenario("missing service account", refused=why)


def webhook_denies(why: str = "images must come from registry.example.com") -> Scenario:
    """An admission webhook refuses already the Deployment."""
    return Scenario("webhook denies", denied=_denial(why))


def webhook_denies_pods(why: str = "images must come from registry.example.com") -> Scenario:
    """An admission webhook refuses the pods, not the Deployment."""
    return Scenario("webhook denies pods", refused=_denial(why))


def _denial(why: str) -> str:
    return f'admission webhook "validate.example.com" denied the request: {why}'


def _config_error(name: str, why: str) -> Scenario:
    notes = (_PULLED, Note("Warning", "Failed", f"Error: {why}"))
    steps = [Step(0)]
    steps += [Step(at, waiting("CreateContainerConfigError", why), notes=notes) for at in (1, 10)]
    return Scenario(name, tuple(steps))


def missing_secret(name: str = "iris-token") -> Scenario:
    """A variable of the container comes from a secret that isn't there."""
    return _config_error("missing secret", f'secret "{name}" not found')


def missing_config_map(name: str = "iris") -> Scenario:
    """Variables of the container come from a config map that isn't there."""
    return _config_error("missing config map", f'configmap "{name}" not found')


def missing_key(key: str = "PORT", name: str = "iris") -> Scenario:
    """A variable comes from a key that the config map lacks."""
    why = f"couldn't find key {key} in ConfigMap {{namespace}}/{name}"
    return _config_error("missing key", why)


def missing_volume_secret(name: str = "iris-token") -> Scenario:
    """A volume comes from a secret that isn't there."""
    text = f'MountVolume.SetUp failed for volume "{name}" : secret "{name}" not found'
    notes = (Note("Warning", "FailedMount", text),)
    steps = (Step(0), *(Step(at, STARTING, notes=notes) for at in (1, 3, 7)))
    return Scenario("missing volume secret", steps)
