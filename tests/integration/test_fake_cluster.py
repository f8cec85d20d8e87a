"""The played cluster answers the real kubectl as a real one does."""

import json
import re
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.support.fake_cluster import FakeCluster, scenarios

PLACEHOLDER = re.compile(r"\{(pod|uid|namespace|image|container|ip|node|now)\}")
HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "recorded.json").read_text())
IRIS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: iris}
spec:
  selector: {matchLabels: {app: iris}}
  template:
    metadata: {labels: {app: iris}}
    spec:
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector: {matchLabels: {app: iris}}
      securityContext:
        {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: server
        image: nope:1
        envFrom: [{configMapRef: {name: a}}]
        env:
        - {name: PORT, value: "8000"}
        - {name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}
        ports: [{name: http, containerPort: 8000}]
        readinessProbe: {httpGet: {path: /readyz, port: http}}
        lifecycle: {preStop: {sleep: {seconds: 5}}}
        resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}
        securityContext: {capabilities: {drop: [ALL]}}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: iris}
spec: {selector: {app: iris}, ports: [{name: http, port: 80, targetPort: http}]}
"""
AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: iris}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: iris}
  minReplicas: 3
  maxReplicas: 5
"""


def ask(*argv, stdin=None, timeout=20):
    return subprocess.run(
        ["kubectl", *argv], input=stdin, capture_output=True, text=True, timeout=timeout
    )


def kubectl(*argv, stdin=None):
    answer = ask(*argv, stdin=stdin)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def apply(manifest=IRIS, *more, manager="mlship"):
    argv = ("apply", "--server-side", f"--field-manager={manager}", *more, "-f", "-")
    return kubectl(*argv, stdin=manifest)


def iris(**spec):
    manifest = yaml.safe_load(IRIS)
    image = spec.pop("image", None)
    if image:
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = image
    manifest["spec"] |= spec
    return yaml.safe_dump(manifest)


def roll_out():
    return kubectl("rollout", "status", "deployment/iris", "--timeout=15s")


def pod(cluster):
    return cluster.objects("Pod", "default")[0]


def owners(cluster, name="iris"):
    fields = cluster.get("Deployment", name)["metadata"]["managedFields"]
    return {
        (m["manager"], m.get("subresource", ""))
        for m in fields
        if "f:replicas" in m["fieldsV1"].get("f:spec", {})
    }


def test_version_and_kinds(fake_cluster):
    assert "Server Version: v1.36" in kubectl("version")
    fake_cluster.add_kind("ServiceMonitor", "monitoring.coreos.com/v1")
    kinds = kubectl("api-resources", "--output=name").split()
    assert {"pods", "deployments.apps", "servicemonitors.monitoring.coreos.com"} <= set(kinds)
    assert kubectl("get", "crd", "servicemonitors.monitoring.coreos.com", "--output=name")


def test_an_applied_object_is_as_the_real_server_made_it(fake_cluster):
    assert apply() == "deployment.apps/iris serverside-applied\n"
    argv = ("get", "deployment", "iris", "--output=json", "--show-managed-fields")
    answer = json.loads(kubectl(*argv))
    assert answer["spec"] == RECORDED["spec"]
    fields = {m["manager"]: m for m in answer["metadata"]["managedFields"]}
    assert fields["mlship"]["operation"] == "Apply"
    assert fields["mlship"]["fieldsV1"] == RECORDED["fieldsV1"]
    generation = answer["metadata"]["generation"]
    apply()
    assert fake_cluster.get("Deployment", "iris")["metadata"]["generation"] == generation == 1


