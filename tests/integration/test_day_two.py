"""The commands after a deployment, with the real kubectl, on a cluster that is played."""

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mlship.cluster import applyset
from tests.support.fake_cluster import scenarios
from tests.support.projects import MLSHIP, mlship
from tests.unit.conftest import write_project

NAMESPACE = "ml"
HASH = "applyset.kubernetes.io/part-of"
LABELS = {
    "app.kubernetes.io/name": "iris",
    "app.kubernetes.io/managed-by": "mlship",
    HASH: applyset.identity("iris", NAMESPACE),
}
LOG = (
    scenarios.json_log("Started server process [1]", logger="uvicorn.error"),
    "no JSON at all",
    '{"time": "2026-01-05T10:00:00+0000", "level": "INFO", "logger": "app.access", "message": '
    '"POST /predict 200", "request_id": "abc", "method": "POST", "path": "/predict", '
    '"status": 200, "duration_ms": 1.5}',
)


class Service(BaseHTTPRequestHandler):
    """Answers as a generated server does."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer({"predictions": [0.5] * len(body["instances"])})

    def do_GET(self):
        self._answer({"status": "ready"})

    def _answer(self, value):
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def service():
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def meta(name, **annotations):
    found = {"name": name, "namespace": NAMESPACE, "labels": LABELS}
    return found | ({"annotations": annotations} if annotations else {})


def manifest(version, by="ann@laptop", config="iris-1", **spec):
    labels = {"app.kubernetes.io/name": "iris"}
    image = f"registry.example.com/team/iris:{version}"
    cause = f"mlship deploy {image} by {by}"
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta("iris", **{"mlship/by": by, "kubernetes.io/change-cause": cause}),
        "spec": {
            "revisionHistoryLimit": 5,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [
                        {
                            "name": "server",
                            "image": image,
                            "ports": [{"name": "http", "containerPort": 9000}],
                            "envFrom": [{"configMapRef": {"name": config}}],
                        }
                    ],
                    "imagePullSecrets": [{"name": "registry-login"}],
                },
            },
            **spec,
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta("iris"),
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta(config),
        "data": {"LOG_LEVEL": "INFO"},
    }
    return [settings, service, deployment]


AUTOSCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": meta("iris"),
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris"},
        "minReplicas": 2,
        "maxReplicas": 6,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 75},
                },
            }
        ],
    },
}
KINDS = {"ConfigMap", "Service", "Deployment.apps", "HorizontalPodAutoscaler.autoscaling"}


def kubectl(*argv, stdin=None):
    done = subprocess.run(
        ["kubectl", "--namespace", NAMESPACE, *argv], input=stdin, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def apply(*objects):
    text = "\n---\n".join(map(json.dumps, objects))
    kubectl("apply", "--server-side", "--field-manager=mlship", "-f", "-", stdin=text)


@pytest.fixture
def cluster(fake_cluster, service):
    fake_cluster.play("iris", scenarios.healthy(log=LOG))
    fake_cluster.serve("iris", service)
    fake_cluster.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "z", "namespace": NAMESPACE}}
    )
    return fake_cluster


def settled(cluster, replicas=2):
    """Wait until so many pods of the newest revision serve."""

    def is_there():
        live = cluster.get("Deployment", "iris", NAMESPACE) or {"metadata": {}}
        status = live.get("status", {})
        return (
            status.get("observedGeneration") == live["metadata"].get("generation")
            and status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == replicas
            and status.get("replicas", 0) == replicas
        )

    cluster.wait(is_there, 20)


@pytest.fixture
def deployed(cluster, project):
    """A project with two pods, an autoscaler and the record of the set."""
    apply(applyset.parent("iris", NAMESPACE, KINDS), *manifest("1"), AUTOSCALER)
    settled(cluster)
    return project


@pytest.fixture
def project(tmp_path):
    return write_project(tmp_path / "iris")


def told(*argv, cwd, code=0):
    """Run a command with --json and return what it printed."""
    done = mlship(*argv, "--json", cwd=cwd, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_nothing_there_is_said_with_what_to_do(cluster, project):
    for command in (["status"], ["history"], ["rollback"], ["scale", "2"], ["logs"], ["open"],
                    ["predict", "--cluster"]):  # fmt: skip
        done = mlship(*command, cwd=project, check=False)
        assert done.returncode == 7, command
        lines = done.stderr.splitlines()
        assert lines[0] == "Error: iris is not deployed there"
        assert lines[1] == "  There is no Deployment iris in the namespace ml of fake."
        assert lines[2].startswith("  Next: mlship deploy")
        found = told(*command, cwd=project, code=7)
        assert found == {"ok": False, "error": found["error"]}
        assert found["error"]["cause"] == "not-deployed"


def test_status_of_what_serves(deployed):
    found = told("status", cwd=deployed)
    assert found["serves"] is True
    assert (found["context"], found["namespace"]) == ("fake", NAMESPACE)
    assert (found["revision"], found["replicas"], found["ready"]) == (1, 2, 2)
    assert found["image"] == "registry.example.com/team/iris:1"
    assert found["digests"] and found["digests"][0].startswith("sha256:")
    assert found["rollout"]["state"] == "done" and found["rollout"]["by"] == "ann@laptop"
    assert (found["autoscaler"]["least"], found["autoscaler"]["most"]) == (2, 6)
    assert found["endpoints"][0]["urls"] == ["http://iris.ml"]
    assert [pod["serves"] for pod in found["pods"]] == [True, True]
    assert found["troubles"] == []
    text = mlship("status", cwd=deployed, env={**os.environ, "COLUMNS": "150"}).stdout
    assert "2 of 2 serve" in text and "rollout done" in text and "by ann@laptop" in text


def test_status_of_what_fails_exits_with_7_and_says_why(deployed, cluster):
    cluster.play("iris:2", scenarios.image_not_found())
    apply(*manifest("2", by="bob@ci"))
    cluster.wait(lambda: _waiting(cluster, "ImagePullBackOff"), 20)
    found = told("status", cwd=deployed, code=7)
    assert found["serves"] is False
    assert found["rollout"]["state"] == "failed" and found["rollout"]["by"] == "bob@ci"
    assert found["troubles"][0]["cause"] == "image-pull"
    done = mlship("status", cwd=deployed, check=False, env={**os.environ, "COLUMNS": "150"})
    assert done.returncode == 7
    assert "2 of 2 serve, 2 of them of an older revision" in done.stdout


def _waiting(cluster, reason):
    return any(
        status.get("state", {}).get("waiting", {}).get("reason") == reason
        for pod in cluster.objects("Pod", NAMESPACE)
        for status in pod.get("status", {}).get("containerStatuses", [])
    )


def test_history_and_rollback(deployed, cluster):
    apply(*manifest("2", by="bob@ci", config="iris-2"))
    settled(cluster)
    known = told("history", cwd=deployed)
    assert [(r["number"], r["by"], r["current"], r["pods"]) for r in known] == [
        (1, "ann@laptop", False, 0), (2, "bob@ci", True, 2),
    ]  # fmt: skip
    refused = mlship("rollback", cwd=deployed, check=False)  # nobody deployed from here, or is here
    assert refused.returncode == 2 and "add --yes" in refused.stderr
    found = told("rollback", "--yes", cwd=deployed)
    assert found["ok"] and found["answers"]
    assert found["from"] == {"revision": 2, "image": "registry.example.com/team/iris:2"}
    assert found["to"] == {"revision": 1, "image": "registry.example.com/team/iris:1"}
    assert found["revision"] == 3
    live = json.loads(kubectl("get", "deployment", "iris", "--output", "json",
                              "--show-managed-fields"))  # fmt: skip
    images = [c["image"] for c in live["spec"]["template"]["spec"]["containers"]]
    assert images == ["registry.example.com/team/iris:1"]
    assert live["metadata"]["annotations"]["kubernetes.io/change-cause"].startswith(
        "mlship rollback to revision 1 (registry.example.com/team/iris:1) by "
    )
    owners = [
        entry["manager"]
        for entry in live["metadata"]["managedFields"]
        if "f:template" in entry["fieldsV1"].get("f:spec", {})
    ]
    assert owners == ["mlship"]
    apply(*manifest("2", config="iris-2"))  # the next deployment meets no conflict
    settled(cluster)


def test_rollback_to_what_is_not_there(deployed, cluster):
    done = mlship("rollback", "--yes", cwd=deployed, check=False)
    assert done.returncode == 7
    assert "iris has no revision before the current one" in done.stderr
    apply(*manifest("2", config="iris-2"))
    settled(cluster)
    done = mlship("rollback", "--to", 9, "--yes", cwd=deployed, check=False)
    assert done.returncode == 7 and "iris has no revision 9" in done.stderr
    assert "  2: registry.example.com/team/iris:2 (current)" in done.stderr
    kubectl("delete", "configmap", "iris-1")
    done = mlship("rollback", "--yes", cwd=deployed, check=False)
    assert done.returncode == 7
    assert "Revision 1 of iris can't start again" in done.stderr
    assert "configmap iris-1" in done.stderr
    assert "mlship deploy --image registry.example.com/team/iris:1" in done.stderr
    assert told("history", cwd=deployed)[-1]["number"] == 2  # nothing was changed


def test_a_rollback_that_fails_says_why(deployed, cluster):
    apply(*manifest("2", config="iris-2"))
    settled(cluster)
    cluster.play("iris:1", scenarios.startup_failing(500))
    done = mlship("rollback", "--yes", "--json", cwd=deployed, check=False)
    assert done.returncode == 7
    found = json.loads(done.stdout)
    assert (found["ok"], found["error"]["cause"]) == (False, "probe")
    assert "--no-rollback" not in done.stdout, "that is deploy's"
    assert "registry.example.com/team/iris:1" in done.stderr and "Next:" in done.stderr


def test_a_rollback_that_can_not_be_watched_says_why_to_programs(deployed, cluster):
    apply(*manifest("2", config="iris-2"))
    settled(cluster)
    cluster.play("iris:1", scenarios.slow_start(2000))
    argv = [*MLSHIP, "rollback", "--yes", "--json"]
    with subprocess.Popen(argv, cwd=deployed, stdout=subprocess.PIPE, text=True) as process:
        cluster.wait(lambda: len(cluster.objects("Pod", NAMESPACE)) > 2, 20)
        kubectl("delete", "deployment", "iris")
        found = json.loads(process.communicate(timeout=40)[0])
    assert process.returncode == 7
    assert found["ok"] is False and found["to"]["revision"] == 1
    assert found["error"]["what"].startswith("The Deployment iris is gone")


def test_scale_moves_the_autoscaler_aside(deployed, cluster):
    found = told("scale", 3, "--yes", cwd=deployed)
    assert found["ok"] and (found["from"], found["replicas"], found["ready"]) == (2, 3, 3)
    assert found["removed"] == ["HorizontalPodAutoscaler/iris"]
    assert cluster.get("HorizontalPodAutoscaler", "iris", NAMESPACE) is None
    assert "PATCH" in " ".join(r for r in cluster.requests if "deployments/iris/scale" in r)
    asked = mlship("scale", 0, cwd=deployed, check=False)
    assert asked.returncode == 2 and "without pods, iris answers nobody" in asked.stderr
    done = mlship("scale", 0, "--yes", cwd=deployed)
    assert "Scaled from 3 to 0; no pod serves" in done.stdout
    stopped = mlship("predict", "--cluster", cwd=deployed, check=False)
    assert stopped.returncode == 7 and "Next: mlship scale N" in stopped.stderr
    assert told("status", cwd=deployed)["replicas"] == 0


def test_a_scale_that_fails_says_why_and_what_it_removed(deployed, cluster):
    cluster.play("iris:1", scenarios.startup_failing(500))
    found = told("scale", 3, "--yes", cwd=deployed, code=7)
    assert (found["ok"], found["replicas"], found["waited"]) == (False, 3, True)
    assert found["removed"] == ["HorizontalPodAutoscaler/iris"]
    assert found["error"]["cause"] == found["troubles"][0]["cause"] == "probe"
    assert "--no-rollback" not in json.dumps(found)


def test_scale_leaves_somebody_elses_autoscaler(deployed, cluster):
    kubectl("delete", "hpa", "iris")
    theirs = {**AUTOSCALER, "metadata": {"name": "theirs", "namespace": NAMESPACE,
              "labels": {"app.kubernetes.io/name": "iris"}}}  # fmt: skip
    cluster.put(theirs)
    done = mlship("scale", 3, "--yes", cwd=deployed, check=False)
    assert done.returncode == 7
    assert "HorizontalPodAutoscaler theirs sets the count" in done.stderr
    assert cluster.get("HorizontalPodAutoscaler", "theirs", NAMESPACE)


def test_logs_of_all_pods(deployed):
    text = mlship("logs", cwd=deployed).stdout
    lines = text.splitlines()
    assert len(lines) == 6
    pods = {pod["name"] for pod in told("status", cwd=deployed)["pods"]}
    assert {line.split()[0] for line in lines} == {name.rpartition("-")[2] for name in pods}
    assert [line for line in lines if line.endswith("no JSON at all")]
    assert "INFO    POST /predict 200  duration_ms=1.5  request_id=abc" in text
    values = [json.loads(x) for x in mlship("logs", "--json", cwd=deployed).stdout.splitlines()]
    assert {v["pod"] for v in values} == pods and {v["container"] for v in values} == {"server"}
    assert [v["time"] for v in values] == sorted(v["time"] for v in values)
    raw = mlship("logs", "--raw", "--tail", 1, cwd=deployed).stdout
    assert raw.splitlines() == [LOG[-1]] * 2
    none = mlship("logs", "--previous", cwd=deployed, check=False)
    assert none.returncode == 7 and "No container of iris has restarted" in none.stderr


def test_logs_into_a_pipe_that_closes(deployed):
    argv = " ".join([*MLSHIP, "logs"])
    for more in ("", "--json", "--raw"):
        done = subprocess.run(
            ["sh", "-c", f"{argv} {more} | head -n 1"], cwd=deployed, capture_output=True, text=True
        )
        assert len(done.stdout.splitlines()) == 1
        assert done.stderr == ""


class Followed:
    """A command that lasts, its lines read by a thread."""

    def __init__(self, *argv, cwd):
        self.process = subprocess.Popen(
            [*MLSHIP, *map(str, argv)], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
            # A test run in the background of a shell ignores it, and so would what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def until(self, holds, seconds=30):
        end = time.monotonic() + seconds
        while not holds(self.lines):
            assert time.monotonic() < end and self.process.poll() is None, self.lines
            time.sleep(0.05)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        return code, self.process.stderr.read()


def test_following_meets_new_pods_and_ends_cleanly(deployed, cluster):
    followed = Followed("logs", "--follow", "--json", cwd=deployed)
    followed.until(lambda lines: len(lines) == 6)
    apply(*manifest("2"))
    followed.until(lambda lines: len(lines) == 12)
    assert len({json.loads(line)["pod"] for line in followed.lines}) == 4
    code, said = followed.interrupt()
    assert code == 130 and "Traceback" not in said


def test_predict_on_the_cluster(deployed):
    assert told("predict", "--cluster", cwd=deployed) == {"predictions": [0.5]}
    assert "0.5" in mlship("predict", "--cluster", cwd=deployed).stdout
    both = mlship("predict", "--cluster", "--url", "http://x", cwd=deployed, check=False)
    assert both.returncode == 2
    alone = mlship("predict", "--namespace", "x", cwd=deployed, check=False)
    assert alone.returncode == 2 and "add --cluster" in alone.stderr


def test_open_tells_the_page_and_lasts(deployed):
    import urllib.request

    opened = Followed("open", "--json", cwd=deployed)
    opened.until(lambda lines: lines and lines[-1] == "}\n")
    page = json.loads("".join(opened.lines))
    assert page["docs"] == f"{page['url']}/docs"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(page["docs"]) as answer:
        assert answer.status == 200
    code, said = opened.interrupt()
    assert code == 130 and "Traceback" not in said


def test_open_on_a_port_that_is_taken(deployed, service):
    done = mlship("open", "--port", service, cwd=deployed, check=False)
    assert done.returncode == 7
    assert done.stderr.startswith(f"Error: Port {service} is in use here")
    assert "k8s/" not in done.stderr


def test_undeploy_takes_its_own_and_leaves_the_rest(deployed, cluster):
    for kind, name in (("Secret", "registry-login"), ("ConfigMap", "somebody-elses")):
        cluster.put({"apiVersion": "v1", "kind": kind,
                     "metadata": {"name": name, "namespace": NAMESPACE}})  # fmt: skip
    asked = mlship("undeploy", cwd=deployed, check=False)
    assert asked.returncode == 2 and "Service/iris" in asked.stdout
    assert cluster.get("Deployment", "iris", NAMESPACE)
    found = told("undeploy", "--yes", cwd=deployed)
    assert found["removed"] == [
        "HorizontalPodAutoscaler.autoscaling/iris", "Deployment.apps/iris", "ConfigMap/iris-1",
        "Service/iris",
    ]  # fmt: skip
    assert found["kept"] == ["secret/registry-login"]
    assert not cluster.objects("Pod", NAMESPACE) and not cluster.objects("Service", NAMESPACE)
    left = {item["metadata"]["name"] for item in cluster.objects("ConfigMap", NAMESPACE)}
    assert {"z", "somebody-elses"} <= left and not left & {"iris-1", "iris-mlship"}
    assert cluster.get("Secret", "registry-login", NAMESPACE)
    again = mlship("undeploy", cwd=deployed)
    assert again.stdout == "Nothing of iris is in the namespace ml of fake\n"


def test_undeploy_of_a_plain_kubectl_apply(cluster, project):
    objects = [json.loads(json.dumps(item)) for item in manifest("1", replicas=1)]
    for item in objects:
        del item["metadata"]["labels"][HASH]
    apply(*objects)
    settled(cluster, 1)
    found = told("undeploy", "--yes", cwd=project)
    assert found["removed"] == ["Deployment.apps/iris", "ConfigMap/iris-1", "Service/iris"]
    assert not cluster.objects("Deployment", NAMESPACE)


def test_undeploy_without_the_right_to_look_at_what_others_install(cluster, project):
    """Deploy's record says that it made none of those; without one, they are named."""
    cluster.add_kind("ServiceMonitor", "monitoring.coreos.com/v1")
    cluster.forbid("list", "servicemonitors")
    unseen = ["servicemonitors.monitoring.coreos.com"]
    assert told("undeploy", "--yes", cwd=project) == {
        "ok": True, "removed": [], "kept": [], "unseen": unseen,
    }  # fmt: skip
    apply(*manifest("1", replicas=1))
    settled(cluster, 1)
    found = told("undeploy", "--yes", cwd=project)
    assert (len(found["removed"]), found["unseen"]) == (3, unseen)
    assert not cluster.objects("Deployment", NAMESPACE)
    # What deploy made is not left behind unseen.
    cluster.put(applyset.parent("iris", NAMESPACE, {"ServiceMonitor.monitoring.coreos.com"}))
    done = mlship("undeploy", "--yes", cwd=project, check=False)
    assert done.returncode == 7 and "ann may not list servicemonitors" in done.stderr
    assert cluster.get("ConfigMap", "iris-mlship", NAMESPACE)


