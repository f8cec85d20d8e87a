"""The commands after a deployment: argv, and what is read out of a cluster's objects."""

import contextlib
import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from rich.console import Console

from mlship.cli import console, logs_view, status_view
from mlship.cluster import (
    answering,
    autoscaling,
    endpoints,
    following,
    kinds,
    logs,
    rollingback,
    scaling,
    status,
    undeploying,
)
from mlship.cluster.access import Access
from mlship.cluster.deployed import Deployed
from mlship.cluster.kubeconfig import Cluster
from mlship.cluster.logs import Line, Source
from mlship.commands import kubectl
from mlship.errors import ClusterError, ToolFailed, UsageError
from mlship.rollout import looking, revisions
from mlship.rollout.snapshot import Snapshot
from mlship.rollout.trouble import Trouble
from mlship.rollout.watching import Moment
from mlship.runner import Result

TARGET = kubectl.Target("kubectl", "dev", "ml")
START = ("kubectl", "--context", "dev", "--namespace", "ml")
LIMIT = "--request-timeout=60s"
NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_argv():
    def words(command):
        assert command.argv[:5] == START and command.stdin is None
        return command.argv[5:]

    assert words(kubectl.kinds(TARGET)) == ("api-resources", "--namespaced=true", "--no-headers")
    assert words(kubectl.entrances(TARGET)) == ("get", "service,ingress", "--output", "json")
    assert words(kubectl.existing(TARGET, "secret", ["a", "b"])) == (
        "get", "secret", "a", "b", "--ignore-not-found", "--output", "name",
    )  # fmt: skip
    assert words(kubectl.logs(TARGET, "iris-1", "server")) == (
        "logs", "iris-1", "--container", "server", "--timestamps",
    )  # fmt: skip
    assert words(
        kubectl.logs(TARGET, "p", "c", follow=True, previous=True, tail=0, since="10m",
                     since_time="2026-01-05T10:00:00Z")
    ) == (
        "logs", "p", "--container", "c", "--timestamps", "--follow", "--previous", "--tail=0",
        "--since=10m", "--since-time=2026-01-05T10:00:00Z",
    )  # fmt: skip


def test_objects_are_applied_as_documents_of_their_own():
    command = kubectl.apply_objects(TARGET, [{"kind": "A"}, {"kind": "B"}], force=True)
    assert command.argv[5:] == (
        "apply", "--server-side", "--field-manager=mlship", LIMIT, "--force-conflicts", "-f", "-",
    )  # fmt: skip
    documents = command.stdin.split("\n---\n")
    assert [json.loads(text)["kind"] for text in documents] == ["A", "B"]


def test_kinds_of_a_cluster():
    table = """\
configmaps                  cm       v1                             true   ConfigMap
secrets                              v1                             true   Secret
deployments                 deploy   apps/v1                        true   Deployment
scaledobjects               so       keda.sh/v1alpha1               true   ScaledObject
"""
    assert kinds.parse(table) == {"ConfigMap", "Secret", "Deployment.apps", "ScaledObject.keda.sh"}
    assert kinds.parse("") == set()


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Service", "services"),
        ("Ingress.networking.k8s.io", "ingresses.networking.k8s.io"),
        ("NetworkPolicy.networking.k8s.io", "networkpolicies.networking.k8s.io"),
        ("Gateway.gateway.networking.k8s.io", "gateways.gateway.networking.k8s.io"),
    ],
)
def test_resources_of_kinds(kind, resource):
    assert kinds.resource(kind) == resource


# Answers that are whole

MAY_NOT = (
    'Error from server (Forbidden): {0} is forbidden: User "ann" cannot list resource "{0}" in API '
    'group "" in the namespace "ml"\n'
)
LEADER = "Error from server: etcdserver: leader changed\n"


class Once:
    """A runner whose kubectl answers with one Service, failing at more."""

    def __init__(self, stderr):
        items = [{"kind": "Service", "metadata": {"name": "iris"}}]
        self.answer = Result(1, json.dumps({"kind": "List", "items": items}), stderr)

    def ask(self, command, timeout=60):
        return self.answer


@pytest.mark.parametrize(
    "said",
    [
        MAY_NOT.format("secrets"),
        "E1125 13:43:05.000000    1 memcache.go:287] x\nWarning: old\n" + MAY_NOT.format("secrets"),
    ],
)
def test_what_one_may_not_read_is_named(said):
    command = kubectl.get(TARGET, ["service", "secret"])
    found = looking.whole(Once(said), TARGET, command, spared={"secrets"})
    assert [item["kind"] for item in found.objects] == ["Service"]
    assert found.unread == {"secrets"}
    assert looking.whole(Once(said), TARGET, command, spared="*") == found
    with pytest.raises(ClusterError, match="ann may not list secrets"):
        looking.whole(Once(said), TARGET, command)