def test_a_dry_run_and_a_diff_change_nothing(fake_cluster):
    apply()
    roll_out()
    before = fake_cluster.get("Deployment", "iris")
    apply(iris(image="nope:2"), "--dry-run=server")
    argv = ("diff", "--server-side", "--field-manager=mlship", "-f", "-")
    assert ask(*argv, stdin=IRIS).returncode == 0
    changed = ask(*argv, stdin=iris(image="nope:2"))
    assert changed.returncode == 1
    assert re.search(r"^-.*image: nope:1\n\+.*image: nope:2$", changed.stdout, re.M)
    assert fake_cluster.get("Deployment", "iris") == before


def test_conflicts_are_told_as_by_a_real_server(fake_cluster):
    apply(iris(replicas=1))
    patch = {"spec": {"replicas": 2, "template": {"spec": {"containers": [
        {"name": "server", "image": "nope:2"}]}}}}  # fmt: skip
    kubectl("patch", "deployment", "iris", "--patch", json.dumps(patch))
    answer = ask("apply", "--server-side", "--field-manager=mlship", "-f", "-",
                 stdin=iris(replicas=1))  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.startswith(
        'error: Apply failed with 2 conflicts: conflicts with "kubectl-patch" using apps/v1:\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="server"].image\n'
        "Please review the fields above--they currently have other managers."
    )
    apply(iris(replicas=1), "--force-conflicts")
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 1


def test_scaled_by_another(fake_cluster):
    apply(iris(replicas=1))
    kubectl("scale", "deployment/iris", "--replicas=2")
    assert owners(fake_cluster) == {("kubectl", "scale")}
    answer = ask("apply", "--server-side", "--field-manager=mlship", "-f", "-",
                 stdin=iris(replicas=1))  # fmt: skip
    assert 'conflict with "kubectl" with subresource "scale" using apps/v1' in answer.stderr
    kubectl("scale", "deployment/iris", "--replicas=3", "--current-replicas=2")
    assert ask("scale", "deployment/iris", "--replicas=1", "--current-replicas=2").returncode == 1


def test_a_field_that_nobody_owns_falls_back_to_its_default(fake_cluster):
    apply(iris(replicas=3))
    apply(iris())
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 1
    apply(iris(replicas=3))
    handed = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "iris"}}
    apply(yaml.safe_dump(handed | {"spec": {"replicas": 3}}), manager="other")
    apply(iris())
    assert fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 3
    assert owners(fake_cluster) == {("other", "")}


def test_an_autoscaler_keeps_its_bounds(fake_cluster):
    apply()
    apply(AUTOSCALER)
    fake_cluster.wait(lambda: fake_cluster.get("Deployment", "iris")["spec"]["replicas"] == 3)
    assert owners(fake_cluster) == {("kube-controller-manager", "scale")}


def test_a_rollout_never_goes_below_what_it_promises(fake_cluster):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    apply(iris(replicas=2, strategy=rolling))
    assert roll_out().endswith('deployment "iris" successfully rolled out\n')
    since = len(fake_cluster.store.history)
    apply(iris(replicas=2, strategy=rolling, image="nope:2"))
    roll_out()
    seen = [o["status"] for _, _, of, o in fake_cluster.store.history[since:]
            if of == "deployments.apps" and o["status"]]  # fmt: skip
    assert min(s.get("availableReplicas", 0) for s in seen) == 2
    assert max(s["replicas"] for s in seen) == 3
    conditions = {c["type"]: c for c in seen[-1]["conditions"]}
    assert conditions["Progressing"]["reason"] == "NewReplicaSetAvailable"
    assert conditions["Available"]["reason"] == "MinimumReplicasAvailable"


def test_undo_restart_and_history(fake_cluster):
    apply()
    roll_out()
    kubectl("set", "image", "deployment/iris", "server=nope:2")
    roll_out()
    first = kubectl("rollout", "history", "deployment/iris")
    assert re.findall(r"^\d+", first, re.M) == ["1", "2"]
    kubectl("rollout", "undo", "deployment/iris")
    roll_out()
    assert re.findall(r"^\d+", kubectl("rollout", "history", "deployment/iris"), re.M) == ["2", "3"]
    assert len(fake_cluster.objects("ReplicaSet")) == 2
    assert pod(fake_cluster)["spec"]["containers"][0]["image"] == "nope:1"
    kubectl("rollout", "restart", "deployment/iris")
    roll_out()
    assert len(fake_cluster.objects("ReplicaSet")) == 3


