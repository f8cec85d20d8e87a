"""The commands of one deployment, in their order, and those that take it back."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mlship import config
from mlship.cluster import applyset, goingback, releasing
from mlship.cluster.manifests import Release, Scaling
from mlship.cluster.preparing import Prepared
from mlship.cluster.releasing import NOTHING, Before
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError, ToolFailed
from mlship.project import Project
from mlship.rollout.snapshot import REVISION, Snapshot
from mlship.runner import Result

TARGET = Target("kubectl", "dev", "ml")
START = ("kubectl", "--context", "dev", "--namespace", "ml")
# What was rendered, and confirmed.
TEXT = "kind: Deployment\n"
LIMIT = "--request-timeout=60s"
APPLY = ("apply", "--server-side", "--field-manager=mlship", LIMIT)
FOREGROUND = ("--ignore-not-found", "--cascade=foreground", "--timeout=60s", LIMIT)
AT_ONCE = ("--ignore-not-found", "--wait=false", LIMIT)
HAND_OVER = (
    "apply", "--server-side", "--field-manager=mlship-replicas", LIMIT, "--force-conflicts",
    "-f", "-",
)  # fmt: skip
CONFIG = config.build(
    {"name": "iris", "python": "3.12", "model": {"file": "model/iris.onnx", "sha256": "a" * 64},
     "image": "iris"}
)  # fmt: skip
RELEASE = Release("prod", "r.io/iris:2", "ml", Scaling(), "ann", applyset.identity("iris", "ml"))


def item(kind, name="iris", version="v1", **spec):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "uid": f"{kind}-u"},
            "spec": spec}  # fmt: skip


HPA = item("HorizontalPodAutoscaler", version="autoscaling/v2", minReplicas=2)
SERVICE = item("Service", ports=[])
CONFIG_MAP = item("ConfigMap", "iris-a")


def template(image):
    return {
        "metadata": {"labels": {}},
        "spec": {"containers": [{"name": "server", "image": image}]},
    }


def deployment(image="r.io/iris:1", count=None, manager=None, done=True):
    spec = {"template": template(image), **({} if count is None else {"replicas": count})}
    found = item("Deployment", version="apps/v1", **spec)
    found["metadata"]["annotations"] = {REVISION: "1"}
    if manager:
        found["metadata"]["managedFields"] = [
            {"manager": manager, "fieldsV1": {"f:spec": {"f:replicas": {}}}}
        ]
    serving = {"replicas": count or 1, "updatedReplicas": count or 1,
               "availableReplicas": count or 1, "observedGeneration": 0}  # fmt: skip
    found["status"] = serving if done else {"observedGeneration": 0}
    return found


def replica_set(revision, image, available):
    reference = {"kind": "Deployment", "uid": "Deployment-u", "controller": True}
    return {
        "kind": "ReplicaSet",
        "metadata": {"name": f"iris-{revision}", "uid": f"r{revision}",
                     "annotations": {REVISION: str(revision)}, "ownerReferences": [reference]},
        "spec": {"template": template(image)}, "status": {"availableReplicas": available},
    }  # fmt: skip


def prepared(*objects):
    return Prepared(Project(Path("/p"), CONFIG), RELEASE, TEXT, list(objects))


def before(*live, members=(), sets=(), parent=None, scalers=()):
    snapshot = Snapshot.of("iris", [*live, *sets])
    return Before(parent or {}, list(members), list(live), snapshot, list(scalers))


def words(commands):
    """Return the commands without what all have in common."""
    assert all(command.argv[:5] == START for command in commands)
    return [command.argv[5:] for command in commands]


def sent(command):
    return list(yaml.safe_load_all(command.stdin))


def test_the_first_deployment():
    found = releasing.steps(prepared(deployment(), HPA), NOTHING, TARGET, force=False)
    assert words(found) == [(*APPLY, "-f", "-"), (*APPLY, "-f", "-")]
    (parent,) = sent(found[0])
    assert applyset.kinds_of(parent) == {"Deployment.apps", "HorizontalPodAutoscaler.autoscaling"}
    assert parent["metadata"]["namespace"] == "ml"
    assert found[1].stdin == TEXT


def test_the_set_keeps_the_kinds_of_what_is_still_there():
    parent = applyset.parent("iris", "ml", {"Ingress.networking.k8s.io"})
    found = releasing.steps(prepared(SERVICE, deployment()), before(parent=parent), TARGET,
                            force=True)  # fmt: skip
    assert applyset.kinds_of(sent(found[0])[0]) == {
        "Ingress.networking.k8s.io", "Service", "Deployment.apps",
    }  # fmt: skip
    assert words(found)[-1] == (*APPLY, "--force-conflicts", "-f", "-")


def test_a_fixed_count_takes_the_autoscaler_away_first():
    live = before(deployment(), HPA, members=[HPA, SERVICE], scalers=[HPA])
    found = releasing.steps(prepared(deployment(count=4)), live, TARGET, force=False)
    assert words(found)[1:] == [
        ("delete", "horizontalpodautoscaler.autoscaling", "iris", *FOREGROUND),
        (*APPLY, "-f", "-"),
    ]  # fmt: skip
    keda = item("ScaledObject", version="keda.sh/v1alpha1")
    found = releasing.steps(
        prepared(deployment(count=4)), replace(live, scalers=[keda]), TARGET, force=False
    )
    assert words(found)[1] == (
        "delete", "scaledobject.keda.sh", "iris", *FOREGROUND,
    )  # fmt: skip


def test_an_autoscaler_of_another_kind_goes_first():
    """KEDA makes an HPA of its own, which must not meet ours."""
    keda = item("ScaledObject", version="keda.sh/v1alpha1")
    live = before(deployment(), scalers=[HPA])
    assert releasing.removed_first(prepared(deployment(), keda), live) == [HPA]
    assert releasing.removed_first(prepared(deployment(), HPA), live) == []


def test_a_fixed_count_removes_nothing_that_was_not_seen():
    found = releasing.steps(prepared(deployment(count=4)), NOTHING, TARGET, force=False)
    assert words(found) == [(*APPLY, "-f", "-"), (*APPLY, "-f", "-")]


def test_what_is_left_over_is_what_clean_removes_but_for_the_autoscaler():
    sets = [replica_set(1, "r.io/iris:1", 1)]
    members, release = [HPA, SERVICE, CONFIG_MAP], prepared(deployment(count=4), SERVICE)
    live = before(deployment(), HPA, members=members, sets=sets, scalers=[HPA])
    assert releasing.leftovers(release, live) == [CONFIG_MAP]
    # Which ConfigMaps the revisions need is not known where they were not seen.
    unseen = before(deployment(), HPA, members=members, scalers=[HPA])
    assert releasing.leftovers(release, unseen) == []


def test_a_count_that_mlship_set_is_handed_over():
    live = before(deployment(count=4, manager="mlship"))
    found = releasing.steps(prepared(deployment(), HPA), live, TARGET, force=False)
    assert words(found)[1] == HAND_OVER
    assert sent(found[1])[0]["spec"] == {"replicas": 4}
    theirs = before(deployment(count=4, manager="kube-controller-manager"))
    assert len(releasing.steps(prepared(deployment(), HPA), theirs, TARGET, force=False)) == 2


@pytest.mark.parametrize(
    ("scaler", "least"),
    [
        (HPA, 2),
        (item("ScaledObject", version="keda.sh/v1alpha1", minReplicaCount=3), 3),
        (item("ScaledObject", version="keda.sh/v1alpha1", minReplicaCount=0), 1),
        (None, 1),
    ],
)
def test_what_was_scaled_to_nothing_gets_the_least_count(scaler, least):
    """Autoscalers leave it alone: https://kubernetes.io/docs/tasks/run-application/
    horizontal-pod-autoscale/#implicit-maintenance-mode-deactivation."""
    live = before(deployment(count=0, manager="kubectl"))
    release = prepared(*filter(None, (deployment(), scaler)))
    found = releasing.steps(release, live, TARGET, force=False)
    assert words(found)[1] == HAND_OVER
    assert sent(found[1])[0]["spec"] == {"replicas": least}