@pytest.mark.parametrize("said", [LEADER, MAY_NOT.format("secrets") + LEADER, ""])
def test_a_part_of_an_answer_is_not_taken_for_the_whole(said):
    command = kubectl.get(TARGET, ["service", "secret"])
    with pytest.raises(ClusterError):
        looking.whole(Once(said), TARGET, command, spared="*")
    assert looking.objects(Once(said), TARGET, command), "to look at, it is enough"


# Endpoints


def service(**spec):
    return {
        "kind": "Service",
        "metadata": {"name": "iris", "namespace": "ml"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.7", "ports": [{"port": 80}], **spec},
        "status": {"loadBalancer": {}},
    }


def only(items):
    (found,) = endpoints.of("iris", "ml", items)
    return found


def test_a_service_is_for_the_cluster_unless_it_is_given_an_address():
    inside = only([service()])
    assert inside.urls == ("http://iris.ml",) and inside.addresses == ("10.96.0.7",)
    assert inside.note == "inside the cluster only" and not inside.https
    waiting = only([service(type="LoadBalancer")])
    assert waiting.note == "no load balancer gave it an address yet"
    balanced = service(type="LoadBalancer", ports=[{"port": 8080}])
    balanced["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}]}}
    assert only([balanced]).urls == ("http://iris.ml", "http://lb.example.com:8080")
    assert only([service(type="NodePort", ports=[{"port": 80, "nodePort": 30007}])]).note == (
        "port 30007 of each node"
    )
    assert only([service(clusterIP="None")]).addresses == ()


def ingress(backend="iris", addresses=({"ip": "192.0.2.1"},), tls=()):
    return {
        "kind": "Ingress",
        "metadata": {"name": "iris", "namespace": "ml"},
        "spec": {
            "tls": list(tls),
            "rules": [
                {
                    "host": "iris.example.com",
                    "http": {
                        "paths": [
                            {"path": "/", "backend": {"service": {"name": backend, "port": {}}}}
                        ]
                    },
                }
            ],
        },
        "status": {"loadBalancer": {"ingress": list(addresses)}},
    }


def test_an_ingress_is_known_by_what_it_leads_to():
    assert endpoints.of("iris", "ml", [ingress(backend="other")]) == []
    plain = only([ingress()])
    assert plain.urls == ("http://iris.example.com",) and plain.addresses == ("192.0.2.1",)
    secured = only([ingress(tls=[{"hosts": ["iris.example.com"], "secretName": "x"}])])
    assert secured.urls == ("https://iris.example.com",) and secured.https
    other = only([ingress(tls=[{"hosts": ["other.example.com"]}])])
    assert not other.https
    assert only([ingress(addresses=())]).note == "no ingress controller gave it an address yet"


def route(conditions=(), section=None):
    parent = {"name": "public", "namespace": "gateways"}
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": "iris", "namespace": "ml"},
        "spec": {
            "hostnames": ["iris.example.com"],
            "parentRefs": [parent | ({"sectionName": section} if section else {})],
            "rules": [{"backendRefs": [{"name": "iris", "port": 80}]}],
        },
        "status": {"parents": [{"conditions": list(conditions)}]},
    }


GATEWAY = {
    "kind": "Gateway",
    "metadata": {"name": "public", "namespace": "gateways"},
    "spec": {
        "listeners": [
            {"name": "plain", "protocol": "HTTP", "port": 80},
            {"name": "secure", "protocol": "HTTPS", "port": 443},
        ]
    },
    "status": {"addresses": [{"value": "192.0.2.9"}]},
}
TAKEN = {"type": "Accepted", "status": "True"}


def test_a_route_is_as_safe_as_its_listener():
    found = only([route([TAKEN]), GATEWAY])
    assert found.urls == ("https://iris.example.com",) and found.addresses == ("192.0.2.9",)
    assert found.note == ""
    assert only([route([TAKEN], "plain"), GATEWAY]).urls == ("http://iris.example.com",)
    refused = {"type": "Accepted", "status": "False", "message": "no listener allows it"}
    assert only([route([refused]), GATEWAY]).note == "no listener allows it"
    assert only([route([TAKEN])]).note == "its Gateway has no address yet"


# Autoscalers


def hpa(conditions=(), current=(), labels=None, target="iris", owners=()):
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "iris", "labels": labels or {}, "ownerReferences": list(owners)},
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 6,
            "scaleTargetRef": {"kind": "Deployment", "name": target},
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": 75},
                    },
                },
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "queue_length"},
                        "target": {"type": "AverageValue", "averageValue": "10"},
                    },
                },
            ],
        },
        "status": {"currentMetrics": list(current), "conditions": list(conditions)},
    }


DEPLOYMENT = {"metadata": {"name": "iris"}}
NO_METRICS = {
    "type": "ScalingActive",
    "status": "False",
    "reason": "FailedGetResourceMetric",
    "message": "the HPA was unable to compute the replica count: failed to get cpu utilization: "
    "unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: "
    "the server could not find the requested resource (get pods.metrics.k8s.io)",
}