def test_a_deadline_ends_the_wait(fake_cluster):
    fake_cluster.play("nope:2", scenarios.never_ready())
    apply()
    roll_out()
    apply(iris(image="nope:2", progressDeadlineSeconds=20))
    answer = ask("rollout", "status", "deployment/iris", "--timeout=15s")
    assert (answer.returncode, answer.stderr) == (
        1, 'error: deployment "iris" exceeded its progress deadline\n')  # fmt: skip


def test_several_kinds_selected(fake_cluster):
    apply()
    roll_out()
    kinds = "deployment,replicaset,pod,event,horizontalpodautoscaler"
    items = json.loads(kubectl("get", kinds, "--output=json"))["items"]
    assert {i["kind"] for i in items} == {"Deployment", "ReplicaSet", "Pod", "Event"}
    assert kubectl("get", "pods", "--selector=app=iris", "--all-namespaces", "--output=name")
    assert not kubectl("get", "pods", "--selector=app in (other)", "--output=name")
    assert kubectl("get", "deployment", "nope", "--ignore-not-found", "--output=json") == ""
    assert kubectl("events", "--for=deployment/iris").count("ScalingReplicaSet") == 1


def test_label_and_annotate(fake_cluster):
    apply()
    kubectl("label", "deployment/iris", "team=ml")
    kubectl("annotate", "deployment/iris", "why=test")
    kubectl("annotate", "deployment/iris", "why-")
    metadata = fake_cluster.get("Deployment", "iris")["metadata"]
    assert (metadata["labels"], "why" in metadata["annotations"]) == ({"team": "ml"}, False)


def test_delete_takes_what_is_owned(fake_cluster):
    apply()
    roll_out()
    kubectl("delete", "deployment", "iris", "--wait", "--timeout=5s")
    fake_cluster.wait(lambda: not fake_cluster.objects("Pod"))
    assert not fake_cluster.objects("ReplicaSet")
    assert kubectl("delete", "deployment", "iris", "--ignore-not-found") == ""
    assert "not found" in ask("delete", "deployment", "iris").stderr


def test_delete_in_the_foreground_and_not_at_all(fake_cluster):
    apply()
    roll_out()
    kubectl("delete", "deployment", "iris", "--cascade=foreground", "--timeout=5s")
    assert not fake_cluster.objects("Pod")
    apply()
    roll_out()
    kubectl("delete", "deployment", "iris", "--cascade=orphan")
    assert len(fake_cluster.objects("ReplicaSet")) == 1


def test_namespaces(fake_cluster):
    missing = ask("apply", "--server-side", "--namespace=ml", "-f", "-", stdin=IRIS)
    assert missing.stderr == 'Error from server (NotFound): namespaces "ml" not found\n'
    kubectl("create", "namespace", "ml")
    assert "already exists" in ask("create", "namespace", "ml").stderr
    kubectl("apply", "--server-side", "--namespace=ml", "-f", "-", stdin=IRIS)
    kubectl("delete", "namespace", "ml", "--timeout=5s")
    assert not fake_cluster.objects("Deployment")


def test_kustomize(fake_cluster, tmp_path):
    (tmp_path / "iris.yaml").write_text(IRIS)
    (tmp_path / "kustomization.yaml").write_text("namespace: default\nresources: [iris.yaml]\n")
    kubectl("apply", "--server-side", "-k", str(tmp_path))
    kubectl("create", "-f", "-", stdin=SERVICE)
    assert fake_cluster.get("Service", "iris")["spec"]["type"] == "ClusterIP"


