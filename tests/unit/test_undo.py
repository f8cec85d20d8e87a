"""The way back: what is applied so that a cluster is as it was."""

import copy

import pytest

from mlship.rollout import undo
from mlship.rollout.snapshot import REVISION, Snapshot
from mlship.rollout.undo import appliable, find_revision, owns_replicas, restored, serving

HASH = "pod-template-hash"


def owner(manager, **spec):
    fields = {"f:spec": {f"f:{name}": {} for name in spec}}
    return {"manager": manager, "operation": "Apply", "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": fields}  # fmt: skip


def template(image, **labels):
    return {
        "metadata": {"labels": {"app.kubernetes.io/name": "iris", **labels},
                     "annotations": {"model.sha256": "ab"}},
        "spec": {"containers": [{"name": "server", "image": image}]},
    }  # fmt: skip


def deployment(*managers, image="iris:2", revision=2):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "iris",
            "namespace": "ml",
            "uid": "u-1",
            "resourceVersion": "77",
            "generation": 4,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/name": "iris"},
            "annotations": {
                REVISION: str(revision),
                "kubernetes.io/change-cause": f"mlship deploy {image} by ann",
                "mlship/by": "ann",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            },
            "managedFields": [owner("mlship", template=1),
                              *(owner(m, replicas=1) for m in managers)],
        },
        "spec": {"replicas": 3, "template": template(image)},
        "status": {"replicas": 3, "observedGeneration": 4},
    }  # fmt: skip


def replica_set(revision, image, available=0, **annotations):
    code = f"h{revision}"
    reference = {"kind": "Deployment", "name": "iris", "uid": "u-1", "controller": True}
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"iris-{code}", "uid": f"s-{revision}", "ownerReferences": [reference],
            "annotations": {REVISION: str(revision),
                            "deployment.kubernetes.io/desired-replicas": "3", **annotations},
        },
        "spec": {"replicas": available, "template": template(image, **{HASH: code})},
        "status": {"availableReplicas": available} if available else {"replicas": 0},
    }  # fmt: skip


def test_a_live_object_as_one_would_apply_it():
    live = deployment("mlship")
    before = copy.deepcopy(live)
    found = appliable(live)
    assert live == before, "the one that was given stays as it is"
    assert found == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "iris",
            "namespace": "ml",
            "labels": {"app.kubernetes.io/name": "iris"},
            "annotations": {
                "kubernetes.io/change-cause": "mlship deploy iris:2 by ann",
                "mlship/by": "ann",
            },
        },
        "spec": live["spec"],
    }
    assert appliable(found) == found


def test_an_object_without_annotations():
    service = {"kind": "Service", "metadata": {"name": "iris", "uid": "x"}, "spec": {"a": 1}}
    assert appliable(service) == {"kind": "Service", "metadata": {"name": "iris"},
                                  "spec": {"a": 1}}  # fmt: skip


@pytest.mark.parametrize(
    ("managers", "owns"),
    [(("mlship",), True), (("kube-controller-manager",), False), ((), False),
     (("mlship", "mlship-replicas"), False)],
)  # fmt: skip
def test_whose_count_it_is(managers, owns):
    assert owns_replicas(deployment(*managers), "mlship") is owns
    (found,) = restored([deployment(*managers)], "mlship")
    assert ("replicas" in found["spec"]) is owns
    (again,) = restored([found], "mlship")
    assert again["spec"].get("replicas") is None, "who owns what is not in it any more"


def test_no_deployment_has_no_count():
    assert owns_replicas({}, "mlship") is False


def test_other_kinds_keep_their_replicas():
    other = {"kind": "ScaledObject", "metadata": {"name": "iris"}, "spec": {"replicas": 3}}
    assert restored([other], "mlship") == [other]


def test_the_pods_of_an_older_revision():
    old = replica_set(1, "iris:1", 3, **{"kubernetes.io/change-cause": "mlship deploy iris:1",
                                         "mlship/by": "bob"})  # fmt: skip
    live = deployment("mlship")
    found = undo.with_template_of(live, old, "mlship")
    assert found["spec"]["template"] == template("iris:1")
    assert HASH in old["spec"]["template"]["metadata"]["labels"], "a copy was changed"
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "iris:2"
    assert found["metadata"]["annotations"] == {
        "kubernetes.io/change-cause": "mlship deploy iris:1", "mlship/by": "bob",
    }  # fmt: skip
    assert found["spec"]["replicas"] == 3
    assert undo.with_template_of(live, old, "mlship") == found
    assert "replicas" not in undo.with_template_of(deployment("hpa"), old, "mlship")["spec"]


def snapshot(*sets, revision=3, image=None):
    live = deployment("mlship", revision=revision, image=image or f"iris:{revision}")
    return Snapshot.of("iris", [live, *sets])


def test_what_serves():
    one, two, three = (replica_set(n, f"iris:{n}", a) for n, a in ((1, 2), (2, 1), (3, 0)))
    nothing = Snapshot.of("iris", [])
    assert serving(snapshot(three, one, two), nothing)["metadata"]["name"] == "iris-h2"
    assert serving(snapshot(three, one), nothing)["metadata"]["name"] == "iris-h1"
    assert serving(snapshot(three), nothing) == {}
    assert serving(nothing, nothing) == {}