def test_an_autoscaler_tells_what_it_sees():
    current = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}},
        {"type": "Pods", "pods": {"metric": {"name": "queue_length"}, "current": {}}},
    ]
    found = autoscaling.of(DEPLOYMENT, [hpa(current=current)])
    assert (found.kind, found.least, found.most) == ("HorizontalPodAutoscaler", 2, 6)
    assert found.metrics == ("cpu 12% of 75%", "queue_length unknown of 10")
    assert found.trouble == ""
    assert autoscaling.of(DEPLOYMENT, [hpa(target="other"), {"kind": "Event"}]) is None


def test_an_autoscaler_without_metrics_says_so():
    found = autoscaling.of(DEPLOYMENT, [hpa([NO_METRICS])])
    assert found.trouble == "it gets no metrics: the cluster has no metrics-server that answers"
    other = NO_METRICS | {"message": "missing request for cpu in container server"}
    assert autoscaling.of(DEPLOYMENT, [hpa([other])]).trouble.startswith("missing request")
    off = NO_METRICS | {"reason": "ScalingDisabled", "message": "since the replica count is zero"}
    assert autoscaling.of(DEPLOYMENT, [hpa([off])]).trouble == "off while the count is 0"


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ("unable to get metrics for resource cpu: no metrics returned from resource metrics API",
         "there are no metrics of the new pods yet"),
        ("did not receive metrics for targeted pods (pods might be unready)",
         "there are no metrics of the new pods yet"),
        ("unable to fetch metrics from custom metrics API: no custom metrics API registered",
         "unable to fetch metrics from custom metrics API: no custom metrics API registered"),
    ],
)  # fmt: skip
def test_metrics_server_is_not_missing_where_it_has_nothing_yet(said, trouble):
    condition = NO_METRICS | {"message": said}
    assert autoscaling.of(DEPLOYMENT, [hpa([condition])]).trouble == trouble


def test_kedas_autoscaler_is_named_as_its_scaled_object():
    keda = hpa(labels={"scaledobject.keda.sh/name": "iris"})
    assert autoscaling.of(DEPLOYMENT, [keda]).kind == "ScaledObject"


def test_kedas_own_words_come_first():
    scaled = {
        "kind": "ScaledObject",
        "metadata": {"name": "iris"},
        "spec": {
            "scaleTargetRef": {"name": "iris"},
            "minReplicaCount": 1,
            "maxReplicaCount": 9,
            "triggers": [{"type": "prometheus"}],
        },
        "status": {
            "conditions": [
                {"type": "Ready", "status": "False", "message": "failed to reach Prometheus"}
            ]
        },
    }
    broken = autoscaling.of(DEPLOYMENT, [scaled])
    assert (broken.least, broken.most, broken.metrics) == (1, 9, ("prometheus",))
    assert broken.trouble == "failed to reach Prometheus"
    scaled["status"]["conditions"][0]["status"] = "True"
    current = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 5}}}
    ]
    works = autoscaling.of(DEPLOYMENT, [hpa(current=current), scaled])
    assert works.kind == "ScaledObject" and works.trouble == ""
    assert works.metrics[0] == "cpu 5% of 75%"


# A deployment with two revisions


def template(image, config="iris-1"):
    return {
        "metadata": {"labels": {"app.kubernetes.io/name": "iris", "pod-template-hash": "x"}},
        "spec": {
            "containers": [
                {
                    "name": "server",
                    "image": image,
                    "envFrom": [
                        {"configMapRef": {"name": config}},
                        {"secretRef": {"name": "extra", "optional": True}},
                    ],
                    "env": [
                        {
                            "name": "TOKEN",
                            "valueFrom": {"secretKeyRef": {"name": "token", "key": "t"}},
                        }
                    ],
                }
            ],
            "volumes": [
                {"name": "a", "secret": {"secretName": "certificate"}},
                {"name": "b", "projected": {"sources": [{"configMap": {"name": "projected"}}]}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "models"}},
                {"name": "d", "emptyDir": {}},
            ],
            "imagePullSecrets": [{"name": "registry"}],
        },
    }


def replica_set(number, image, by="ann", former=""):
    annotations = {
        "deployment.kubernetes.io/revision": str(number),
        "mlship/by": by,
        "kubernetes.io/change-cause": f"mlship deploy {image} by {by}",
    }
    if former:
        annotations["deployment.kubernetes.io/revision-history"] = former
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"iris-{number}",
            "uid": f"set-{number}",
            "annotations": annotations,
            "creationTimestamp": f"2026-01-0{number}T10:00:00Z",
            "ownerReferences": [{"uid": "deployment", "controller": True}],
        },
        "spec": {"template": template(image, f"iris-{number}")},
    }


def pod(number, name, ready=True):
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "ownerReferences": [{"uid": f"set-{number}", "controller": True}],
            "creationTimestamp": "2026-01-05T11:00:00Z",
        },
        "spec": {"containers": [{"name": "server"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": "server",
                    "ready": ready,
                    "restartCount": 0,
                    "imageID": f"registry.example.com/iris@sha256:{'ab' * 32}",
                    "state": {"running": {}},
                }
            ],
        },
    }


