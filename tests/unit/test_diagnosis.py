"""Each cause of a failed rollout is told from all others, in time and not before."""

import copy
import json
import random
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlship.rollout import nodes
from mlship.rollout.diagnosis import CAUSES, diagnose
from mlship.rollout.snapshot import Snapshot
from tests.support.rollouts import Recorded, moment, recorded
from tests.support.rollouts import scenarios as played
from tests.support.rollouts.nobody import Nobody

LATER = timedelta(seconds=15)
# These are never certain by themselves.
WAITING = {"large-image"}


@pytest.mark.parametrize("name", played.ALL)
def test_scenario(name):
    scenario = played.ALL[name]()
    # A moment later, for those that were recorded before their grace was over.
    found = diagnose(scenario.moment.snapshot(scenario.moment.taken + LATER), scenario.witness)
    what, evidence, fix = scenario.says
    first = found[0]
    assert first.cause == scenario.cause
    assert what in first.what and not first.what.endswith(".")
    assert evidence in "\n".join(first.evidence)
    assert fix in first.next
    assert first.certain is (name not in WAITING)
    assert not [t for t in found[1:] if t.certain], "one rollout, one certain cause"
    assert len({t.cause for t in found}) == len(found)


@pytest.mark.parametrize("name", ["healthy", "slow", "starting"])
@pytest.mark.parametrize("seconds", [0, 3, 30, 170])
@pytest.mark.parametrize("answer", ["", '503 {"status":"starting"}', "200 ok"])
def test_what_is_well_or_slow_is_left_alone(name, seconds, answer):
    found = moment(name)
    taken = found.taken + timedelta(seconds=seconds)
    troubles = diagnose(found.snapshot(taken), Recorded(answer=answer))
    assert not [t for t in troubles if t.certain]
    assert bool(troubles) is (name == "starting")


def since(text):
    return datetime.fromisoformat(text)


def condition(item, kind):
    return next(c for c in item["status"]["conditions"] if c["type"] == kind)


def scheduled(found):
    return since(condition(found.pod, "PodScheduled")["lastTransitionTime"])


def refused(found):
    return since(condition(found.of("ReplicaSet")[-1], "ReplicaFailure")["lastTransitionTime"])


def first_event(reason):
    def of(found):
        one = next(e for e in found.of("Event") if e["reason"] == reason)
        return since(one["firstTimestamp"])

    return of


@pytest.mark.parametrize(
    ("name", "start", "seconds"),
    [
        ("cpu", scheduled, 5),
        ("memory", scheduled, 5),
        ("gpu", scheduled, 5),
        ("selector", scheduled, 5),
        ("claim-missing", scheduled, 5),
        ("claim-static", scheduled, 5),
        ("claim-no-class", scheduled, 5),
        ("service-account", refused, 10),
        ("webhook-down", refused, 10),
        ("startup-404", first_event("Unhealthy"), 10),
        ("readiness-500", first_event("Unhealthy"), 10),
        ("volume-mount", first_event("FailedMount"), 10),
        ("webhook-denied", refused, 0),
        ("quota", refused, 0),
        ("pod-security", refused, 0),
        ("limit-range", refused, 0),
    ],
)
def test_certain_after_its_grace_and_not_before(name, start, seconds):
    found = moment(name)
    begin = start(found)

    def certain(after):
        troubles = diagnose(found.snapshot(begin + timedelta(seconds=after)), found.witness)
        return troubles[0].certain

    assert certain(seconds)
    assert seconds == 0 or not certain(seconds - 1)


AT_ONCE = [
    "image-not-found", "image-unauthorized", "image-invalid", "image-never", "bad-hash", "bad-load",
    "oom", "init-hash", "config-map", "secret-key", "command", "non-root", "startup-killed",
    "liveness-killed", "evicted", "quota-unspecified", "policy", "priority-class", "paused",
]  # fmt: skip


