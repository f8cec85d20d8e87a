"""Every cause of a failed rollout, played: most as recorded, some as recorded and changed by hand.

What is changed follows the words of Kubernetes' own sources; the comments name them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tests.support.rollouts import Moment, Object, Recorded, moment


@dataclass
class Scenario:
    """A cause, what shows it, and words that mlship must say: in what, evidence and next."""

    cause: str
    moment: Moment
    witness: Recorded
    says: tuple[str, str, str]
    is_recorded: bool = True


def _recorded(name: str, cause: str, *says: str) -> Callable[[], Scenario]:
    def play() -> Scenario:
        found = moment(name)
        what, evidence, fix = says
        return Scenario(cause, found, found.witness, (what, evidence, fix))

    return play


RECORDED: dict[str, tuple[str, str, str, str]] = {
    "image-not-found": ("image-pull", "There is no image", "not found", "docker push"),
    "image-unauthorized": ("image-pull", "may not pull", "no basic auth", "image_pull_secrets"),
    "image-rate-limited": ("image-pull", "limits how often", "429", "mirror"),
    "image-plain-http": ("image-pull", "can't reach the registry", "TLS handshake", "network"),
    "image-no-such-host": ("image-pull", "can't reach the registry", "no such host", "the name"),
    "image-refused": ("image-pull", "can't reach the registry", "refused", "network"),
    "image-invalid": ("image-pull", "not a valid name", "lowercase", "mlship.yaml"),
    "image-never": ("image-pull", "Never", "not present", "kind load"),
    "crash": ("crash-loop", "exit code 1: KeyError", "line 3, in <module>", "mlship logs"),
    "bad-hash": ("bad-model-hash", "sha256 differs", "expected cdcdcd", "mlship build"),
    "init-hash": ("bad-model-hash", "fetched", "found    ababab", "at that address"),
    "bad-load": (
        "model-load", "ModuleNotFoundError: No module named 'sklearn", "CRITICAL the model could",
        "add sklearn to requirements.txt",
    ),
    "oom": ("out-of-memory", "limit of 64Mi", "64 MiB", "resources.limits.memory in mlship.yaml"),
    "startup-404": ("probe", "startup probe GET :8000/readyz answers 404", "404", "path"),
    "startup-killed": ("probe", "killed", "statuscode: 500", "mlship logs"),
    "startup-port": ("probe", ":8001/readyz finds nothing", "refused", "0.0.0.0"),
    "readiness-500": ("probe", "readiness probe GET :8000/predictable answers 500", "500", "log"),
    "liveness-killed": ("probe", "liveness probe", "statuscode: 500", "mlship logs"),
    "deadline": ("probe", "answers 503", "has timed out progressing", "failureThreshold"),
    "cpu": ("unschedulable", "64 CPUs", "Insufficient cpu", "resources.requests"),
    "memory": ("unschedulable", "900 GiB of memory", "Insufficient memory", "larger node"),
    "selector": ("unschedulable", "disk=ssd", "node affinity/selector", "--show-labels"),
    "affinity": ("unschedulable", "nodeAffinity", "node affinity/selector", "--show-labels"),
    "gpu": ("gpu", "nvidia.com/gpu", "Insufficient nvidia.com/gpu", "device plugin"),
    "quota": ("quota", "quota team", "32Mi more asked, 0 used, 16Mi allowed", "resourcequota team"),
    "quota-unspecified": ("quota", "requests.memory", "must specify", "resources.requests"),
    "limit-range": ("limit-range", "memory per Container", "is 48Mi, but limit is 64Mi", "mlship"),
    "pod-security": ("pod-security", "restricted", "runAsNonRoot != true", "deployment.yaml"),
    "policy": ("admission-webhook", "policy wt-c-team", "label team", "change k8s/"),
    "webhook-denied": ("admission-webhook", "denies", "registry.corp", "change k8s/"),
    "webhook-down": ("admission-webhook", "does not answer", "refused", "start it again"),
    "config-map": ("missing-config", "no ConfigMap iris-abc", "not found", "create configmap"),
    "config-volume": ("missing-config", "no ConfigMap iris-files", "not found", "create configmap"),
    "secret-key": ("missing-config", "no key token", "couldn't find key", "edit secret iris-keys"),
    "volume-mount": ("volume-mount", "volume data", "is not a directory", "volumes:"),
    "service-account": ("missing-service-account", "nobody", "not found", "create serviceaccount"),
    "priority-class": ("priority-class", "urgent", "no PriorityClass", "priority_class in"),
    "runtime-class": ("runtime-class", "gvisor", "not found", "runtimeClassName"),
    "claim-missing": ("pvc-pending", "no PersistentVolumeClaim models", "not found", "claimName"),
    "claim-no-class": ("pvc-pending", "no StorageClass fast", "not found", "storageClassName"),
    "claim-static": ("pvc-pending", "names no StorageClass", "no persistent", "storageClassName"),
    "init-failed": ("init-container", "fetch ended with exit code 1", "403 Forbidden", "logs"),
    "command": ("create-error", "no command gunicornn", "not found in $PATH", "CMD"),
    "non-root": ("create-error", "runs as root", "runAsNonRoot", "USER"),
    "evicted": ("ephemeral-storage", "threw the pod out", "4Mi", "sizeLimit"),
    "paused": ("paused", "paused", "Deployment is paused", "--namespace wt-c-paused rollout"),
}  # fmt: skip


def _event(found: Moment, reason: str, message: str, seconds: float = 0, count: int = 1) -> None:
    """Add an event of the pod that first happened ``seconds`` before the moment."""
    first = (found.taken - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    pod = found.pod["metadata"]
    about = {"kind": "Pod", "name": pod["name"], "uid": pod["uid"]}
    found.items.append({
        "kind": "Event", "metadata": {"name": reason}, "reason": reason, "message": message,
        "type": "Warning", "count": count, "firstTimestamp": first,
        "lastTimestamp": found.taken.strftime("%Y-%m-%dT%H:%M:%SZ"), "involvedObject": about,
    })  # fmt: skip


def _without_events(found: Moment) -> None:
    found.items = [item for item in found.items if item["kind"] != "Event"]


def _unscheduled(reasons: str, **witness: list[Object]) -> tuple[Moment, Recorded]:
    found = moment("cpu")
    _without_events(found)
    for one in found.pod["status"]["conditions"]:
        one["message"] = f"0/1 nodes are available: {reasons}. preemption: 0/1 nodes are available."
    return found, Recorded(
        cluster=witness.get("cluster", [node()]), running=witness.get("running", [])
    )


def node(name: str = "n1", *taints: str, **allocatable: str) -> Object:
    sizes = {"cpu": "2", "memory": "8Gi", "pods": "110", **allocatable}
    made = [{"key": taint, "effect": "NoSchedule"} for taint in taints]
    return {
        "kind": "Node", "metadata": {"name": name}, "spec": {"taints": made},
        "status": {
            "allocatable": {key.replace("gpu", "nvidia.com/gpu"): v for key, v in sizes.items()},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }  # fmt: skip


def takes(where: str, **requests: str) -> Object:
    names = {key.replace("gpu", "nvidia.com/gpu"): v for key, v in requests.items()}
    return {
        "metadata": {"name": "other"}, "status": {"phase": "Running"},
        "spec": {"nodeName": where, "containers": [{"resources": {"requests": names}}]},
    }  # fmt: skip


def tainted() -> Scenario:
    # 1.28 to 1.35: framework/plugins/tainttoleration
    found, witness = _unscheduled("1 node(s) had untolerated taint {dedicated: ml}")
    says = ("taints: dedicated: ml", "untolerated", "toleration")
    return Scenario("unschedulable", found, witness, says, False)


def tainted_unnamed() -> Scenario:
    # 1.36 names no taint any more.
    cluster = [node("n1", "dedicated")]
    found, witness = _unscheduled("1 node(s) had untolerated taint(s)", cluster=cluster)
    says = ("taints: dedicated", "untolerated", "toleration")
    return Scenario("unschedulable", found, witness, says, False)


def crowded() -> Scenario:
    found, witness = _unscheduled("1 Too many pods")
    says = ("as many pods as they may", "Too many pods", "add a node")
    return Scenario("unschedulable", found, witness, says, False)


def counted() -> Scenario:
    """What is missing is computed from the nodes and their pods."""
    cluster = [node("n1"), node("n2", cpu="4")]
    running = [takes("n1", cpu="500m"), takes("n2", cpu="3500m")]
    found, witness = _unscheduled("2 Insufficient cpu", cluster=cluster, running=running)
    for one in found.pod["spec"]["containers"]:
        one["resources"]["requests"]["cpu"] = "2"
    says = ("2 CPUs; n1, which has the most left, has 1.5 CPUs of 2 CPUs: 0.5 CPUs", "cpu", "lower")
    return Scenario("unschedulable", found, witness, says, False)


def gpu_taken() -> Scenario:
    cluster, running = [node("g1", gpu="1")], [takes("g1", gpu="1")]
    found = moment("gpu")
    witness = Recorded(cluster=cluster, running=running)
    says = ("Every nvidia.com/gpu is taken", "Insufficient", "wait for a free one")
    return Scenario("unschedulable", found, witness, says, False)


def gpu_kept() -> Scenario:
    cluster = [node("g1", "nvidia.com/gpu", gpu="1"), node("w1")]
    found = moment("gpu")
    witness = Recorded(cluster=cluster, running=[takes("w1", cpu="1")])
    fix = "{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}"
    says = ("g1 has nvidia.com/gpu, but its taint keeps these pods off", "Insufficient", fix)
    return Scenario("unschedulable", found, witness, says, False)


def disk_pressure() -> Scenario:
    taint = "node.kubernetes.io/disk-pressure"
    found, witness = _unscheduled(f"1 node(s) had untolerated taint {{{taint}: }}")
    says = ("short of disk", "disk-pressure", "free disk")
    return Scenario("node-pressure", found, witness, says, False)


def not_ready_nodes() -> Scenario:
    cluster = [node("n1", "node.kubernetes.io/not-ready")]
    found, witness = _unscheduled("1 node(s) had untolerated taint(s)", cluster=cluster)
    return Scenario("node-pressure", found, witness, ("are not ready", "not-ready", "nodes"), False)


def evicted_twice() -> Scenario:
    # kubelet/eviction/helpers.go: nodeLowMessageFmt, containerMessageFmt
    found = moment("evicted")
    said = (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. "
        "Container server was using 70Mi, request is 32Mi, has larger consumption of memory. "
    )
    for pod in found.of("Pod"):
        pod["status"].update(phase="Failed", reason="Evicted", message=said)
    second = copy.deepcopy(found.pod)
    second["metadata"].update(name="iris-second", uid="second")
    found.items.append(second)
    says = ("short of memory (", "was using 70Mi", "resources.requests")
    return Scenario("node-pressure", found, found.witness, says, False)


def worker_killed() -> Scenario:
    """Only a worker of gunicorn is killed for memory: the kernel's reason does not show."""
    found = moment("crash")
    lines = ["Worker (pid:7) was sent SIGKILL! Perhaps out of memory?"]
    witness = Recorded({"server/now": lines, "server/previous": lines})
    return Scenario("out-of-memory", found, witness, ("64Mi", "Perhaps out", "128Mi"), False)