def deployment(revision=2, image="iris:2", progressing="NewReplicaSetAvailable", **status):
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "iris",
            "uid": "deployment",
            "generation": 5,
            "annotations": {
                "deployment.kubernetes.io/revision": str(revision),
                "mlship/by": "bob@ci",
            },
            "managedFields": [
                {"manager": "mlship", "operation": "Apply", "time": "2026-01-05T11:55:00Z"},
                {"manager": "kubectl", "operation": "Update", "time": "2026-01-05T11:59:00Z"},
            ],
        },
        "spec": {"replicas": 2, "template": template(image)},
        "status": {
            "observedGeneration": 5,
            "conditions": [
                {
                    "type": "Progressing",
                    "status": "False" if progressing.endswith("Exceeded") else "True",
                    "reason": progressing,
                    "lastUpdateTime": "2026-01-05T11:50:00Z",
                }
            ],
            **counts,
            **status,
        },
    }


def snapshot(*more, live=None):
    sets = [replica_set(1, "iris:1"), replica_set(2, "iris:2", by="bob@ci")]
    pods = [pod(2, "iris-2-aaaaa"), pod(2, "iris-2-bbbbb")]
    return Snapshot.of("iris", [live or deployment(), *sets, *pods, *more], NOW)


def test_status_of_what_serves():
    found = status.of(snapshot(), [], [], [])
    assert found.serves and found.ready == 2 and found.autoscaler is None
    assert (found.rollout.state, found.rollout.by) == ("done", "bob@ci")
    assert found.rollout.when == "2026-01-05T11:55:00Z"
    assert status.digests(found.snapshot) == [f"sha256:{'ab' * 32}"]


@pytest.mark.parametrize("name", ["dev[/x]", "team[blue]"])
def test_names_in_a_status_are_no_markup(capsys, name):
    way = Access(Cluster(name, "dev", "https://[fd00:100::1]:6443", "ann"), TARGET, None)
    there = Deployed(SimpleNamespace(), way, None)
    console.out.print(status_view.picture(there, status.of(snapshot(), [], [], [])))
    assert f"context     {name} (https://[fd00:100::1]:6443)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("progressing", "certain", "state"),
    [
        ("ReplicaSetUpdated", None, "rolling"),
        ("ReplicaSetUpdated", False, "rolling"),
        ("ReplicaSetUpdated", True, "failed"),
        ("ProgressDeadlineExceeded", None, "failed"),
        # It was complete once: a pod has failed since.
        ("NewReplicaSetAvailable", True, "done"),
    ],
)
def test_states_of_a_rollout(progressing, certain, state):
    live = deployment(progressing=progressing, availableReplicas=1, readyReplicas=1)
    troubles = [] if certain is None else [Trouble("probe", "x", (), "", certain=certain)]
    found = status.of(snapshot(live=live), [], troubles, [])
    assert found.rollout.state == state and not found.serves


def test_revisions_newest_last():
    found = revisions.revisions(snapshot())
    assert [(r.number, r.image, r.by, r.pods, r.current) for r in found] == [
        (1, "iris:1", "ann", 0, False), (2, "iris:2", "bob@ci", 2, True),
    ]  # fmt: skip
    assert [r.action for r in found] == ["deploy", "deploy"]
    assert [r.when for r in found] == ["2026-01-01T10:00:00Z", "2026-01-05T11:55:00Z"]


def test_what_pods_can_not_start_without():
    assert revisions.needs(replica_set(1, "iris:1")) == {
        "configmap": {"iris-1", "projected"},
        "secret": {"token", "certificate"},
    }


class Asking:
    """A runner that knows which objects there are."""

    def __init__(self, *there, code=0):
        self.there, self.code = there, code

    def ask(self, command, timeout=60):
        kind, names = command.argv[6], command.argv[7:-3]
        found = [f"{kind}/{name}" for name in names if name in self.there]
        return Result(self.code, "".join(f"{line}\n" for line in found), "")


def deployed(runner):
    return SimpleNamespace(name="iris", target=TARGET, runner=runner)


def test_the_way_back_is_to_the_revision_before():
    runner = Asking("iris-1", "projected", "token", "certificate")
    way = rollingback.find(deployed(runner), snapshot(), None)
    assert (way.current, way.wanted, way.image_now, way.image_then) == (2, 1, "iris:2", "iris:1")
    (command,) = rollingback.steps(deployed(runner), snapshot(), way, "eva@laptop")
    (applied,) = [json.loads(text) for text in command.stdin.split("\n---\n")]
    assert command.argv[5:] == (
        "apply", "--server-side", "--field-manager=mlship", LIMIT, "--force-conflicts", "-f", "-",
    )  # fmt: skip
    assert applied["spec"]["template"]["spec"]["containers"][0]["image"] == "iris:1"
    assert "pod-template-hash" not in applied["spec"]["template"]["metadata"]["labels"]
    assert applied["metadata"]["annotations"] == {
        "mlship/by": "eva@laptop",
        "kubernetes.io/change-cause": "mlship rollback to revision 1 (iris:1) by eva@laptop",
    }
    assert "replicas" not in applied["spec"]  # mlship does not own the count