def test_removal():
    items = [item("Service", "b"), item("ConfigMap", "x"), item("Service", "a"),
             item("Ingress", "i", "networking.k8s.io/v1")]  # fmt: skip
    assert words(releasing.removal(items, TARGET)) == [
        ("delete", "configmap", "x", *AT_ONCE),
        ("delete", "ingress.networking.k8s.io", "i", *AT_ONCE),
        ("delete", "service", "a", "b", *AT_ONCE),
    ]
    (last,) = releasing.removal([item("Deployment", "a", "apps/v1")], TARGET, cascade=True)
    assert last.argv[5:] == (
        "delete", "deployment.apps", "a", *FOREGROUND,
    )  # fmt: skip
    assert releasing.removal([], TARGET) == []


def now(image="r.io/iris:2", count=None, manager=None, sets=(), revision=2):
    failed = deployment(image, count, manager, done=False)
    failed["metadata"]["annotations"] = {REVISION: str(revision)}
    return Snapshot.of("iris", [failed, *sets])


def test_nothing_to_go_back_to():
    assert goingback.way_back(prepared(deployment()), NOTHING, now(), TARGET) == []
    never = before(deployment(done=False))
    assert goingback.way_back(prepared(deployment()), never, now(), TARGET) == []


def test_back_to_what_was():
    live = before(deployment(count=2, manager="kube-controller-manager"), SERVICE, HPA,
                  members=[SERVICE, HPA])  # fmt: skip
    release = prepared(deployment("r.io/iris:2"), SERVICE, HPA, CONFIG_MAP, item("Ingress", "new"),
                       item("PersistentVolumeClaim", "new"))  # fmt: skip
    found = goingback.way_back(release, live, now(), TARGET)
    assert words(found) == [
        (*APPLY, "--force-conflicts", "-f", "-"),
        ("delete", "ingress", "new", *AT_ONCE),
    ]
    again = sent(found[0])
    assert [applyset.key(each) for each in again] == [
        ("Deployment.apps", "iris"), ("Service", "iris"),
        ("HorizontalPodAutoscaler.autoscaling", "iris"),
    ]  # fmt: skip
    assert again[0]["spec"] == {"template": template("r.io/iris:1")}
    assert all("uid" not in each["metadata"] and "status" not in each for each in again)