@pytest.mark.parametrize("name", AT_ONCE)
def test_certain_at_once(name):
    found = moment(name)
    born = [since(p["metadata"]["creationTimestamp"]) for p in found.of("Pod")]
    taken = min(born, default=found.taken)
    assert diagnose(found.snapshot(taken), found.witness)[0].certain


def dies_once(found):
    """Make the pod's container one that died for the first time and waits to be started."""
    for one in found.pod["status"].get("initContainerStatuses") or [found.status]:
        ended = one["state"].get("terminated") or one["lastState"]["terminated"]
        one.update(restartCount=0, lastState={}, state={"terminated": ended})


@pytest.mark.parametrize(
    ("name", "certain"),
    [("crash", False), ("init-failed", False), ("bad-hash", True), ("bad-load", True),
     ("oom", True), ("init-hash", True)],
)  # fmt: skip
def test_first_death(name, certain):
    found = moment(name)
    dies_once(found)
    first = diagnose(found.snapshot(), found.witness)[0]
    assert (first.cause, first.certain) == (played.RECORDED[name][0], certain)


def test_a_second_restart_is_a_crash_loop_before_the_kubelet_says_so():
    found = moment("crash")
    dies_once(found)
    found.status["restartCount"] = 2
    assert diagnose(found.snapshot(), found.witness)[0].certain


@pytest.mark.parametrize(("code", "cause"), [(137, "probe"), (143, "probe"), (1, "crash-loop")])
def test_a_probe_kills_again_before_its_event_comes(code, cause):
    """Or without: the kubelet drops events that are too many. Other deaths are not the probe's."""
    found = moment("startup-killed")
    ended = found.status["lastState"]["terminated"]
    ended.update(exitCode=code, startedAt="2026-11-25T23:00:00Z", finishedAt="2026-11-25T23:00:09Z")
    found.status["restartCount"] = 2
    assert diagnose(found.snapshot(), found.witness)[0].cause == cause


def test_a_model_that_could_not_be_fetched_may_be_loaded_the_next_time():
    found = moment("bad-load")
    dies_once(found)
    trace = "Traceback (most recent call last):\n  x\nConnectionResetError: [Errno 104] reset"
    log = ["the model could not be loaded", *trace.splitlines()]
    witness = Recorded({"server/now": log})
    assert not diagnose(found.snapshot(), witness)[0].certain


@pytest.mark.parametrize(
    "name", ["image-no-such-host", "image-refused", "image-plain-http", "image-rate-limited"]
)
def test_the_network_gets_a_second_try(name):
    found = moment(name)
    for event in found.of("Event"):
        event["count"] = 1
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        found.status["state"]["waiting"]["reason"] = reason
        assert not diagnose(found.snapshot(), found.witness)[0].certain


def test_old_words_of_a_pull_that_backs_off():
    """Until 1.30 the waiting container did not repeat what the registry said."""
    found = moment("image-not-found")
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}
    found.status["state"] = {"waiting": waiting}
    waiting["message"] = f'Back-off pulling image "{found.status["image"]}"'
    first = diagnose(found.snapshot(), found.witness)[0]
    assert first.certain and "There is no image" in first.what
    assert "not found" in first.evidence[0]


@pytest.mark.parametrize("digest", ["", "@sha256:" + "ab" * 32])
def test_a_private_image_of_docker_hub_has_a_registry(digest):
    found = moment("image-unauthorized")
    image = f"ann/churn{digest or ':1'}"
    text = json.dumps(found.items).replace("127.0.0.1:5599/private/iris:9", image)
    found.items = json.loads(text)
    first = diagnose(found.snapshot(), found.witness)[0]
    assert first.what == f"The cluster may not pull {image}, or it does not exist"
    assert "Docker Hub's" in first.next and "image_pull_secrets" in first.next