def too_little_to_start() -> Scenario:
    # opencontainers/runc: container init was OOM-killed (memory limit too low?)
    found = moment("command")
    said = "runc create failed: container init was OOM-killed (memory limit too low?): unknown"
    for state in (found.status["state"], found.status["lastState"]):
        for one in state.values():
            one["message"] = said
    says = ("can't even be started", "too low", "limits.memory")
    return Scenario("out-of-memory", found, Recorded(), says, False)


def checksum_tool() -> Scenario:
    found = moment("init-hash")
    lines = ["model.onnx: FAILED", "sha256sum: WARNING: 1 computed checksum did NOT match"]
    says = ("fetched", "did NOT match", "at that address")
    witness = Recorded({"fetch/now": lines, "fetch/previous": lines})
    return Scenario("bad-model-hash", found, witness, says, False)


def no_model_file() -> Scenario:
    found = moment("bad-hash")
    lines = ["model refused: model/iris.skops does not exist"]
    says = ("finds no model file", "does not exist", "mlship build")
    witness = Recorded({"server/now": lines, "server/previous": lines})
    return Scenario("model-missing", found, witness, says, False)


def no_registry() -> Scenario:
    """The name of the project as image, built on this machine and pushed nowhere."""
    found = moment("image-no-such-host")
    text = json.dumps(found.items).replace("registry.invalid/iris:9", "iris:0.1.0")
    found.items = json.loads(text)
    says = ("iris:0.1.0 names no registry", "no such host", "kind load docker-image iris:0.1.0")
    return Scenario("image-pull", found, Recorded(), says, False)


