"""Plays failed rollouts on a real cluster and saves what the API says of them.

    KUBECONFIG=... python -m tests.support.rollouts.record IMAGE [SCENARIO...]

IMAGE is one with ``python3`` that the node already has. ``registry.py`` must run on the node.
Each scenario gets a namespace of its own, which is deleted afterwards. The files beside this one
are what it wrote on Kubernetes 1.36; tests/support/rollouts/__init__.py reads them.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
SERVER = """
import http.server, json, sys, time
born, slow, path, status = time.time(), float(sys.argv[1]), sys.argv[2], int(sys.argv[3])
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code, body = 200, "ok"
        if time.time() - born < slow: code, body = 503, '{"status":"starting"}'
        elif self.path == path: code, body = status, '{"detail":"told to"}'
        self.send_response(code); self.end_headers(); self.wfile.write(body.encode())
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 8000), H).serve_forever()
"""
HASH = {"level": "CRITICAL", "logger": "app.service", "request_id": None}
REFUSED = f"model refused: model/iris.skops has sha256 {'ab' * 32}, expected {'cd' * 32}"
TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "/srv/app/service.py", line 38, in _or_give_up\n    yield\n'
    '  File "/srv/app/model.py", line 31, in __init__\n'
    "    self._model = skops.io.load(path, trusted=TRUSTED)\n"
    "ModuleNotFoundError: No module named 'sklearn.ensemble._hist'"
)
CANNOT_LOAD = {**HASH, "message": "the model could not be loaded", "exc_info": TRACEBACK}


def python(code: str, *argv: str) -> dict:
    return {"command": ["python3", "-c", code, *argv]}


def says(line: str, code: int) -> dict:
    return python("import sys; print(sys.argv[1]); sys.exit(int(sys.argv[2]))", line, str(code))


def serves(slow: float = 0, path: str = "-", status: int = 500) -> dict:
    return python(SERVER, str(slow), path, str(status))


def get(path: str, **more: object) -> dict:
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": 1, **more}


def deployment(image: str) -> dict:
    container = {
        "name": "server",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8000}],
        "startupProbe": get("/readyz", timeoutSeconds=2, failureThreshold=180),
        "readinessProbe": get("/readyz", failureThreshold=2),
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"cpu": "1", "memory": "64Mi"},
        },
        **serves(),
    }
    labels = {"app.kubernetes.io/name": "iris"}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "iris"},
        "spec": {
            "replicas": 1,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def named(kind: str, name: str, version: str = "v1", **more: object) -> dict:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}


def claim(name: str, storage: str) -> dict:
    size = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage, "resources": size}
    return named("PersistentVolumeClaim", name, spec=spec)


def volume(**source: object) -> dict:
    return {"volumes": [{"name": "data", **source}]}


def affinity(expression: dict) -> dict:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


def needs(**resources: str) -> dict:
    names = {k.replace("gpu", "nvidia.com/gpu"): v for k, v in resources.items()}
    return {"resources": {"requests": names, "limits": names}}


QUOTA = {"hard": {"requests.memory": "16Mi", "pods": "5"}}
MAX = {"limits": [{"type": "Container", "max": {"memory": "48Mi"}}]}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
CONFIG = {"configMapRef": {"name": "iris-abc"}}
KEY = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "iris-keys", "key": "token"}}}
SECRET = named("Secret", "iris-keys", stringData={"other": "x"})
FAIL_POLICY = {
    "failurePolicy": "Fail",
    "matchConstraints": {
        "namespaceSelector": {"matchLabels": {"play": "policy"}},
        "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
             "resources": ["pods"]}
        ],
    },
    "validations": [{"expression": "false", "message": "pods need the label team"}],
}  # fmt: skip


def webhook(play: str, **client: object) -> dict:
    hook = {
        "name": f"{play}.example.com",
        "clientConfig": client,
        "namespaceSelector": {"matchLabels": {"play": play}},
        "rules": FAIL_POLICY["matchConstraints"]["resourceRules"],
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 2,
    }
    return named(
        "ValidatingWebhookConfiguration",
        f"wt-c-{play}",
        "admissionregistration.k8s.io/v1",
        webhooks=[hook],
    )


# Each: seconds to watch, changes of the container, of the pod, of the Deployment's spec, the
# namespace's labels, more objects.
S = dict[str, dict]
SCENARIOS: S = {
    "healthy": {"seconds": 12},
    "slow": {"seconds": 25, "container": serves(20)},
    "image-not-found": {"seconds": 8, "container": {"image": "127.0.0.1:5599/iris:9"}},
    "image-unauthorized": {"seconds": 8, "container": {"image": "127.0.0.1:5599/private/iris:9"}},
    "image-rate-limited": {"seconds": 25, "container": {"image": "127.0.0.1:5599/busy/iris:9"}},
    "image-plain-http": {"seconds": 25, "container": {"image": "10.99.0.1:5599/iris:9"}},
    "image-no-such-host": {"seconds": 40, "container": {"image": "registry.invalid/iris:9"}},
    "image-refused": {"seconds": 25, "container": {"image": "127.0.0.1:5598/iris:9"}},
    "image-invalid": {"seconds": 8, "container": {"image": "Iris:9"}},
    "image-never": {"seconds": 8, "container": {"image": "iris:9", "imagePullPolicy": "Never"}},
    "crash": {"seconds": 25, "container": says("Traceback (most recent call last):\n  File "
              '"/srv/app/main.py", line 3, in <module>\nKeyError: \'MODEL\'', 1)},
    "bad-hash": {"seconds": 8, "container": says(json.dumps({**HASH, "message": REFUSED}), 3)},
    "bad-load": {"seconds": 20, "container": says(json.dumps(CANNOT_LOAD), 3)},
    "oom": {"seconds": 12, "container": python(
        "print('loading', flush=True); x = [bytearray(2**20) for _ in range(500)]")},
    "startup-404": {"seconds": 20, "container": serves(0, "/readyz", 404)},
    "startup-killed": {"seconds": 15, "container": {
        **serves(0, "/readyz", 500), "startupProbe": get("/readyz", failureThreshold=5)}},
    "startup-port": {"seconds": 20, "container": {
        **serves(), "ports": [{"name": "http", "containerPort": 8001}],
        "startupProbe": get("/readyz", failureThreshold=8)}},
    "readiness-500": {"seconds": 20, "container": {
        **serves(0, "/predictable", 500), "readinessProbe": get("/predictable")}},
    "liveness-killed": {"seconds": 20, "container": {
        **serves(0, "/healthz", 500), "livenessProbe": get("/healthz", failureThreshold=3)}},
    "cpu": {"seconds": 8, "container": needs(cpu="64", memory="32Mi")},
    "memory": {"seconds": 8, "container": needs(cpu="10m", memory="900Gi")},
    "gpu": {"seconds": 8, "container": needs(gpu="1")},
    "selector": {"seconds": 8, "pod": {"nodeSelector": {"disk": "ssd"}}},
    "affinity": {"seconds": 8, "pod": affinity(
        {"key": "zone", "operator": "In", "values": ["x"]})},
    "quota": {"seconds": 6, "objects": [named("ResourceQuota", "team", spec=QUOTA)]},
    "quota-unspecified": {"seconds": 6, "container": {"resources": {}},
                          "objects": [named("ResourceQuota", "team", spec=QUOTA)]},
    "limit-range": {"seconds": 6, "objects": [named("LimitRange", "small", spec=MAX)]},
    "pod-security": {"seconds": 6, "labels": RESTRICTED},
    "policy": {"seconds": 8, "objects": [
        named("ValidatingAdmissionPolicy", "wt-c-team", "admissionregistration.k8s.io/v1",
              spec=FAIL_POLICY),
        named("ValidatingAdmissionPolicyBinding", "wt-c-team", "admissionregistration.k8s.io/v1",
              spec={"policyName": "wt-c-team", "validationActions": ["Deny"]})]},
    "webhook-down": {"seconds": 8, "objects": [
        webhook("webhook-down", url="https://127.0.0.1:5597/check")]},
    "webhook-denied": {"seconds": 8, "objects": [
        webhook("webhook-denied", url="https://127.0.0.1:5596/check", caBundle="@CA")]},
    "config-map": {"seconds": 6, "container": {"envFrom": [CONFIG]}},
    "secret-key": {"seconds": 6, "container": {"env": [KEY]}, "objects": [SECRET]},
    "config-volume": {"seconds": 12, "pod": volume(configMap={"name": "iris-files"}),
                      "container": {"volumeMounts": [{"name": "data", "mountPath": "/x"}]}},
    "volume-mount": {"seconds": 12,
                     "pod": volume(hostPath={"path": "/nowhere", "type": "Directory"}),
                     "container": {"volumeMounts": [{"name": "data", "mountPath": "/x"}]}},
    "service-account": {"seconds": 6, "pod": {"serviceAccountName": "nobody"}},
    "priority-class": {"seconds": 6, "pod": {"priorityClassName": "urgent"}},
    "runtime-class": {"seconds": 6, "pod": {"runtimeClassName": "gvisor"}},
    "claim-missing": {"seconds": 8,
                      "pod": volume(persistentVolumeClaim={"claimName": "models"})},
    "claim-no-class": {"seconds": 20, "objects": [claim("models", "fast")],
                       "pod": volume(persistentVolumeClaim={"claimName": "models"})},
    "claim-static": {"seconds": 20, "objects": [claim("models", "")],
                     "pod": volume(persistentVolumeClaim={"claimName": "models"})},
    "init-failed": {"seconds": 20, "init": says("fetch: 403 Forbidden for s3://models/iris", 1)},
    "init-hash": {"seconds": 8, "init": says(REFUSED, 3)},
    "command": {"seconds": 20, "container": {"command": ["gunicornn", "app.main"]}},
    "non-root": {"seconds": 8, "pod": {"securityContext": {"runAsNonRoot": True}}},
    "evicted": {"seconds": 75, "pod": volume(emptyDir={"sizeLimit": "4Mi"}), "container": {
        **python("open('/x/big', 'wb').write(bytes(2**25)); import time; time.sleep(500)"),
        "volumeMounts": [{"name": "data", "mountPath": "/x"}]}},
    "deadline": {"seconds": 15, "container": serves(500), "spec": {"progressDeadlineSeconds": 8}},
    "paused": {"seconds": 6, "spec": {"paused": True}},
}  # fmt: skip


def kubectl(namespace: str, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = ["kubectl", "--namespace", namespace, *argv]
    return subprocess.run(command, input=stdin, capture_output=True, text=True)


def play(scenario: str, image: str, series: Path) -> str:
    told = SCENARIOS[scenario]
    namespace = f"wt-c-{scenario}"
    labels = {"play": scenario, **told.get("labels", {})}
    space = named("Namespace", namespace)
    space["metadata"]["labels"] = labels
    wanted = deployment(image)
    pod = wanted["spec"]["template"]["spec"]
    pod["containers"][0].update(copy.deepcopy(told.get("container", {})))
    pod.update(copy.deepcopy(told.get("pod", {})))
    if "init" in told:
        fetch = {"name": "fetch", "image": image, "resources": pod["containers"][0]["resources"]}
        pod["initContainers"] = [{**fetch, **told["init"]}]
    wanted["spec"].update(told.get("spec", {}))
    text = json.dumps([space, *told.get("objects", [])])
    if "@CA" in text:
        import base64

        bundle = base64.b64encode(Path("/tmp/wt-c-hook.pem").read_bytes()).decode()
        text = text.replace("@CA", bundle)
    try:
        for item in json.loads(text):
            done = kubectl(namespace, "apply", "-f", "-", stdin=json.dumps(item))
            if done.returncode:
                return f"{scenario}: {done.stderr}"
        for _ in range(50):
            if kubectl(namespace, "get", "serviceaccount", "default").returncode == 0:
                break
            time.sleep(0.2)
        if any(o["kind"] != "Namespace" for o in json.loads(text)):
            time.sleep(4)  # admission sees new policies and quotas a little later
        done = kubectl(namespace, "apply", "-f", "-", stdin=json.dumps(wanted))
        if done.returncode:
            return f"{scenario}: {done.stderr}"
        taken: list[dict] = []
        kinds = "deployments,replicasets,pods,events,persistentvolumeclaims,resourcequotas"
        start = time.monotonic()
        while time.monotonic() - start < told["seconds"]:
            asked = time.monotonic()
            found = kubectl(namespace, "get", kinds, "--output", "json")
            items = trimmed(json.loads(found.stdout)["items"])
            one = {"taken": datetime.now(UTC).isoformat(timespec="milliseconds"), "items": items}
            one["logs"] = logs(namespace, items)
            taken.append(one)
            time.sleep(max(0, asked + 1 - time.monotonic()))
        (series / f"{scenario}.json").write_text(json.dumps(taken))
        save(HERE / f"{scenario}.json", taken[-1])
        return f"{scenario}: {len(taken)} moments"
    finally:
        for item in told.get("objects", []):
            if item["kind"].startswith("Validating"):
                kubectl(namespace, "delete", item["kind"], item["metadata"]["name"])
        kubectl(namespace, "delete", "namespace", namespace, "--wait=false")


def logs(namespace: str, items: list[dict]) -> dict[str, list[str]]:
    found = {}
    for pod in items:
        if pod["kind"] != "Pod":
            continue
        status = pod.get("status", {})
        for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            name = one["name"]
            for previous in (False, True):
                argv = ["logs", pod["metadata"]["name"], "-c", name, "--tail=40"]
                done = kubectl(namespace, *argv, *(["--previous"] if previous else []))
                if done.returncode == 0 and done.stdout:
                    found[f"{name}/{'previous' if previous else 'now'}"] = done.stdout.splitlines()
    return found


KEPT = {
    "metadata": (
        "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation",
        "annotations", "ownerReferences",
    ),
    "Deployment": ("replicas", "paused", "progressDeadlineSeconds"),
    "ReplicaSet": ("replicas",),
    "Pod": ("containers", "initContainers", "nodeName", "nodeSelector", "volumes"),
    "PersistentVolumeClaim": ("storageClassName", "accessModes"),
    "container": (
        "name", "image", "imagePullPolicy", "ports", "startupProbe", "readinessProbe",
        "livenessProbe", "resources",
    ),
    "status": ("name", "image", "ready", "started", "restartCount", "state", "lastState"),
    "Event": (
        "kind", "metadata", "reason", "message", "type", "count", "firstTimestamp",
        "lastTimestamp", "eventTime", "series", "involvedObject",
    ),
    "involvedObject": ("kind", "name", "uid", "fieldPath"),
}  # fmt: skip
# Of the events that say that all is well, those that a diagnosis reads.
READ = {
    "Pulling",
    "Killing",
    "FailedBinding",
    "ExternalProvisioning",
    "TriggeredScaleUp",
    "NotTriggerScaleUp",
    "Nominated",
}


def kept(item: dict, names: str) -> dict:
    return {name: item[name] for name in KEPT[names] if item.get(name) is not None}


def trimmed(items: list[dict]) -> list[dict]:
    """Leave out what no diagnosis reads, and events that repeat others."""
    found, told = [], set()
    for item in copy.deepcopy(items):
        kind = item["kind"]
        item["metadata"] = kept(item["metadata"], "metadata")
        notes = item["metadata"].get("annotations", {})
        notes.pop("kubectl.kubernetes.io/last-applied-configuration", None)
        if kind == "Event":
            key = (item["reason"], item["message"].split(" is forbidden")[-1])
            if key in told or (item["type"] == "Normal" and item["reason"] not in READ):
                continue
            told.add(key)
            item["metadata"] = {"name": item["metadata"]["name"]}
            item["involvedObject"] = kept(item["involvedObject"], "involvedObject")
            found.append(kept(item, "Event"))
            continue
        if kind in KEPT:
            item["spec"] = kept(item.get("spec", {}), kind)
        spec, status = item.get("spec", {}), item.get("status", {})
        for name in ("containers", "initContainers"):
            if name in spec:
                spec[name] = [kept(one, "container") for one in spec[name]]
        for name in ("containerStatuses", "initContainerStatuses"):
            if name in status:
                status[name] = [kept(one, "status") for one in status[name]]
        if "volumes" in spec:
            spec["volumes"] = [v for v in spec["volumes"] if "kube-api-access" not in v["name"]]
        for name in ("hostIP", "hostIPs", "podIP", "podIPs", "qosClass", "resources"):
            status.pop(name, None)
        found.append(item)
    return found


def save(path: Path, moment: dict) -> None:
    """Write one object a line: a file one can read and compare."""
    head = {k: v for k, v in moment.items() if k != "items"}
    rows = ",\n".join(json.dumps(i, sort_keys=True) for i in moment["items"])
    path.write_text(json.dumps(head)[:-1] + f', "items": [\n{rows}\n]}}\n')


def main() -> None:
    image, *wanted = sys.argv[1:]
    series = Path("/tmp/wt-c-series")
    series.mkdir(exist_ok=True)
    with ThreadPoolExecutor(4) as pool:
        for said in pool.map(lambda s: play(s, image, series), wanted or SCENARIOS):
            print(said, flush=True)


if __name__ == "__main__":
    main()
