"""What one sees of a rollout: states as `kubectl get pods` prints them, and what is news."""

from datetime import UTC, datetime, timedelta

import pytest

from mlship.rollout import progress
from mlship.rollout.snapshot import REVISION, Snapshot
from tests.support.rollouts import moment

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNNING = {"running": {"startedAt": "2026-01-01T11:00:00Z"}}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def ended(code, reason="", **more):
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason else {}), **more}}


def container(state, name="server", ready=False, restarts=0, **more):
    return {"name": name, "state": state, "ready": ready, "restartCount": restarts, **more}


def pod(*containers, phase="Running", inits=(), sidecars=(), name="iris-a", of="s2", **status):
    names = [c["name"] for c in inits]
    return {
        "kind": "Pod",
        "metadata": {
            "name": name, "uid": f"u-{name}", "creationTimestamp": "2026-01-01T11:57:00Z",
            "ownerReferences": [{"uid": of, "controller": True}],
        },
        "spec": {
            "containers": [{"name": c["name"]} for c in containers] or [{"name": "server"}],
            "initContainers": [
                {"name": n, **({"restartPolicy": "Always"} if n in sidecars else {})} for n in names
            ],
        },
        "status": {"phase": phase, "containerStatuses": list(containers),
                   "initContainerStatuses": list(inits), **status},
    }  # fmt: skip


def snapshot(*pods, events=(), wanted=2):
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "iris", "uid": "d", "annotations": {REVISION: "2"}},
        "spec": {"replicas": wanted},
    }
    sets = [
        {"kind": "ReplicaSet",
         "metadata": {"name": f"iris-{n}", "uid": f"s{n}", "annotations": {REVISION: str(n)},
                      "ownerReferences": [{"uid": "d", "controller": True}]}}
        for n in (1, 2)
    ]  # fmt: skip
    return Snapshot.of("iris", [deployment, *sets, *pods, *events], NOW)


def row(each):
    (found,) = progress.rows(snapshot(each))
    return found


SERVING = container(RUNNING, ready=True)
DONE = container(ended(0, "Completed"), "fetch")
OOM = container(waiting("CrashLoopBackOff", "back-off 10s restarting failed\nmore"), restarts=3)