@pytest.mark.parametrize("reason", ["TriggeredScaleUp", "Nominated"])
def test_a_node_is_on_its_way(reason):
    found = moment("cpu")
    played._event(found, reason, "pod triggered scale-up: [{pool 1->2 (max: 3)}]")
    assert not diagnose(found.snapshot(found.taken + LATER), Nobody())[0].certain


def certain_after(seconds, witness, *events):
    found = moment("cpu")
    for reason in events:
        played._event(found, reason, "pod didn't trigger scale-up: 1 max node group size")
    taken = scheduled(found) + timedelta(seconds=seconds)
    return diagnose(found.snapshot(taken), witness)[0].certain


MARKS = [
    ("labels", "karpenter.sh/nodepool"), ("labels", "eks.amazonaws.com/nodegroup"),
    ("labels", "cloud.google.com/gke-nodepool"), ("labels", "kubernetes.azure.com/agentpool"),
    ("labels", "doks.digitalocean.com/node-pool-id"), ("labels", "kops.k8s.io/instancegroup"),
    ("labels", "lke.linode.com/pool-id"), ("labels", "k8s.scaleway.com/pool-name"),
    ("labels", "ibm-cloud.kubernetes.io/worker-pool-id"),
    ("annotations", "cluster.x-k8s.io/machine"),
    ("annotations", "oci.oraclecloud.com/node-pool-id"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "mark"), MARKS)
def test_where_nodes_can_be_added_the_autoscaler_gets_time(where, mark):
    grown = played.node("n2")
    grown["metadata"][where] = {mark: "default"}
    witness = Recorded(cluster=[played.node(), grown])
    assert not certain_after(29, witness)
    assert certain_after(30, witness)
    assert certain_after(5, witness, "NotTriggerScaleUp")


def test_nodes_that_may_not_be_looked_at_may_be_an_autoscalers():
    """So it is with the role that mlship recommends, and with `view`."""
    assert not certain_after(29, Nobody())
    assert certain_after(30, Nobody())
    assert certain_after(5, Nobody(), "NotTriggerScaleUp")


def test_nodes_that_nothing_adds_to_get_five_seconds():
    labels = {"kubernetes.io/hostname": "n1", "node.kubernetes.io/instance-type": "k3s"}
    fixed = played.node()
    fixed["metadata"]["labels"] = labels
    assert certain_after(5, Recorded(cluster=[fixed]))


GPU = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "nvidia.com/gpu", "operator": "Equal", "value": "present"}, True),
        ({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "nvidia.com/gpu", "value": "other"}, False),
        ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "spot", "operator": "Exists"}, False),
    ],
)
def test_what_a_pod_tolerates(toleration, tolerates):
    pod = {"spec": {"tolerations": [toleration]}}
    found = {"spec": {"taints": [GPU, {"key": "slow", "effect": "PreferNoSchedule"}]}}
    assert nodes.untolerated(pod, found) == ([] if tolerates else [GPU])


def asking(name, cluster, running, *, cpu=""):
    """Return the trouble of a recorded pod on other nodes."""
    found = moment(name)
    for one in found.pod["spec"]["containers"] if cpu else []:
        one["resources"]["requests"]["cpu"] = cpu
    witness = Recorded(cluster=cluster, running=running)
    return diagnose(found.snapshot(found.taken + LATER), witness)[0]


def test_a_node_that_the_pod_does_not_tolerate_has_no_room_for_it():
    role = "node-role.kubernetes.io/control-plane"
    cluster = [played.node("cp1", role, cpu="4"), played.node("w1")]
    running = [played.takes("w1", cpu="1500m"), played.takes("cp1", cpu="850m")]
    found = asking("cpu", cluster, running, cpu="1")
    assert found.what.endswith("w1, which has the most left, has 0.5 CPUs of 2 CPUs: 0.5 CPUs "
                               "too few")  # fmt: skip
    assert found.evidence[0].startswith("cp1 has room for another pod, but its taint keeps")
    cluster.append(played.node("w2", "dedicated"))
    found = asking("cpu", cluster, running, cpu="1")
    assert found.what.startswith("w2 has room for another pod") and "dedicated" in found.next
    elsewhere = played.node("w3", cpu="64")
    elsewhere["spec"]["unschedulable"] = True
    found = asking("cpu", [elsewhere, played.node("w1")], running, cpu="1")
    assert found.next == "kubectl uncordon w3, once its maintenance is over"