def test_back_without_the_right_to_see_what_was_there():
    """It may have been there before: what may not be read is not taken away."""
    live = replace(before(deployment()), unread=frozenset({"ingresses.networking.k8s.io"}))
    made = [item("Ingress", "new", "networking.k8s.io/v1"), item("Service", "new")]
    found = goingback.way_back(prepared(deployment("r.io/iris:2"), *made), live, now(), TARGET)
    assert words(found)[1:] == [("delete", "service", "new", *AT_ONCE)]


def test_back_from_a_fixed_count_to_the_autoscaler():
    """The release took the autoscaler away, and the count for itself."""
    live = before(deployment(count=3, manager="kube-controller-manager"), scalers=[HPA])
    found = goingback.way_back(
        prepared(deployment(count=4)), live, now(count=4, manager="mlship"), TARGET
    )
    assert words(found) == [
        HAND_OVER,
        (*APPLY, "--force-conflicts", "-f", "-"),
    ]
    assert sent(found[0])[0]["spec"] == {"replicas": 4}
    deployed, scaler = sent(found[1])
    assert "replicas" not in deployed["spec"]
    assert scaler["spec"] == {"minReplicas": 2}


@pytest.mark.parametrize("was", [0, 3])
@pytest.mark.parametrize(("manager", "count"), [("mlship", 10), ("mlship-replicas", 2), ("hpa", 2)])
def test_back_to_a_count_that_somebody_had_set(was, manager, count):
    """`mlship scale` had taken the autoscaler away: nothing else would set the count."""
    live = before(deployment(count=was, manager="kubectl"))
    release = prepared(deployment("r.io/iris:2"), HPA)
    found = goingback.way_back(release, live, now(count=count, manager=manager), TARGET)
    assert words(found)[1:] == [HAND_OVER, (*APPLY, "--force-conflicts", "-f", "-")]
    assert sent(found[1])[0]["spec"] == {"replicas": was}
    assert "replicas" not in sent(found[2])[0]["spec"]