def held_volume() -> Scenario:
    found = moment("volume-mount")
    _without_events(found)
    said = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) iris-old'
    _event(found, "FailedAttachVolume", said, seconds=61)
    says = ("another node holds it", "already used", "ReadWriteMany")
    return Scenario("volume-mount", found, Recorded(), says, False)


def no_network() -> Scenario:
    found = moment("volume-mount")
    _without_events(found)
    found.pod["status"]["conditions"] = []
    said = (
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network "
        'for sandbox "f00": plugin type="calico" failed (add): error getting ClusterInformation'
    )
    _event(found, "FailedCreatePodSandBox", said, seconds=60, count=5)
    says = ("network or sandbox", "calico", "CNI")
    return Scenario("pod-sandbox", found, Recorded(), says, False)


def unknown_refusal() -> Scenario:
    found = moment("priority-class")
    for item in found.items:
        for one in item.get("status", {}).get("conditions", []):
            if one["type"] == "ReplicaFailure":
                one["message"] = 'pods "iris-" is forbidden: no moon today'
                one["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    says = ("refuses the pods", "no moon today", "k8s/")
    return Scenario("pod-refused", found, Recorded(), says, False)


def deadline_alone() -> Scenario:
    found = moment("deadline")
    _without_events(found)
    container = found.pod["spec"]["containers"][0]
    del container["startupProbe"], container["readinessProbe"]
    says = ("within 8 s", "timed out progressing", "describe")
    return Scenario("progress-deadline", found, Recorded(), says, False)


def large_image() -> Scenario:
    found = moment("volume-mount")
    _without_events(found)
    _event(found, "Pulling", 'Pulling image "registry.local/iris:9"', seconds=30)
    says = ("still fetching", "Pulling image", "--timeout")
    return Scenario("slow-pull", found, Recorded(), says, False)


BY_HAND: dict[str, Callable[[], Scenario]] = {
    "tainted": tainted, "tainted-unnamed": tainted_unnamed, "crowded": crowded,
    "counted": counted, "gpu-taken": gpu_taken, "gpu-kept": gpu_kept,
    "disk-pressure": disk_pressure,
    "not-ready-nodes": not_ready_nodes, "evicted-twice": evicted_twice,
    "worker-killed": worker_killed, "too-little-to-start": too_little_to_start,
    "checksum-tool": checksum_tool, "no-model-file": no_model_file, "held-volume": held_volume,
    "no-registry": no_registry,
    "no-network": no_network, "unknown-refusal": unknown_refusal,
    "deadline-alone": deadline_alone, "large-image": large_image,
}  # fmt: skip
ALL: dict[str, Callable[[], Scenario]] = {
    **{name: _recorded(name, *found) for name, found in RECORDED.items()},
    **BY_HAND,
}