def test_a_taken_gpu_behind_a_taint():
    """A free one would not be the pod's either, unless there are others to wait for."""
    tainted = played.node("g1", "nvidia.com/gpu", gpu="1")
    running = [played.takes("g1", gpu="1"), played.takes("g2", gpu="1")]
    assert "its taint" in asking("gpu", [tainted, played.node("w1")], running).what
    found = asking("gpu", [tainted, played.node("g2", gpu="1")], running)
    assert found.what.endswith("g2 has 0 of 1 free")
    assert found.next.startswith("wait for a free one")


def test_a_taint_on_nodes_that_may_not_be_looked_at():
    found = moment("gpu")
    condition(found.pod, "PodScheduled")["message"] = (
        "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, "
        "1 node(s) had untolerated taint {nvidia.com/gpu: present}."
    )
    first = diagnose(found.snapshot(), Nobody())[0]
    assert "by a taint (nvidia.com/gpu: present)" in first.what
    assert first.next.startswith("add a toleration for it")


@pytest.mark.parametrize("name", ["cpu", "quota"])
def test_room_that_our_own_pods_are_about_to_leave(name):
    found = moment(name)
    leaving = copy.deepcopy(moment("healthy").pod)
    owner = {"controller": True, "uid": found.of("ReplicaSet")[0]["metadata"]["uid"]}
    leaving["metadata"].update(
        deletionTimestamp="2026-11-25T03:34:00Z", ownerReferences=[owner], uid="leaving"
    )
    found.items.append(leaving)
    assert not diagnose(found.snapshot(found.taken + LATER), found.witness)[0].certain


def test_a_config_map_that_the_api_has_by_now_is_only_late():
    found = moment("config-map")
    for there, certain in ((True, False), (False, True), (None, True)):
        assert diagnose(found.snapshot(), Recorded(there=there))[0].certain is certain


def test_the_token_of_a_new_namespace_is_no_missing_config():
    found = moment("volume-mount")
    for event in found.of("Event"):
        event["message"] = (
            'MountVolume.SetUp failed for volume "kube-api-access-x" : '
            'configmap "kube-root-ca.crt" not found'
        )
    assert diagnose(found.snapshot(), found.witness) == []


@pytest.mark.parametrize(
    ("answer", "certain"),
    [("404 {}", True), ("", True), ("503 starting", False), ("200 ok", False)],
)
def test_a_probe_is_asked_again_before_it_is_certain(answer, certain):
    found = moment("startup-404")
    first = diagnose(found.snapshot(), Recorded(answer=answer))[0]
    assert first.certain is certain
    assert not answer or f"answer now: {answer}" in first.evidence


def test_without_events_the_probe_is_asked():
    found = moment("startup-404")
    played._without_events(found)
    assert not diagnose(found.snapshot(), Recorded(answer="404"))[0].certain
    later = found.snapshot(found.taken + 2 * LATER)
    assert diagnose(later, Recorded(answer="404"))[0].certain


def test_a_pod_that_is_ready_now_is_no_trouble():
    found = moment("liveness-killed")
    condition(found.pod, "Ready")["status"] = "True"
    assert diagnose(found.snapshot(), found.witness) == []


def test_a_pod_that_is_being_deleted_is_no_trouble():
    found = moment("crash")
    found.pod["metadata"]["deletionTimestamp"] = "2026-11-25T03:34:00Z"
    assert diagnose(found.snapshot(), found.witness) == []