def test_what_fails_is_nothing_to_go_back_to():
    """Some of its pods may serve: others don't, or not for long."""
    one, three = replica_set(1, "iris:1", 2), replica_set(3, "iris:3", 1)
    assert serving(snapshot(one, three), snapshot(one, revision=1)) == one
    assert serving(snapshot(three), snapshot(three)) == {}


def test_what_was_current_comes_before_what_is_newer():
    """A rollback that was on its way: revision 1 is current, 2 serves still."""
    one, two = replica_set(1, "iris:1", 1), replica_set(2, "iris:2", 2)
    now = snapshot(one, two, replica_set(3, "iris:3"))
    assert serving(now, snapshot(one, two, revision=1)) == one
    assert serving(now, snapshot(one, two, revision=2)) == two


@pytest.mark.parametrize(("wanted", "name"), [(None, "h2"), (1, "h1"), (3, "h3"), (9, None)])
def test_a_revision(wanted, name):
    sets = [replica_set(n, f"iris:{n}") for n in (1, 2, 3)]
    found = find_revision(snapshot(*sets), wanted)
    assert found.get("metadata", {}).get("name") == (name and f"iris-{name}")


def test_the_one_before_may_be_far_below():
    sets = [replica_set(n, f"iris:{n}") for n in (2, 11, 10)]
    assert find_revision(snapshot(*sets, revision=11), None)["metadata"]["name"] == "iris-h10"
    only = [replica_set(11, "iris:11")]
    assert find_revision(snapshot(*only, revision=11), None) == {}


def test_the_one_before_is_none_that_failed():
    """Three failed, and deploy went back by itself: 4 is what 2 was."""
    sets = [replica_set(1, "iris:1"), replica_set(3, "iris:3", **{undo.FAILED: "probe"}),
            replica_set(4, "iris:2")]  # fmt: skip
    live = snapshot(*sets, revision=4, image="iris:2")
    assert find_revision(live, None)["metadata"]["name"] == "iris-h1"
    assert find_revision(live, 3)["metadata"]["name"] == "iris-h3", "by its number it is there"
    assert find_revision(snapshot(*sets[1:], revision=4, image="iris:2"), None) == {}
    assert [undo.failed(each) for each in sets] == ["", "probe", ""]


def test_the_one_before_has_other_pods():
    sets = [replica_set(1, "iris:1"), replica_set(2, "iris:2"), replica_set(3, "iris:2")]
    assert find_revision(snapshot(*sets, image="iris:2"), None)["metadata"]["name"] == "iris-h1"


def restarted(item):
    found = copy.deepcopy(item)
    annotations = found["spec"]["template"]["metadata"].setdefault("annotations", {})
    annotations["kubectl.kubernetes.io/restartedAt"] = "2026-01-01T00:00:00Z"
    return found


def test_the_one_before_is_more_than_restarted():
    sets = [replica_set(1, "iris:1"), replica_set(2, "iris:2"), restarted(replica_set(3, "iris:2"))]
    live = restarted(deployment("mlship", revision=3))
    now = Snapshot.of("iris", [live, *sets])
    assert find_revision(now, None)["metadata"]["name"] == "iris-h1"
    assert find_revision(now, 2)["metadata"]["name"] == "iris-h2", "by its number it is there"
    assert find_revision(Snapshot.of("iris", [live, *sets[1:]]), None) == {}
    # Nor where it was restarted alone, without any annotation before.
    for item in (live, *sets):
        item["spec"]["template"]["metadata"].pop("annotations")
    now = Snapshot.of("iris", [restarted(live), *sets[:2], restarted(sets[2])])
    assert find_revision(now, None)["metadata"]["name"] == "iris-h1"


def test_where_pods_differ():
    old, live = replica_set(2, "iris:2"), deployment("mlship")
    assert undo.differences(live, old) == undo.differences(live, live) == []
    (server,) = live["spec"]["template"]["spec"]["containers"]
    server |= {"image": "iris:3", "env": [{"name": "BAD", "value": "1"}], "args": None}
    live["spec"]["template"]["spec"]["volumes"] = [{"name": "x"}]
    assert undo.differences(live, old) == [
        ".spec.template.spec.containers[0].env", ".spec.template.spec.containers[0].image",
        ".spec.template.spec.volumes",
    ]  # fmt: skip


def test_the_mark_is_not_applied():
    """On the Deployment, the controller would copy it to every revision to come."""
    live = deployment("mlship")
    live["metadata"]["annotations"][undo.FAILED] = "probe"
    assert undo.FAILED not in appliable(live)["metadata"]["annotations"]
    old = replica_set(1, "iris:1", **{undo.FAILED: "probe", "mlship/by": "bob"})
    found = undo.with_template_of(live, old, "mlship")["metadata"]["annotations"]
    assert undo.FAILED not in found and found["mlship/by"] == "bob"