def test_the_way_back_takes_over_first_what_others_added_to_the_pods():
    env = {"f:spec": {"f:template": {"f:spec": {"f:containers": {}}}}}
    theirs = {"manager": "kubectl-set", "operation": "Update", "fieldsV1": env}
    found = snapshot()
    found.deployment["metadata"]["managedFields"] = [theirs]
    way = rollingback.find(deployed(Asking(code=1)), found, 1)
    for commands in (
        rollingback.steps(deployed(None), found, way, "eva@laptop"),
        rollingback.back(deployed(None), found, way.replica_set),
    ):
        first, second = (command.argv[5:] for command in commands)
        assert first[:6] == (
            "patch", "deployment", "iris", "--type=json", "--field-manager=mlship", LIMIT,
        )  # fmt: skip
        _, owners = json.loads(first[6].removeprefix("--patch="))
        assert [each["manager"] for each in owners["value"]] == ["mlship"]
        assert second[:3] == ("apply", "--server-side", "--field-manager=mlship")


def test_pods_that_something_else_changed_are_not_back():
    old = replica_set(1, "iris:1")
    pods = copy.deepcopy(old["spec"]["template"])
    pods["metadata"]["labels"].pop("pod-template-hash", None)
    live = deployment()
    live["spec"]["template"] = pods
    rollingback.require_exact(deployed(None), snapshot(live=live), old)
    pods["spec"]["containers"][0]["image"] = "mirror/iris:1"
    with pytest.raises(ClusterError, match="The pods are not those of revision 1") as refused:
        rollingback.require_exact(deployed(None), snapshot(live=live), old)
    assert refused.value.why == ".spec.template.spec.containers[0].image differs"
    assert "get deployment iris --output=yaml --show-managed-fields" in refused.value.next


def test_no_way_back_without_what_the_pods_read():
    with pytest.raises(ClusterError) as refused:
        rollingback.find(deployed(Asking("iris-1", "projected", "token")), snapshot(), 1)
    assert refused.value.why == "Its pods read what is gone: secret certificate."
    assert refused.value.next == "mlship deploy --image iris:1"
    # Where one may not look, the rollout itself tells.
    assert rollingback.find(deployed(Asking(code=1)), snapshot(), 1).wanted == 1


def test_unknown_revisions_are_answered_with_the_known():
    with pytest.raises(ClusterError) as unknown:
        rollingback.find(deployed(Asking()), snapshot(), 7)
    assert unknown.value.why == "1: iris:1\n2: iris:2 (current)"
    with pytest.raises(ClusterError, match="is the current one"):
        rollingback.find(deployed(Asking()), snapshot(), 2)
    renumbered = [replica_set(2, "iris:2"), replica_set(3, "iris:1", former="1"),
                  replica_set(4, "iris:4")]  # fmt: skip
    live = deployment(revision=4, image="iris:4")
    with pytest.raises(ClusterError) as moved:
        rollingback.find(deployed(Asking()), Snapshot.of("iris", [live, *renumbered], NOW), 1)
    assert moved.value.next == "mlship rollback --to 3"
    alone = Snapshot.of("iris", [live, renumbered[-1]], NOW)
    with pytest.raises(ClusterError, match="no revision before the current"):
        rollingback.find(deployed(Asking()), alone, None)


class Recording(Asking):
    """A runner that keeps what it was asked."""

    def __init__(self, code=0):
        super().__init__(code=code)
        self.asked = []

    def ask(self, command, timeout=60):
        self.asked.append(command.argv[5:])
        return Result(self.code, "", "")


LOOP = Trouble("crash-loop", "x", (), "")


def test_the_revision_that_failed_is_marked():
    before = Snapshot.of("iris", [deployment(revision=1), replica_set(1, "iris:1")], NOW)
    failed = Moment(snapshot(), "failed", (LOOP,), 9)
    runner = Recording()
    assert rollingback.mark(deployed(runner), before, failed)
    assert rollingback.mark(deployed(runner), before, replace(failed, troubles=()))
    name = replica_set(2, "iris:2")["metadata"]["name"]
    assert runner.asked == [
        ("annotate", "replicaset", name, f"mlship/failed={cause}", "--overwrite")
        for cause in ("crash-loop", "late")
    ]
    assert not rollingback.mark(deployed(Recording(code=1)), before, failed), "one may not"


class Slow(Recording):
    """A runner whose kubectl does not answer in time."""

    def ask(self, command, timeout=60):
        self.asked.append(timeout)
        raise ToolFailed(f"kubectl did not answer within {timeout} s")