def test_back_to_a_count_that_is_there_still():
    live = before(deployment(count=3, manager="kubectl"))
    found = goingback.way_back(prepared(), live, now(count=3, manager="kubectl"), TARGET)
    assert [argv[0] for argv in words(found)] == ["apply"]
    # An autoscaler was there, and is: its count of now is as good.
    for live in (
        before(deployment(count=3, manager="hpa"), HPA, scalers=[HPA]),
        before(deployment(count=3, manager="hpa"), HPA),  # one may not list them
    ):
        found = goingback.way_back(prepared(HPA), live, now(count=5, manager="hpa"), TARGET)
        assert words(found) == [(*APPLY, "--force-conflicts", "-f", "-")]
    # It rests where somebody had set the count to 0.
    live = before(deployment(count=0, manager="kubectl"), HPA, scalers=[HPA])
    found = goingback.way_back(prepared(HPA), live, now(count=2, manager="x"), TARGET)
    assert sent(found[0])[0]["spec"] == {"replicas": 0}


def unready(image="r.io/iris:1"):
    """One of three pods does not serve."""
    live = deployment(image, count=3, manager="hpa")
    live["status"] |= {"availableReplicas": 2}
    return live


def test_back_to_the_same_pods_as_they_were():
    """Another count of them failed, by a quota say, while one of them did not serve."""
    sets = [replica_set(1, "r.io/iris:1", 2)]
    live = before(unready(), SERVICE, sets=sets, scalers=[HPA])
    standing = now("r.io/iris:1", count=10, manager="mlship", sets=sets, revision=1)
    found = goingback.way_back(prepared(deployment(count=10), SERVICE), live, standing, TARGET)
    assert words(found) == [HAND_OVER, (*APPLY, "--force-conflicts", "-f", "-")]
    assert sent(found[0])[0]["spec"] == {"replicas": 3}
    assert [each["kind"] for each in sent(found[1])] == [
        "Deployment", "Service", "HorizontalPodAutoscaler",
    ]  # fmt: skip
    # Where none served, or the revision is known to be bad, it is nothing to go back to.
    none = before(unready(), sets=[replica_set(1, "r.io/iris:1", 0)])
    assert goingback.way_back(prepared(), none, standing, TARGET) == []
    bad = replica_set(1, "r.io/iris:1", 2)
    bad["metadata"]["annotations"]["mlship/failed"] = "probe"
    assert goingback.way_back(prepared(), before(unready(), sets=[bad]), standing, TARGET) == []


def test_when_it_is_back():
    whole, partly = (
        before(live, sets=[replica_set(1, "r.io/iris:1", 2)]) for live in (deployment(), unready())
    )
    assert goingback.is_back(whole, Snapshot.of("iris", [deployment()]))
    assert not goingback.is_back(whole, Snapshot.of("iris", [unready()])), "all served"
    assert goingback.is_back(partly, Snapshot.of("iris", [unready()])), "as many as before"
    fewer = unready()
    fewer["status"] |= {"availableReplicas": 1}
    assert not goingback.is_back(partly, Snapshot.of("iris", [fewer]))
    assert not goingback.is_back(partly, Snapshot.of("iris", [unready("r.io/iris:0")]))