def test_undeploy_of_kinds_that_came_later(deployed, cluster):
    """kubectl remembers a cluster's kinds for hours."""
    kubectl("api-resources")
    made = {
        "Gateway": "gateway.networking.k8s.io/v1",
        "ServiceMonitor": "monitoring.coreos.com/v1",
    }
    for kind, version in made.items():
        cluster.add_kind(kind, version)
        cluster.put({"apiVersion": version, "kind": kind, "metadata": meta("iris")})
    found = told("undeploy", "--yes", cwd=deployed)
    assert not [kind for kind in made if cluster.objects(kind, NAMESPACE)], found["removed"]


def test_undeploy_after_an_operator_was_removed(deployed, cluster):
    kinds = {"Deployment.apps", "ScaledObject.keda.sh"}
    cluster.put(applyset.parent("iris", NAMESPACE, kinds))
    found = told("undeploy", "--yes", cwd=deployed)
    assert "Deployment.apps/iris" in found["removed"]
    assert not cluster.get("ConfigMap", "iris-mlship", NAMESPACE)


def test_undeploy_of_a_part_removes_nothing(deployed, cluster):
    cluster.fail("list", "services", 500, "InternalError", "etcdserver: leader changed", times=1)
    done = mlship("undeploy", "--yes", cwd=deployed, check=False)
    assert done.returncode == 7 and "leader changed" in done.stderr
    assert cluster.get("Deployment", "iris", NAMESPACE)


def test_what_one_may_not_read_is_left_out_or_said(deployed, cluster):
    cluster.forbid("list", "ingresses")
    cluster.forbid("list", "events")
    assert told("status", cwd=deployed)["serves"] is True
    cluster.forbid("get", "pods/log")
    done = mlship("logs", cwd=deployed, check=False)
    assert done.returncode == 7 and "No log can be read" in done.stderr


def test_previous_logs_of_what_restarted(cluster, project):
    life = scenarios.crash_loop()
    cluster.play("iris", replace(life, previous=("the last words",)))
    apply(*manifest("1", replicas=1))
    cluster.wait(lambda: _restarted(cluster), 30)
    assert mlship("logs", "--previous", "--raw", cwd=project).stdout == "the last words\n"


def _restarted(cluster):
    return any(
        status.get("restartCount")
        for pod in cluster.objects("Pod", NAMESPACE)
        for status in pod.get("status", {}).get("containerStatuses", [])
    )