# States and reasons, by the rules of printPod in kubernetes/pkg/printers/internalversion.
@pytest.mark.parametrize(
    ("each", "state", "ready", "reason"),
    [
        (pod(SERVING), "Running", "1/1", ""),
        (pod(container(RUNNING)), "Running", "0/1", "not ready yet"),
        (pod(SERVING, container(RUNNING, "proxy")), "Running", "1/2", "not ready yet"),
        (pod(phase="Pending"), "Pending", "0/1", ""),
        (pod(phase="Pending", conditions=[
            {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: cpu.\nx"}]),
         "Pending", "0/1", "0/1 nodes: cpu."),
        (pod(container(waiting("ContainerCreating")), phase="Pending"), "ContainerCreating",
         "0/1", ""),
        (pod(OOM), "CrashLoopBackOff", "0/1", "back-off 10s restarting failed"),
        # One that runs does not hide one that does not.
        (pod(container(RUNNING), container(waiting("CrashLoopBackOff"), "proxy")),
         "CrashLoopBackOff", "0/2", ""),
        (pod(container(ended(137, "OOMKilled"))), "OOMKilled", "0/1", "exit code 137"),
        (pod(container(ended(3))), "ExitCode:3", "0/1", "exit code 3"),
        (pod(container(ended(137, signal=9))), "Signal:9", "0/1", "exit code 137"),
        (pod(container({}), phase="Pending"), "Pending", "0/1", "not ready yet"),
        (pod(phase="Failed", reason="Evicted", message="The node was low"), "Evicted", "0/1", ""),
        # Init containers
        (pod(container(waiting("PodInitializing")), phase="Pending",
             inits=[container(RUNNING, "fetch")]), "Init:0/1", "0/1", "fetch"),
        (pod(container(waiting("PodInitializing")), phase="Pending",
             inits=[DONE, container(waiting("PodInitializing"), "check")]), "Init:1/2", "0/1",
         "check"),
        (pod(container(waiting("PodInitializing")), phase="Pending",
             inits=[container(ended(1, "Error"), "fetch")]), "Init:Error", "0/1", "exit code 1"),
        (pod(container(waiting("PodInitializing")), phase="Pending",
             inits=[container(ended(2), "fetch")]), "Init:ExitCode:2", "0/1", "exit code 2"),
        (pod(container(waiting("PodInitializing")), phase="Pending",
             inits=[container(waiting("ImagePullBackOff", "Back-off"), "fetch")]),
         "Init:ImagePullBackOff", "0/1", "Back-off"),
        (pod(SERVING, inits=[DONE]), "Running", "1/1", ""),
        (pod(container(waiting("PodInitializing")), phase="Pending", inits=[DONE]),
         "PodInitializing", "0/1", ""),
        # A mesh's proxy as an init container that goes on.
        (pod(SERVING, inits=[container(RUNNING, "istio-proxy", True, started=True)],
             sidecars=["istio-proxy"]), "Running", "2/2", ""),
        (pod(container(waiting("PodInitializing")), phase="Pending",
             inits=[container(RUNNING, "istio-proxy", started=False)], sidecars=["istio-proxy"]),
         "Init:0/1", "0/2", "istio-proxy"),
    ],
)  # fmt: skip
def test_states(each, state, ready, reason):
    found = row(each)
    assert (found.state, found.ready, found.reason) == (state, ready, reason)
    assert found.serves is (state == "Running" and ready[0] == ready[2])


def test_a_pod_that_leaves():
    each = pod(SERVING)
    each["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    found = row(each)
    assert (found.state, found.ready, found.serves) == ("Terminating", "1/1", False)
    assert found.is_on_its_way


@pytest.mark.parametrize(
    ("state", "going"),
    [("Pending", True), ("ContainerCreating", True), ("PodInitializing", True), ("Init:0/2", True),
     ("Init:Error", False), ("CrashLoopBackOff", False), ("Running", False)],
)  # fmt: skip
def test_what_every_pod_comes_through(state, going):
    assert progress.Row("a", 1, True, state, "0/1", 0, "1s", "").is_on_its_way is going


def test_rows_and_counts():
    old = pod(SERVING, name="iris-old", of="s1")
    leaving = pod(SERVING, name="iris-gone", of="s1")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    new = [pod(SERVING, name="iris-b"), pod(OOM, name="iris-a")]
    found = snapshot(old, leaving, *new)
    assert [(r.name, r.revision, r.is_new, r.restarts) for r in progress.rows(found)] == [
        ("iris-a", 2, True, 3), ("iris-b", 2, True, 0), ("iris-gone", 1, False, 0),
        ("iris-old", 1, False, 0),
    ]  # fmt: skip
    assert progress.counts(found) == "1 of 2 new pods serve, 1 old still there, 1 leaving"
    assert progress.counts(snapshot(new[0])) == "1 of 2 new pods serve"
    assert progress.rows(found)[0].age == "3m"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"),
     (172_799, "47h"), (172_800, "2d"), (10**7, "115d")],
)  # fmt: skip
def test_ages(seconds, text):
    assert progress.duration(seconds) == text
    since = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert progress.age(since, NOW) == text


def test_no_age():
    assert progress.age("", NOW) == ""
    assert progress.age("2026-01-01T13:00:00Z", NOW) == "0s", "the clocks differ"


def event(uid, reason, message, at="2026-01-01T11:59:00Z", name="iris-a"):
    return {"kind": "Event", "involvedObject": {"uid": uid, "name": name}, "reason": reason,
            "message": message, "lastTimestamp": at, "metadata": {}}  # fmt: skip


def test_news():
    events = [
        event("u-iris-a", "BackOff", "Back-off pulling\nmore", "2026-01-01T11:59:30Z"),
        event("u-iris-a", "Failed", "Failed to pull", "2026-01-01T11:59:10Z"),
        event("u-iris-a", "Pulled", "there"),
        event("u-iris-a", "Unhealthy", "dial tcp 10.0.0.1:8000: connect: connection refused"),
        event("u-other", "Failed", "of another"),
        event("d", "ScalingReplicaSet", "Scaled up", "2026-01-01T11:59:00Z", "iris"),
    ]
    found = snapshot(pod(OOM), events=events)
    seen = set()
    assert progress.news(found, seen) == [
        "iris: ScalingReplicaSet: Scaled up",
        "iris-a: Failed: Failed to pull",
        "iris-a: BackOff: Back-off pulling",
    ]
    assert progress.news(found, seen) == []
    assert progress.news(found, progress.old_news(found)) == []


def test_attempts_to_make_a_pod_are_told_once():
    """Each has a name of its own in its message."""
    said = 'Error creating: pods "iris-2-{}" is forbidden: exceeded quota: q'
    events = [event("s2", "FailedCreate", said.format(name), f"2026-01-01T11:59:0{i}Z", "iris-2")
              for i, name in enumerate(("w98dt", "xrl62", "abcde"))]  # fmt: skip
    for each in events:
        each["involvedObject"]["kind"] = "ReplicaSet"
    seen = set()
    assert progress.news(snapshot(events=events[:2]), seen) == [
        'iris-2: FailedCreate: Error creating: pods "iris-2-…" is forbidden: exceeded quota: q'
    ]
    assert progress.news(snapshot(events=events), seen) == []
    other = event("s2", "FailedCreate", "Error creating: x", name="iris-2")
    assert progress.news(snapshot(events=[other]), seen) == [
        "iris-2: FailedCreate: Error creating: x"
    ]


def test_counts_where_no_pod_is_wanted():
    assert progress.counts(snapshot(wanted=0)) == "no pod is wanted"
    assert progress.counts(snapshot(pod(SERVING), wanted=0)) == "no pod is wanted, 1 still there"
    leaving = pod(SERVING)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    assert progress.counts(snapshot(leaving, wanted=0)) == "no pod is wanted, 1 leaving"


# "Error" of the evicted pod: its container ended, which counts more than why.
@pytest.mark.parametrize(
    ("name", "states"),
    [("healthy", ["Running"]), ("crash", ["CrashLoopBackOff"]),
     ("image-not-found", ["ErrImagePull"]), ("cpu", ["Pending"]),
     ("config-map", ["CreateContainerConfigError"]),
     ("readiness-500", ["Running"]), ("evicted", ["Error", "Running"]),
     ("init-failed", ["Init:Error"])],
)  # fmt: skip
def test_states_of_a_real_cluster(name, states):
    rows = progress.rows(moment(name).snapshot())
    assert [row.state for row in rows] == states
    assert [row.serves for row in rows] == [name == "healthy"] * len(rows)