def test_a_mark_is_not_worth_the_way_back():
    before = Snapshot.of("iris", [deployment(revision=1), replica_set(1, "iris:1")], NOW)
    found, runner = snapshot(), Slow()
    assert not rollingback.mark(deployed(runner), before, Moment(found, "failed", (LOOP,), 9))
    found.newest["metadata"].setdefault("annotations", {})["mlship/failed"] = "probe"
    rollingback.unmark(deployed(runner), found)
    assert runner.asked == [10, 10]


def test_a_rollback_where_the_cluster_does_not_answer():
    with pytest.raises(ClusterError, match="does not answer"):
        rollingback.find(deployed(Slow()), snapshot(), 1)


def test_what_served_before_is_not_marked():
    """The same revision was applied again, or the controller has not made the new one yet."""
    runner = Recording()
    again = Moment(snapshot(), "late", (), 9)
    assert not rollingback.mark(deployed(runner), snapshot(), again)
    before = Snapshot.of("iris", [deployment(revision=1), replica_set(1, "iris:1")], NOW)
    unseen = replace(again, snapshot=snapshot(live=deployment(observedGeneration=4)))
    assert not rollingback.mark(deployed(runner), before, unseen)
    assert runner.asked == []


@pytest.mark.parametrize("where", ["newest", "deployment"])
def test_the_mark_goes_when_the_revision_serves(where):
    runner, found = Recording(), snapshot()
    rollingback.unmark(deployed(runner), found)
    assert runner.asked == []
    getattr(found, where)["metadata"].setdefault("annotations", {})["mlship/failed"] = "probe"
    rollingback.unmark(deployed(runner), found)
    (argv,) = runner.asked
    assert argv[:2] == ("annotate", "deployment/iris") and argv[-1] == "mlship/failed-"
    found.deployment["spec"]["replicas"] = 0
    runner = Recording()
    rollingback.unmark(
        deployed(runner), Snapshot.of("iris", [found.deployment, *found.replica_sets])
    )
    assert runner.asked == [], "without pods, nothing serves"


def test_a_rollback_that_failed_returns_to_what_served():
    whole = snapshot()
    assert rollingback.served_before(whole, whole) is whole.newest
    broken = snapshot(live=deployment(availableReplicas=1, readyReplicas=1))
    assert rollingback.served_before(broken, broken) == {}
    serving = replica_set(1, "iris:1") | {"status": {"availableReplicas": 1}}
    target = replica_set(2, "iris:2") | {"status": {"availableReplicas": 1}}
    now = Snapshot.of("iris", [deployment(), serving, target], NOW)
    assert (
        rollingback.served_before(broken, now)["metadata"]["name"] == (serving["metadata"]["name"])
    ), "not to the one that has just failed"


class Pods:
    """A runner that knows pods, and counts what else is asked of it."""

    def __init__(self, *pods, code=0):
        self.pods, self.code, self.forwards = pods, code, 0

    def ask(self, command, timeout=60):
        return Result(self.code, json.dumps({"kind": "List", "items": self.pods}), "no")

    @contextlib.contextmanager
    def background(self, command):
        self.forwards += 1
        yield iter(["error: no"])


def a_pod(ready, **metadata):
    return {"metadata": {"name": "iris-1", **metadata},
            "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("pods", "why", "advice"),
    [([], "It has no pod.", "mlship scale N"),
     ([a_pod(False)], "1 pods, none of them ready.", "mlship status"),
     ([a_pod(True, deletionTimestamp="now")], "It has no pod.", "mlship scale N")],
)  # fmt: skip
def test_without_a_pod_nobody_is_asked(pods, why, advice):
    runner = Pods(*pods)
    with pytest.raises(ClusterError) as refused:
        answering.prove(runner, TARGET, "iris", {})
    error = refused.value
    assert (error.what, error.why, error.next) == ("No pod of iris serves", why, advice)
    assert runner.forwards == 0


@pytest.mark.parametrize("runner", [Pods(a_pod(True)), Pods(code=1)])
def test_with_a_pod_or_where_one_may_not_look_it_is_asked(runner, monkeypatch):
    monkeypatch.setattr(answering.time, "sleep", lambda seconds: None)
    with pytest.raises(ClusterError):
        answering.prove(runner, TARGET, "iris", {})
    assert runner.forwards == 3


# Scaling


def test_scaling_waits_for_exactly_the_count():
    found = snapshot()
    assert scaling.is_reached(found, 2)
    assert not scaling.is_reached(found, 3)
    late = snapshot(live=deployment(replicas=3))
    assert not scaling.is_reached(late, 2)  # one too many is still there
    unseen = snapshot(live=deployment(observedGeneration=4))
    assert not scaling.is_reached(unseen, 2)


def test_an_autoscaler_goes_before_the_count_is_set():
    ours = hpa(labels={"app.kubernetes.io/managed-by": "mlship"})
    commands = scaling.steps(deployed(None), [ours], 0)
    assert [command.argv[5:] for command in commands] == [
        ("delete", "horizontalpodautoscaler.autoscaling", "iris", "--ignore-not-found",
         "--cascade=foreground", "--timeout=60s", LIMIT),
        ("scale", "deployment/iris", "--replicas=0"),
    ]  # fmt: skip