def beside(old, new):
    """Return the moment ``new`` with the pods of ``old`` as those of the revision before it."""
    deployment = new.of("Deployment")[0]
    for item in [*new.of("ReplicaSet"), deployment]:
        item["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "2"
    for item in old.of("ReplicaSet"):
        item["metadata"]["ownerReferences"][0]["uid"] = deployment["metadata"]["uid"]
    new.items += [i for i in old.items if i["kind"] in {"ReplicaSet", "Pod", "Event"}]
    return new


@pytest.mark.parametrize("name", ["crash", "oom", "image-not-found", "cpu", "quota", "startup-404"])
def test_the_former_revision_is_not_blamed(name):
    old = moment(name)
    found = beside(old, moment("healthy"))
    assert diagnose(found.snapshot(), old.witness) == []
    found = beside(moment(name), moment("paused"))
    assert [t.cause for t in diagnose(found.snapshot(), old.witness)] == ["paused"]


@pytest.mark.parametrize("name", ["crash", "oom", "cpu", "quota", "deadline"])
def test_before_the_controller_has_looked_all_pods_are_old(name):
    found = moment(name)
    found.of("Deployment")[0]["metadata"]["generation"] += 1
    assert diagnose(found.snapshot(), found.witness) == []


def test_pods_with_one_cause_are_counted():
    found = moment("oom")
    for n in (2, 3):
        more = copy.deepcopy(found.pod)
        more["metadata"].update(name=f"iris-{n}", uid=f"uid-{n}")
        found.items.append(more)
    troubles = diagnose(found.snapshot(), found.witness)
    assert len(troubles) == 1 and troubles[0].what.endswith("(3 pods)")
    assert troubles[0].pod.startswith("iris-")


def test_an_old_deadline_is_not_this_rollouts():
    found = moment("deadline")
    progress = condition(found.of("Deployment")[0], "Progressing")
    progress["lastUpdateTime"] = "2026-11-24T00:00:00Z"
    assert not diagnose(found.snapshot(), found.witness)[0].certain


@pytest.mark.parametrize("name", ["deadline", "deadline-alone"])
def test_a_time_that_a_person_gave_goes_beyond_the_deadline(name):
    scenario = played.ALL[name]()
    snapshot = scenario.moment.snapshot()
    assert diagnose(snapshot, scenario.witness)[0].certain
    limited = diagnose(snapshot, scenario.witness, limited=True)
    assert not [t for t in limited if t.certain]
    assert [t.cause for t in limited] == (["probe"] if name == "deadline" else [])


@pytest.mark.parametrize("name", recorded())
def test_with_no_rights_but_the_deployments(name):
    """No events, no logs, no nodes: an answer, if a poorer one, and never another's blame."""
    found = moment(name)
    played._without_events(found)
    troubles = diagnose(found.snapshot(found.taken + LATER), Nobody())
    assert all(t.cause in CAUSES and t.what and t.next for t in troubles)
    if name in {"healthy", "slow", "starting"}:
        assert not [t for t in troubles if t.certain]


@pytest.mark.parametrize("items", [[], [{}], [{"kind": "Deployment"}], [{"kind": "Pod"}]])
def test_of_nothing(items):
    assert diagnose(Snapshot.of("iris", items), Nobody()) == []


def places(item):
    """Return where each key of nested objects stands."""
    found = []
    if isinstance(item, dict):
        found = [(item, key) for key in item]
        item = list(item.values())
    if isinstance(item, list):
        for one in item:
            found += places(one)
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(played.ALL)), st.integers(0, 2**32), st.integers(1, 12))
def test_missing_fields_raise_nothing(name, seed, count):
    scenario, chance = played.ALL[name](), random.Random(seed)
    for _ in range(count):
        where = places(scenario.moment.items + scenario.witness.cluster)
        if where:
            parent, key = chance.choice(where)
            if key != "kind":
                del parent[key]
    for trouble in diagnose(scenario.moment.snapshot(), scenario.witness):
        assert trouble.cause in CAUSES