def test_made_without_a_manifest(fake_cluster):
    kubectl("create", "secret", "generic", "token", "--from-literal=key=some value")
    secret = fake_cluster.get("Secret", "token")
    assert (secret["type"], secret["data"]) == ("Opaque", {"key": "c29tZSB2YWx1ZQ=="})
    kubectl("create", "configmap", "settings", "--from-literal=LOG_LEVEL=INFO")
    assert fake_cluster.get("ConfigMap", "settings")["data"] == {"LOG_LEVEL": "INFO"}
    refused = ask("create", "deployment", "iris", "--image=nope:1")
    assert "this fake reads no such protobuf" in refused.stderr


def test_a_selector_cannot_change(fake_cluster):
    apply()
    manifest = IRIS.replace("app: iris", "app: other")
    answer = ask("apply", "--server-side", "--field-manager=mlship", "-f", "-", stdin=manifest)
    assert answer.stderr == (
        'The Deployment "iris" is invalid: spec.selector: Invalid value: '
        '{"matchLabels":{"app":"other"}}: field is immutable\n'
    )


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        (
            IRIS.replace("envFrom", "envform"),
            "Error from server: failed to create typed patch object (default/iris; apps/v1, "
            'Kind=Deployment): .spec.template.spec.containers[name="server"].envform: field not '
            "declared in schema\n",
        ),
        (
            iris(replicas="two"),
            "Error from server: failed to create typed patch object (default/iris; apps/v1, "
            "Kind=Deployment): .spec.replicas: expected numeric (int or float), got string\n",
        ),
        (
            iris(replicas=-1),
            'The Deployment "iris" is invalid: spec.replicas: Invalid value: -1: must be greater '
            "than or equal to 0\n",
        ),
        (
            IRIS.replace("image: nope:1", "image: ''"),
            'The Deployment "iris" is invalid: spec.template.spec.containers[0].image: Required '
            "value\n",
        ),
    ],
)
def test_slips_in_a_manifest(fake_cluster, manifest, error):
    assert ask("apply", "--server-side", "-f", "-", stdin=manifest).stderr == error


def test_rights(fake_cluster):
    assert kubectl("auth", "can-i", "create", "deployments") == "yes\n"
    assert json.loads(kubectl("auth", "whoami", "--output=json"))["status"]["userInfo"][
        "username"] == "ann"  # fmt: skip
    fake_cluster.forbid("patch", "deployments")
    fake_cluster.forbid("get", "pods/log")
    assert ask("auth", "can-i", "patch", "deployments").stdout == "no\n"
    assert ask("auth", "can-i", "get", "pods", "--subresource=log").stdout == "no\n"
    answer = ask("apply", "--server-side", "-f", "-", stdin=IRIS)
    assert answer.stderr == (
        'Error from server (Forbidden): deployments.apps "iris" is forbidden: User "ann" cannot '
        'patch resource "deployments" in API group "apps" in the namespace "default"\n'
    )


def test_a_server_that_fails_for_a_while(fake_cluster):
    fake_cluster.fail("get", "deployments", 500, "InternalError", "etcdserver: leader changed", 1)
    assert "etcdserver: leader changed" in ask("get", "deployment", "iris").stderr
    assert "not found" in ask("get", "deployment", "iris").stderr
    fake_cluster.hang()
    late = ask("get", "pods", "--request-timeout=500ms").stderr
    assert "Client.Timeout" in late or "context deadline exceeded" in late
    fake_cluster.hang(False)
    fake_cluster.down()
    assert "was refused" in ask("get", "pods").stderr
    fake_cluster.up()
    kubectl("get", "pods")
    assert "GET /api/v1/namespaces/default/pods?limit=500" in fake_cluster.requests