def test_back_from_the_autoscaler_to_a_fixed_count():
    live = before(deployment(count=2, manager="mlship"))
    release = prepared(deployment(), HPA, SERVICE)
    found = goingback.way_back(release, live, now(count=3, manager="hpa"), TARGET)
    assert words(found) == [
        ("delete", "horizontalpodautoscaler.autoscaling", "iris", *FOREGROUND),
        (*APPLY, "--force-conflicts", "-f", "-"),
        ("delete", "service", "iris", *AT_ONCE),
    ]  # fmt: skip
    assert sent(found[1])[0]["spec"]["replicas"] == 2


def test_back_from_keda_to_the_autoscaler():
    """KEDA's own HPA has its name, and has to be gone before it comes."""
    keda = item("ScaledObject", version="keda.sh/v1alpha1")
    live = before(deployment(count=2, manager="hpa"), scalers=[HPA])
    found = goingback.way_back(prepared(deployment(), keda), live, now(count=2), TARGET)
    assert words(found) == [
        ("delete", "scaledobject.keda.sh", "iris", *FOREGROUND),
        (*APPLY, "--force-conflicts", "-f", "-"),
    ]
    assert [each["kind"] for each in sent(found[1])] == ["Deployment", "HorizontalPodAutoscaler"]


def test_back_to_the_newest_that_serves():
    """What was there before did not serve either: it was left by --no-rollback."""
    sets = [replica_set(1, "r.io/iris:1", 2), replica_set(2, "r.io/iris:2", 0)]
    live = before(deployment("r.io/iris:2", done=False), SERVICE)
    standing = now(sets=sets, revision=3)
    found = goingback.way_back(prepared(deployment("r.io/iris:3")), live, standing, TARGET)
    again = {each["kind"]: each for each in sent(found[0])}
    assert again["Deployment"]["spec"]["template"] == template("r.io/iris:1")
    assert set(again) == {"Deployment", "Service"}


def test_back_to_the_newest_that_serves_without_what_others_added():
    """`kubectl set env` broke the pods that were there before."""
    sets = [replica_set(1, "r.io/iris:1", 2), replica_set(2, "r.io/iris:1", 0)]
    env = {"f:spec": {"f:template": {"f:spec": {}}}}
    standing = now(sets=sets, revision=3)
    standing.deployment["metadata"]["managedFields"] = [
        {"manager": "kubectl-set", "operation": "Update", "fieldsV1": env}
    ]
    live = before(deployment("r.io/iris:1", done=False))
    found = goingback.way_back(prepared(deployment("r.io/iris:3")), live, standing, TARGET)
    assert [argv[0] for argv in words(found)] == ["patch", "apply"]
    assert goingback.served_before(live, standing) is sets[0]
    # What served is applied as it was, with what others had set there.
    whole = before(deployment("r.io/iris:1"))
    found = goingback.way_back(prepared(deployment("r.io/iris:3")), whole, standing, TARGET)
    assert [argv[0] for argv in words(found)] == ["apply"]
    assert goingback.served_before(whole, standing) is whole.deployment