def test_whose_autoscaler(monkeypatch):
    monkeypatch.setattr(kinds, "served", lambda runner, target: set())
    ours = hpa(labels={"app.kubernetes.io/managed-by": "mlship"})

    def standing(*told):
        answer = Result(0, json.dumps({"kind": "List", "items": told}), "")
        runner = SimpleNamespace(ask=lambda command, timeout: answer)
        return autoscaling.standing(runner, TARGET, snapshot())

    assert standing(ours) == [ours]
    assert autoscaling.require_ours([ours], TARGET) == [ours]
    assert standing(hpa(target="other")) == []
    kedas = hpa(owners=[{"kind": "ScaledObject", "controller": True, "uid": "1"}])
    assert standing(kedas) == []
    nothing = Snapshot.of("iris", [])
    assert autoscaling.standing(None, TARGET, nothing) == [], "there is no Deployment"
    with pytest.raises(ClusterError, match="mlship did not make it"):
        autoscaling.require_ours(standing(ours, hpa()), TARGET)


# Logs


def test_durations():
    assert [logs.duration(text) for text in ("10m", "1h30m", "45s", "2d")] == [
        "10m", "1h30m", "45s", "48h",
    ]  # fmt: skip
    for text in ("", "10", "m", "10 m", "-5m", "1d2h"):
        with pytest.raises(UsageError):
            logs.duration(text)


def status_of(name, state, restarts=0, **more):
    return {"name": name, "state": state, "restartCount": restarts, **more}


def test_sources_are_the_servers_or_what_runs_before_them():
    running, waiting = {"running": {}}, {"waiting": {"reason": "PodInitializing"}}
    pods = [
        {"metadata": {"name": "b"}, "status": {"containerStatuses": [
            status_of("server", running, 2), status_of("proxy", running)]}},
        {"metadata": {"name": "a"}, "status": {
            "containerStatuses": [status_of("server", waiting)],
            "initContainerStatuses": [status_of("model", running)]}},
        {"metadata": {"name": "crashing"}, "status": {"containerStatuses": [
            status_of("server", {"waiting": {"reason": "CrashLoopBackOff"}}, 4,
                      lastState={"terminated": {}})]}},
        {"metadata": {"name": "new"}, "status": {}},
    ]  # fmt: skip
    assert logs.sources(pods) == [
        Source("a", "model", 0), Source("b", "server", 2), Source("crashing", "server", 4),
    ]  # fmt: skip
    assert logs.running(pods) == {
        Source("a", "model", 0), Source("b", "server", 2), Source("b", "proxy", 0),
    }  # fmt: skip


class Telling:
    """A runner whose pods have logs."""

    def __init__(self, **said):
        self.said = said

    def ask(self, command, timeout=60):
        return self.said[command.argv[6]]


def test_logs_are_merged_by_their_times():
    first = "2026-01-05T10:00:00.100000000Z one\n2026-01-05T10:00:00.300000000Z three\u2028x\n"
    second = "2026-01-05T11:00:00.200000000+01:00 two\n"  # a node with a time zone
    runner = Telling(a=Result(0, first, ""), b=Result(0, second, ""), c=Result(1, "", "x\nno\n"))
    found, failures = logs.read(runner, TARGET, [Source(p, "server") for p in "abc"], logs.Asked())
    assert [line.text for line in found] == ["one", "two", "three\u2028x"]
    assert failures == ["c: no"]
    with pytest.raises(ClusterError, match="No log can be read"):
        logs.read(runner, TARGET, [Source("c", "server")], logs.Asked())


ACCESS = (
    '{"time": "2026-01-05T10:00:00+0000", "level": "INFO", "logger": "app.access", '
    '"message": "POST /predict 200", "request_id": "abc", "method": "POST", "path": "/predict", '
    '"status": 200, "duration_ms": 1.5}'
)


def test_a_record_says_each_thing_once():
    found = logs.record(ACCESS)
    assert (found.level, found.message, found.request_id) == ("INFO", "POST /predict 200", "abc")
    assert found.fields == {"duration_ms": 1.5}
    for text in ("plain", "{not json", '["message"]', '{"other": 1}', "[" * 100_000):
        assert logs.record(text) is None


def shown(text, time="2026-01-05T10:00:00.123456789Z", now=NOW):
    line = Line(Source("iris-7f6d6cf79d-6vlgr", "server"), time, text)
    console = Console(width=200, color_system=None, highlight=False, soft_wrap=True)
    with console.capture() as captured:
        console.print(logs_view.picture(line, "cyan", now))
    return captured.get()


def test_what_a_line_looks_like():
    assert shown(ACCESS) == (
        "6vlgr 10:00:00.123 INFO    POST /predict 200  duration_ms=1.5  request_id=abc\n"
    )
    assert shown("a [bold]plain[/bold] line") == "6vlgr 10:00:00.123 a [bold]plain[/bold] line\n"
    assert shown("x\x1b[2J") == "6vlgr 10:00:00.123 x\\x1b[2J\n"
    assert shown("x", now=NOW + timedelta(days=1)) == "6vlgr 2026-01-05 10:00:00.123 x\n"
    trace = '{"level": "ERROR", "message": "failed", "exc_info": "Traceback\\n  ValueError: x"}'
    assert shown(trace) == (
        "6vlgr 10:00:00.123 ERROR   failed\n    Traceback\n      ValueError: x\n"
    )