@pytest.mark.parametrize(
    ("tls", "more", "error"),
    [
        ("trusted", (), ""),
        ("trusted", ("--token=other",), "You must be logged in to the server"),
        ("self-signed", (), "x509: certificate signed by unknown authority"),
        ("expired", (), "x509: certificate has expired or is not yet valid"),
    ],
)
def test_certificates_and_tokens(monkeypatch, tls, more, error):
    with FakeCluster(tls=tls, token="secret") as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        answer = ask("get", "pods", *more)
        assert (answer.returncode == 0, error in answer.stderr) == (not error, True)


def test_logs(fake_cluster):
    lines = ("one", "two", (20.0, "later"))
    fake_cluster.play("nope", scenarios.healthy(log=lines))
    apply()
    roll_out()
    assert kubectl("logs", "deployment/iris") == "one\ntwo\n"
    assert kubectl("logs", "deployment/iris", "--tail=1", "--container=server") == "two\n"
    stamped = kubectl("logs", "deployment/iris", "--timestamps")
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (one|two)\n){2}", stamped)
    assert "previous terminated container" in ask("logs", "deployment/iris", "--previous").stderr
    argv = ("kubectl", "logs", "deployment/iris", "--follow")
    follow = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert [follow.stdout.readline() for _ in range(3)] == ["one\n", "two\n", "later\n"]
    kubectl("delete", "deployment", "iris")
    assert follow.wait(10) == 0  # it ends with the pod


class Echo(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def served(fake_cluster):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake_cluster.serve("nope", server.server_port)
    apply()
    apply(SERVICE)
    roll_out()
    yield fake_cluster
    server.shutdown()


def test_port_forward(served):
    argv = ("kubectl", "port-forward", "service/iris", ":80")
    pipe = subprocess.PIPE
    forward = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True)
    port = re.search(r":(\d+) -> 8000", forward.stdout.readline())[1]
    body = bytes(range(256)) * 1000
    for _ in range(3):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", body, timeout=5) as answer:
            assert answer.read() == body
    kubectl("delete", "deployment", "iris")
    assert forward.wait(10) == 1
    assert "lost connection to pod" in forward.stderr.read()


def test_raw(served, tmp_path):
    path = "/api/v1/namespaces/default/services/iris:http/proxy/invocations"
    (tmp_path / "body").write_text('{"instances":[1]}')
    assert kubectl("create", f"--raw={path}", "-f", str(tmp_path / "body")) == '{"instances":[1]}'
    served.server.backends.clear()
    name = pod(served)["metadata"]["name"]
    ready = f"/api/v1/namespaces/default/pods/{name}:8000/proxy/readyz"
    assert json.loads(kubectl("get", f"--raw={ready}")) == {"status": "ready"}
    assert "connection refused" in ask("get", f"--raw={ready}/nothing").stderr
    nobody = "/api/v1/namespaces/default/services/nobody:80/proxy/"
    assert 'services "nobody" not found' in ask("get", f"--raw={nobody}").stderr


def waits(reason):
    return lambda status: reason in str(status["containerStatuses"][0]["state"])


def died(code, reason):
    def check(status):
        last = status["containerStatuses"][0]["lastState"].get("terminated", {})
        return (last.get("exitCode"), last.get("reason")) == (code, reason)

    return check


def unscheduled(part):
    return lambda status: any(part in c.get("message", "") for c in status["conditions"])