class Says:
    """A runner whose programs answer by their words."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def ask(self, command, timeout=60):
        self.asked.append(command.argv[5:])
        return self.answers.pop(0)

    def stream(self, command, on_line):
        self.asked.append(command.argv[5:])
        answer = self.answers.pop(0)
        for line in (answer.stdout + answer.stderr).splitlines():
            on_line(line)
        return answer.code


YES, NO = Result(0, "", ""), Result(1, "", "error: no")
COUNT = Result(1, "", 'error: Apply failed with 1 conflict: conflict with "kubectl-scale" with '
               'subresource "scale" using apps/v1: .spec.replicas\n')  # fmt: skip
OTHERS = Result(1, "", 'error: Apply failed with 1 conflict: conflict with "helm": .spec.paused\n')


def test_a_rehearsal():
    says = Says(YES)
    assert releasing.rehearse(prepared(deployment()), NOTHING, TARGET, says, force=False) is False
    assert says.asked == [(*APPLY, "--dry-run=server", "-f", "-")]
    says = Says(YES)
    assert releasing.rehearse(prepared(deployment()), NOTHING, TARGET, says, force=True) is True
    assert "--force-conflicts" in says.asked[0]


def test_a_fixed_count_overrides_whoever_set_it():
    says = Says(COUNT, YES)
    fixed = prepared(deployment(count=3))
    assert releasing.rehearse(fixed, NOTHING, TARGET, says, force=False) is True
    assert [("--force-conflicts" in argv) for argv in says.asked] == [False, True]


@pytest.mark.parametrize(
    ("count", "answers", "what"),
    [
        (None, [COUNT], "Somebody with kubectl scale owns .spec.replicas"),
        (3, [OTHERS], "Helm owns .spec.paused"),
        (3, [COUNT, NO], "The cluster refused the manifests"),
        (3, [NO], "The cluster refused the manifests"),
    ],
)
def test_a_rehearsal_that_fails(count, answers, what):
    release, says = prepared(deployment(count=count)), Says(*answers)
    with pytest.raises(ClusterError) as caught:
        releasing.rehearse(release, NOTHING, TARGET, says, force=False)
    assert caught.value.what.startswith(what)


def test_a_rehearsal_that_nobody_answers():
    class Slow:
        def ask(self, command, timeout=60):
            raise ToolFailed("kubectl did not answer within 60 s")

    with pytest.raises(ClusterError, match="The cluster does not answer"):
        releasing.rehearse(prepared(deployment()), NOTHING, TARGET, Slow(), force=False)


def test_run_stops_at_the_first_that_fails():
    lines = []
    commands = releasing.removal([item("A"), item("B"), item("C")], TARGET)
    says = Says(Result(0, "a deleted\n", ""), Result(1, "b?\n", "error: no"), YES)
    with pytest.raises(ClusterError):
        releasing.run(commands, TARGET, says, lines.append)
    assert (len(says.asked), lines) == (2, ["a deleted"])


@pytest.mark.parametrize("done", ['x "iris" deleted', 'x "iris" deleted from ml namespace'])
def test_a_removal_that_does_not_end(done):
    """Its finalizer is KEDA's, say, which is down."""
    waits = f"{done}\nerror: timed out waiting for the condition on x/iris\n"
    lines = []
    with pytest.raises(ClusterError, match="x/iris does not end: see its finalizers"):
        releasing.run(releasing.removal([HPA], TARGET), TARGET, Says(Result(1, waits, "")),
                      lines.append)  # fmt: skip
    assert lines == [done]


FORBIDDEN = Result(
    1,
    "",
    'Error from server (Forbidden): namespaces "ml" is forbidden: User "ann" cannot get resource '
    '"namespaces" in API group "" in the namespace "ml"',
)


@pytest.mark.parametrize(
    ("answers", "create", "made"),
    [
        ([Result(0, '{"kind": "Namespace"}', "")], False, False),
        ([Result(0, '{"kind": "Namespace"}', "")], True, False),
        ([FORBIDDEN], True, False),
        ([YES, YES], True, True),
    ],
)
def test_the_namespace(answers, create, made):
    says = Says(*answers)
    assert releasing.require_namespace(TARGET, says, create=create) is made
    assert (says.asked[-1] == ("create", "namespace", "ml")) is made


@pytest.mark.parametrize("answers", [[YES], [Result(1, "", "Unable to connect to the server: x")]])
def test_no_namespace(answers):
    with pytest.raises(ClusterError) as caught:
        releasing.require_namespace(TARGET, Says(*answers), create=False)
    assert caught.value.next