def test_lines_as_json():
    source = Source("p", "server")
    found = logs.as_values(Line(source, "T", ACCESS))
    assert (found["pod"], found["container"], found["time"]) == ("p", "server", "T")
    assert found["message"] == "POST /predict 200" and found["duration_ms"] == 1.5
    assert logs.as_values(Line(source, "T", "plain")) == {
        "pod": "p", "container": "server", "message": "plain", "time": "T",
    }  # fmt: skip


class Cut:
    """A runner whose log stream is cut off once, and whose second pod comes late."""

    def __init__(self):
        self.asked, self.looks = [], 0

    def ask(self, command, timeout=60):
        self.looks += 1
        names = ["iris-a"] if self.looks == 1 else ["iris-a", "iris-b"]
        state = [status_of("server", {"running": {}})]
        items = [
            {"metadata": {"name": name}, "status": {"containerStatuses": state}} for name in names
        ]
        return Result(0, json.dumps({"kind": "List", "items": items}), "")

    @contextlib.contextmanager
    def background(self, command):
        self.asked.append(command.argv[5:])
        pod, again = command.argv[6], "--since-time" in command.argv[-1]
        first = [f"2026-01-05T10:00:0{n}.000000000Z {pod} {n}" for n in (1, 2)]
        more = [f"2026-01-05T10:00:03.000000000Z {pod} 3"]
        yield iter(first[1:] + more if again else first)


def test_following_goes_on_where_a_stream_was_cut_off(monkeypatch):
    monkeypatch.setattr(following, "_EVERY_SECONDS", 0.05)
    runner, notes = Cut(), []
    asked = logs.Asked(tail=5, since="1h")
    stream = following.follow(runner, TARGET, "iris", asked, notes.append)
    found = [next(stream).text for _ in range(6)]
    stream.close()
    assert sorted(found) == ["iris-a 1", "iris-a 2", "iris-a 3", "iris-b 1", "iris-b 2", "iris-b 3"]
    ofs = {pod: [a for a in runner.asked if a[1] == pod] for pod in ("iris-a", "iris-b")}
    start = ("--container", "server", "--timestamps", "--follow")
    assert ofs["iris-a"][0] == ("logs", "iris-a", *start, "--tail=5", "--since=1h")
    assert ofs["iris-a"][1] == (
        "logs", "iris-a", *start, "--since-time=2026-01-05T10:00:02.000000000Z",
    )  # fmt: skip
    assert ofs["iris-b"][0] == ("logs", "iris-b", *start)  # all that it wrote: it came later
    assert notes[0] == "iris-b: follows now"


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("bind: address already in use", "Port 8080 is in use here"),
        ("bind: permission denied", "Port 8080 can't be used here"),
    ],
)
def test_a_port_that_is_taken_is_not_the_clusters_fault(said, what):
    class Busy:
        @contextlib.contextmanager
        def background(self, command):
            yield iter([f"Unable to listen on port 8080: {said}"])

    with pytest.raises(ClusterError) as caught, answering.tunnel(Busy(), TARGET, "iris", 8080):
        pass
    assert caught.value.what == what and said in caught.value.why
    assert "--port" in caught.value.next


# Taking it away


def test_what_goes_what_stays_and_in_which_order():
    live = deployment() | {"metadata": {"name": "iris"}}
    service_ = {"apiVersion": "v1"} | service()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made"}}
    owned = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs",
             "ownerReferences": [{"controller": True, "uid": "1"}]}}  # fmt: skip
    parent = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "iris-mlship"}}
    found = undeploying.of(parent, [service_, live, hpa(), secret, owned, live, parent])
    assert [item["kind"] for item in found.objects] == [
        "HorizontalPodAutoscaler", "Deployment", "Service",
    ]  # fmt: skip
    assert found.kept == [
        "persistentvolumeclaim/models", "secret/certificate", "secret/made", "secret/registry",
        "secret/token",
    ]  # fmt: skip
    access = Access(Cluster("dev", "dev", "https://x", "ann"), TARGET, None)
    commands = [command.argv[5:] for command in undeploying.steps(found, access)]
    gone = ("--ignore-not-found", "--cascade=foreground", "--timeout=600s", LIMIT)
    assert commands == [
        ("delete", "horizontalpodautoscaler.autoscaling", "iris", *gone),
        ("delete", "deployment.apps", "iris", *gone),
        ("delete", "service", "iris", *gone),
        ("delete", "configmap", "iris-mlship", "--ignore-not-found", "--wait=false", LIMIT),
    ]
    assert undeploying.of({}, []).is_empty and not found.is_empty