@pytest.mark.parametrize(
    ("scenario", "reached", "log"),
    [
        (scenarios.image_not_found(), waits("ImagePullBackOff"), "waiting to start"),
        (scenarios.image_unauthorized(), waits("authorization failed"), "waiting to start"),
        (scenarios.crash_loop(), died(1, "Error"), "ValueError"),
        (scenarios.bad_model_hash(), died(3, "Error"), ", expected cdcd"),
        (scenarios.oom_killed(), died(137, "OOMKilled"), "loading the model"),
        (scenarios.readiness_failing(), lambda s: s["containerStatuses"][0]["started"], "loaded"),
        (scenarios.never_ready(), lambda s: s["containerStatuses"][0]["started"], "loading"),
        (scenarios.startup_failing(), died(137, "Error"), "loading"),
        (scenarios.unschedulable_cpu(), unscheduled("Insufficient cpu"), "host"),
        (scenarios.unschedulable_gpu(), unscheduled("Insufficient nvidia.com/gpu"), "host"),
        (scenarios.claim_pending(), unscheduled("unbound immediate"), "host"),
        (scenarios.node_pressure(), unscheduled("memory-pressure"), "host"),
        (scenarios.evicted(), lambda s: s.get("reason") == "Evicted", "loaded"),
        (scenarios.missing_secret(), waits("CreateContainerConfigError"), "waiting to start"),
        (scenarios.missing_config_map(), waits('configmap "iris" not found'), "waiting"),
        (scenarios.missing_key(), waits("find key PORT"), "waiting to start"),
        (scenarios.missing_volume_secret(), waits("ContainerCreating"), "waiting to start"),
        (scenarios.slow_start(20), lambda s: s["containerStatuses"][0]["ready"], "loaded"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_scenarios_of_pods(fake_cluster, scenario, reached, log):
    fake_cluster.play("nope:1", scenario)
    apply()

    def there():
        pods = fake_cluster.objects("Pod")
        return next(
            (p for p in pods if p["status"].get("conditions") and reached(p["status"])), None
        )

    found = fake_cluster.wait(there)
    said = ask("logs", found["metadata"]["name"])
    assert log in said.stdout + said.stderr
    uid = found["metadata"]["uid"]
    events = [e for e in fake_cluster.objects("Event") if e["involvedObject"]["uid"] == uid]
    assert events
    assert not PLACEHOLDER.search(json.dumps([found["status"], events]))


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (scenarios.quota_exceeded(), "exceeded quota: team, requested: pods=1"),
        (scenarios.pod_security(), 'violates PodSecurity "restricted:latest"'),
        (scenarios.missing_service_account(), 'serviceaccount "iris" not found'),
        (scenarios.webhook_denies_pods(), "validate.example.com"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_scenarios_without_pods(fake_cluster, scenario, message):
    fake_cluster.play("nope:1", scenario)
    apply()

    def failure():
        conditions = fake_cluster.get("Deployment", "iris").get("status", {}).get("conditions", [])
        return next((c["message"] for c in conditions if c["type"] == "ReplicaFailure"), None)

    assert message in fake_cluster.wait(failure)
    reasons = {e["reason"]: e["message"] for e in fake_cluster.objects("Event")}
    assert message in reasons["FailedCreate"]
    assert not fake_cluster.objects("Pod")


def test_a_webhook_denies(fake_cluster):
    fake_cluster.play("nope:1", scenarios.webhook_denies("no tag, please"))
    answer = ask("apply", "--server-side", "-f", "-", stdin=IRIS)
    assert answer.returncode == 1
    assert 'admission webhook "validate.example.com" denied the request: no tag' in answer.stderr


def test_one_revision_is_played(fake_cluster):
    fake_cluster.play("nope", scenarios.crash_loop(), revision=2)
    apply()
    roll_out()
    kubectl("rollout", "restart", "deployment/iris")
    crashed = died(1, "Error")

    def crashes():
        found = [p["status"] for p in fake_cluster.objects("Pod")]
        return any(crashed(status) for status in found if "containerStatuses" in status)

    fake_cluster.wait(crashes)
    kubectl("rollout", "undo", "deployment/iris")
    roll_out()


def test_a_quota_that_takes_some(fake_cluster):
    fake_cluster.play("nope:1", scenarios.quota_exceeded(2))
    apply(iris(replicas=3))
    fake_cluster.wait(lambda: len(fake_cluster.objects("Pod")) == 2)
    status = ("get", "deployment", "iris", "--output=jsonpath={.status.availableReplicas}")
    fake_cluster.wait(lambda: kubectl(*status) == "2")
