"""What tests of `mlship deploy` look at, of the cluster and of the program."""

import os
import re
import signal
import subprocess

from tests.support.fake_cluster import node
from tests.support.projects import MLSHIP

ONE, TWO = "r.example.com/team/iris:1", "r.example.com/team/iris:2"
WRITES = re.compile(r"(POST|PUT|PATCH|DELETE) (?!.*dryRun=All)(?!.*selfsubject)")


def writes(cluster, since=0):
    """Return the requests that change something."""
    return [r for r in cluster.requests[since:] if WRITES.match(r)]


def image_of(cluster, namespace="default"):
    found = cluster.get("Deployment", "iris", namespace)
    return found["spec"]["template"]["spec"]["containers"][0]["image"]


def owners(cluster, field="f:replicas"):
    fields = cluster.get("Deployment", "iris")["metadata"]["managedFields"]
    return {m["manager"] for m in fields if field in m["fieldsV1"].get("f:spec", {})}


def kept(cluster):
    """Return what is in the project's namespace, with all that would show a change."""
    kinds = ("Deployment", "ReplicaSet", "Service", "ConfigMap", "ServiceAccount",
             "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy")  # fmt: skip
    return {
        (kind, o["metadata"]["name"]): (o["metadata"].get("labels"), o.get("spec"), o.get("data"))
        for kind in kinds
        for o in cluster.objects(kind, "default")
    }


def counts(cluster, since=0):
    """Return all counts of pods that the Deployment asked for."""
    return [
        each["spec"]["replicas"]
        for _, _, kind, each in cluster.store.history[since:]
        if kind == "deployments.apps"
    ]


def pods(cluster):
    return sorted(p["metadata"]["name"] for p in cluster.objects("Pod", "default"))


def until_watched(cluster):
    """Wait until the rollout was looked at: all was applied, and it is known what."""
    since = len(cluster.requests)
    cluster.wait(lambda: " ".join(cluster.requests[since:]).count("/events?") > 1)


def started(project, *argv, image=ONE):
    return subprocess.Popen(
        [*MLSHIP, "deploy", "--image", image, "--no-image-check", *argv],
        cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def stop(process, number):
    """Do as a terminal does on Ctrl-C, or as a supervisor does."""
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert "Traceback" not in err
    return out, err


def having(*images):
    found = node()
    found["status"]["images"] = [{"names": [image], "sizeBytes": 1} for image in images]
    return found
