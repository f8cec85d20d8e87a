"""What may happen while mlship waits for a rollout, and what it does when one fails."""
# ruff: noqa: F401, F811 - the fixtures of a project that is deployed

import json
import os
import subprocess
import threading
from dataclasses import replace

import pytest

from mlship.commands import kubectl as commands
from tests.integration.test_day_two import (
    MLSHIP,
    NAMESPACE,
    apply,
    cluster,
    deployed,
    kubectl,
    manifest,
    project,
    service,
    settled,
    told,
)
from tests.support.fake_cluster import scenarios
from tests.support.fake_cluster.controllers import reference
from tests.support.fake_cluster.scenario import Scenario
from tests.support.fake_cluster.scenarios import evicted
from tests.support.projects import mlship

IMAGE = "registry.example.com/team/iris"
TARGET = commands.Target("kubectl", None, NAMESPACE)


def history(project):
    return {r["number"]: (r["image"], r["failed"]) for r in told("history", cwd=project)}


def started(*argv, cwd):
    return subprocess.Popen(
        [*MLSHIP, *argv], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def second(deployed, cluster):
    """The project, in its second revision."""
    apply(*manifest("2", config="iris-2"))
    settled(cluster)
    return deployed


def wait_for_new_pods(cluster, image):
    cluster.wait(
        lambda: any(
            pod["spec"]["containers"][0]["image"].endswith(image)
            for pod in cluster.objects("Pod", NAMESPACE)
        )
    )


# Rollbacks


def test_rollback_goes_past_the_revision_that_failed(second, cluster):
    """As deploy leaves it when it went back by itself: 3 failed, 4 is what 2 was."""
    cluster.play("iris:3", scenarios.image_not_found())
    apply(*manifest("3", config="iris-3"))
    wait_for_new_pods(cluster, "iris:3")
    bad = next(
        s["metadata"]["name"]
        for s in cluster.objects("ReplicaSet", NAMESPACE)
        if s["spec"]["template"]["spec"]["containers"][0]["image"].endswith("iris:3")
    )
    subprocess.run(commands.mark_failed(TARGET, bad, "image-pull").argv, check=True)
    apply(*manifest("2", config="iris-2"))
    settled(cluster)
    assert history(second) == {
        1: (f"{IMAGE}:1", ""), 3: (f"{IMAGE}:3", "image-pull"), 4: (f"{IMAGE}:2", ""),
    }  # fmt: skip
    text = mlship("history", cwd=second, env={**os.environ, "COLUMNS": "150"}).stdout
    assert "deploy, failed: image-pull" in text
    found = told("rollback", "--yes", cwd=second)
    assert found["to"]["revision"] == 1 and found["answers"]
    # By its number one can go there all the same, and is asked first.
    mlship("scale", 2, "--yes", cwd=second)
    asked = mlship("rollback", "--to", 3, cwd=second, check=False)
    assert asked.returncode == 2 and "the rollout of revision 3 failed (image-pull)" in (
        asked.stderr.lower()
    )


def test_rollback_where_all_that_is_older_failed(deployed, cluster):
    (first,) = cluster.objects("ReplicaSet", NAMESPACE)
    apply(*manifest("2"))
    settled(cluster)
    subprocess.run(
        commands.mark_failed(TARGET, first["metadata"]["name"], "probe").argv, check=True
    )
    done = mlship("rollback", "--yes", cwd=deployed, check=False)
    assert done.returncode == 7
    assert "iris has no older revision whose rollout did not fail" in done.stderr
    assert f"  1: {IMAGE}:1 (failed: probe)" in done.stderr


def test_a_rollback_that_fails_is_undone(second, cluster):
    cluster.play("iris:1", scenarios.image_not_found())
    done = mlship("rollback", "--yes", "--json", cwd=second, check=False)
    assert done.returncode == 7
    outcome = json.loads(done.stdout)
    assert outcome["ok"] is False and outcome["answers"] is False
    assert [trouble["cause"] for trouble in outcome["troubles"]] == ["image-pull"]
    assert outcome["returned"] == {
        "done": True, "revision": 4, "image": f"{IMAGE}:2", "answers": True,
    }  # fmt: skip
    assert f"Not rolled back; {IMAGE}:2 is back as revision 4, and answers" in done.stderr
    assert "--no-rollback" not in done.stderr
    assert history(second) == {3: (f"{IMAGE}:1", "image-pull"), 4: (f"{IMAGE}:2", "")}
    live = cluster.get("Deployment", "iris", NAMESPACE)
    assert "mlship/failed" not in live["metadata"]["annotations"]
    # When it serves later, the mark goes.
    cluster.play("iris:1", scenarios.healthy())
    assert told("rollback", "--to", 3, "--yes", cwd=second)["ok"]
    assert history(second) == {4: (f"{IMAGE}:2", ""), 5: (f"{IMAGE}:1", "")}


def template(cluster):
    return cluster.get("Deployment", "iris", NAMESPACE)["spec"]["template"]


def test_a_rollback_takes_out_what_others_added(second, cluster):
    """An apply alone leaves it: the pods would stay as they are, and nothing would roll."""
    whole = template(cluster)
    kubectl("set", "env", "deployment/iris", "BAD=1")
    settled(cluster)  # revision 3, however slow the controller is
    kubectl("rollout", "restart", "deployment/iris")
    settled(cluster)
    since = len(cluster.store.history)
    found = told("rollback", "--yes", "--to", 2, cwd=second)
    assert found["ok"] and found["revision"] == 5
    assert template(cluster) == whole
    seen = {
        json.dumps(each["spec"]["template"], sort_keys=True)
        for _, _, kind, each in cluster.store.history[since:]
        if kind == "deployments.apps"
    }
    assert len(seen) == 2, "one rollout, not one for each manager"
    live = json.loads(kubectl("get", "deployment", "iris", "--output", "json",
                              "--show-managed-fields"))  # fmt: skip
    entries = [
        (entry["manager"], entry["operation"])
        for entry in live["metadata"]["managedFields"]
        if "f:template" in entry["fieldsV1"].get("f:spec", {})
    ]
    assert entries == [("mlship", "Apply")]
    apply(*manifest("3", config="iris-2"))  # the next deployment meets no conflict
    settled(cluster)


def test_a_rollback_after_a_restart_goes_to_other_pods(second, cluster):
    kubectl("rollout", "restart", "deployment/iris")
    settled(cluster)
    found = told("rollback", "--yes", cwd=second)
    assert found["to"] == {"revision": 1, "image": f"{IMAGE}:1"} and found["answers"]
    assert "annotations" not in template(cluster)["metadata"]


def test_a_rollback_whose_pods_something_changes_is_not_done(second, cluster):
    """A webhook that adds to whatever is applied."""

    def admit(resource, obj):
        if resource.kind == "Deployment":
            obj["spec"]["template"]["spec"]["hostUsers"] = False

    cluster.store.admission.append(admit)
    done = mlship("rollback", "--yes", "--json", cwd=second, check=False)
    assert done.returncode == 7 and json.loads(done.stdout)["ok"] is False
    assert "The pods are not those of revision 1" in done.stderr
    assert ".spec.template.spec.hostUsers differs" in done.stderr


def test_a_rollback_that_failed_takes_out_what_others_added(second, cluster):
    """What breaks the pods is what somebody set: revision 2 serves still, and comes back whole."""
    whole = template(cluster)
    cluster.play("iris:2", scenarios.image_not_found())
    kubectl("set", "env", "deployment/iris", "BAD=1")
    cluster.wait(lambda: len(cluster.objects("ReplicaSet", NAMESPACE)) == 3)
    cluster.play("iris:1", scenarios.image_not_found())
    done = mlship("rollback", "--to", 1, "--yes", "--json", cwd=second, check=False)
    assert done.returncode == 7 and json.loads(done.stdout)["returned"]["done"] is True
    assert template(cluster) == whole


def test_a_rollback_without_the_right_to_mark(second, cluster):
    cluster.forbid("patch", "replicasets")
    cluster.play("iris:1", scenarios.image_not_found())
    done = mlship("rollback", "--yes", "--json", cwd=second, check=False)
    assert json.loads(done.stdout)["returned"]["answers"] is True


def test_a_rollback_without_pods_asks_nobody(second, cluster):
    mlship("scale", 0, "--yes", cwd=second)
    found = told("rollback", "--yes", cwd=second)
    assert (found["ok"], found["answers"], found["replicas"]) == (True, False, 0)
    assert told("status", cwd=second)["rollout"]["state"] == "done"


# Waiting


def test_a_slow_rollback_is_no_failed_one(second, cluster):
    """Four pods, one after another, in more time than the deadline is for each."""
    rolling = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    apply(*manifest("2", config="iris-2", progressDeadlineSeconds=40, strategy=rolling))
    mlship("scale", 4, "--yes", cwd=second)
    cluster.play("iris:1", scenarios.slow_start(25))
    found = told("rollback", "--yes", cwd=second)
    assert found["ok"] and found["seconds"] * cluster.kubelet.speed > 80


def test_a_timeout_goes_beyond_the_deadline(second, cluster):
    apply(*manifest("2", config="iris-2", progressDeadlineSeconds=10))
    cluster.play("iris:1", scenarios.slow_start(60))
    found = told("rollback", "--timeout", "120", "--yes", cwd=second)
    assert found["ok"] and found["seconds"] * cluster.kubelet.speed > 30


def test_the_deployment_is_deleted_meanwhile(second, cluster):
    cluster.play("iris:1", scenarios.slow_start(2000))
    with started("rollback", "--yes", cwd=second) as process:
        wait_for_new_pods(cluster, "iris:1")
        kubectl("delete", "deployment", "iris")
        _, err = process.communicate(timeout=15)
    assert process.returncode == 7
    assert "The Deployment iris is gone: somebody removed it meanwhile" in err
    assert "Next: mlship deploy brings it back" in err


def test_the_rights_are_taken_away_meanwhile(second, cluster):
    cluster.play("iris:1", scenarios.slow_start(2000))
    with started("rollback", "--yes", cwd=second) as process:
        wait_for_new_pods(cluster, "iris:1")
        cluster.forbid("list", "deployments")
        _, err = process.communicate(timeout=15)
    assert process.returncode == 7
    assert "ann may not list deployments.apps in namespace ml" in err
    assert "The rollout of iris goes on without mlship." in err


def test_deployments_that_are_not_told_of_for_a_moment_are_not_gone(second, cluster):
    """kubectl prints the pods all the same, when the server is too busy for the Deployments."""
    cluster.play("iris:1", scenarios.slow_start(60))
    with started("rollback", "--yes", "--json", cwd=second) as process:
        wait_for_new_pods(cluster, "iris:1")
        cluster.fail("list", "deployments", 429, "TooManyRequests", "too many requests", 2)
        out, err = process.communicate(timeout=60)
    assert json.loads(out)["ok"] is True, err


def test_a_cluster_that_does_not_answer_is_shown(second, cluster):
    cluster.play("iris:1", scenarios.slow_start(60))
    with started("rollback", "--yes", cwd=second) as process:
        wait_for_new_pods(cluster, "iris:1")
        cluster.down()
        again = threading.Timer(14, cluster.up)
        again.start()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.count("s  the cluster has not answered for 1") == 1, out


# Pods that ended long ago


def throw_out(cluster, count=2):
    """Leave pods of the newest revision behind that their node threw out."""
    newest = max(
        cluster.objects("ReplicaSet", NAMESPACE),
        key=lambda s: int(s["metadata"]["annotations"]["deployment.kubernetes.io/revision"]),
    )
    gone = evicted().steps[-1]
    cluster.play("thrown-out", Scenario("thrown out", (replace(gone, at=0),)))
    names = [f"iris-thrown-out-{n}" for n in range(count)]
    for name in names:
        owner = reference(newest)
        container = {"name": "server", "image": "thrown-out:1"}
        cluster.put({
            "apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]},
            "metadata": {"name": name, "namespace": NAMESPACE, "ownerReferences": [owner],
                         "labels": newest["spec"]["template"]["metadata"]["labels"]},
            "status": {"phase": "Failed"},
        })  # fmt: skip
    cluster.wait(
        lambda: all(
            cluster.get("Pod", name, NAMESPACE)["status"].get("reason") == "Evicted"
            for name in names
        )
    )


def test_what_was_evicted_before_does_not_fail_a_scaling(deployed, cluster):
    throw_out(cluster)
    cluster.play("iris:1", scenarios.slow_start(20))
    assert told("scale", "3", "--yes", cwd=deployed)["ready"] == 3


def test_what_was_evicted_before_does_not_fail_a_rollback(deployed, cluster):
    throw_out(cluster)
    apply(*manifest("2", config="iris-2"))
    settled(cluster)
    cluster.play("iris:1", scenarios.slow_start(20))
    assert told("rollback", "--yes", cwd=deployed)["answers"]
