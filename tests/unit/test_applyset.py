"""The record of what is the project's on a cluster, by the ApplySet specification."""

import base64
import hashlib
import re

import pytest

from mlship import __version__
from mlship.cluster import applyset


def test_the_id_is_computed_as_the_specification_says():
    """base64(sha256(<name>.<namespace>.<kind>.<group>)), URL-safe, without padding; KEP-3659."""
    digest = hashlib.sha256(b"iris-mlship.ml.ConfigMap.").digest()
    want = base64.b64encode(digest).decode().translate(str.maketrans("+/", "-_")).rstrip("=")
    found = applyset.identity("iris", "ml")
    assert found == f"applyset-{want}-v1"
    # It is the value of a label.
    assert len(found) <= 63
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", found)
    assert len({applyset.identity(a, b) for a in "xy" for b in "xy"}) == 4


def test_the_parent():
    parent = applyset.parent("iris", "ml", {"Service", "Deployment.apps"})
    assert (parent["apiVersion"], parent["kind"]) == ("v1", "ConfigMap")
    assert parent["metadata"]["name"] == "iris-mlship"
    assert parent["metadata"]["namespace"] == "ml"
    assert parent["metadata"]["labels"] == {
        "applyset.kubernetes.io/id": applyset.identity("iris", "ml"),
        "app.kubernetes.io/managed-by": "mlship",
    }
    assert parent["metadata"]["annotations"] == {
        "applyset.kubernetes.io/tooling": f"mlship/v{__version__}",
        "applyset.kubernetes.io/contains-group-kinds": "Deployment.apps,Service",
    }
    assert applyset.kinds_of(parent) == {"Service", "Deployment.apps"}
    # A parent is no member of its set.
    assert applyset.PART_OF not in parent["metadata"]["labels"]


@pytest.mark.parametrize("parent", [{}, {"metadata": {}}, {"metadata": {"annotations": {}}}])
def test_no_parent(parent):
    assert applyset.kinds_of(parent) == set()


def item(kind, name, version="v1", **more):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}


@pytest.mark.parametrize(
    ("version", "kind", "group_kind"),
    [("v1", "Service", "Service"), ("apps/v1", "Deployment", "Deployment.apps"),
     ("networking.k8s.io/v1", "NetworkPolicy", "NetworkPolicy.networking.k8s.io")],
)  # fmt: skip
def test_group_kinds(version, kind, group_kind):
    assert applyset.group_kind(item(kind, "x", version)) == group_kind


def replica_set(**pod):
    containers = pod.pop("containers", [{"name": "server"}])
    return item("ReplicaSet", "iris-1", "apps/v1",
                spec={"template": {"spec": {"containers": containers, **pod}}})  # fmt: skip


def test_stale():
    members = [item("Service", "old"), item("Service", "iris"), item("ConfigMap", "iris-a"),
               item("Deployment", "iris", "apps/v1")]  # fmt: skip
    rendered = [item("Service", "iris"), item("Deployment", "iris", "apps/v1")]
    found = applyset.stale(members, rendered, [replica_set()])
    assert [applyset.key(each) for each in found] == [("Service", "old"), ("ConfigMap", "iris-a")]
    # Where no revision was seen, any may need a ConfigMap.
    assert applyset.stale(members, rendered, []) == [members[0]]


def test_what_another_made_of_ours_is_not_ours():
    """KEDA copies the labels of its ScaledObject to its autoscaler."""
    keda = item("HorizontalPodAutoscaler", "keda-hpa-iris", "autoscaling/v2")
    keda["metadata"]["ownerReferences"] = [{"kind": "ScaledObject", "controller": True}]
    shared = item("ConfigMap", "shared")
    shared["metadata"]["ownerReferences"] = [{"kind": "Something", "controller": False}]
    assert applyset.is_owned(keda) and not applyset.is_owned(shared)
    assert applyset.stale([keda, shared], [], [replica_set()]) == [shared]


def test_another_version_of_the_api_is_the_same_object():
    live = [item("HorizontalPodAutoscaler", "iris", "autoscaling/v1")]
    rendered = [item("HorizontalPodAutoscaler", "iris", "autoscaling/v2")]
    assert applyset.stale(live, rendered, []) == []


@pytest.mark.parametrize(
    "pod",
    [
        {"containers": [{"name": "server", "envFrom": [{"secretRef": {"name": "s"}},
                                                       {"configMapRef": {"name": "iris-a"}}]}]},
        {"containers": [{"name": "x"}, {"name": "server", "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "iris-a", "key": "k"}}}]}]},
        {"initContainers": [{"name": "fetch", "envFrom": [{"configMapRef": {"name": "iris-a"}}]}]},
        {"volumes": [{"name": "tmp", "emptyDir": {}},
                     {"name": "v", "configMap": {"name": "iris-a"}}]},
        {"volumes": [{"name": "v", "projected": {"sources": [
            {"secret": {"name": "s"}}, {"configMap": {"name": "iris-a"}}]}}]},
    ],
    ids=["envFrom", "env", "init", "volume", "projected"],
)  # fmt: skip
def test_what_a_revision_needs_stays(pod):
    members = [item("ConfigMap", "iris-a"), item("ConfigMap", "iris-b"), item("Service", "iris-a")]
    found = applyset.stale(members, [], [replica_set(), replica_set(**pod)])
    assert [applyset.key(each) for each in found] == [
        ("ConfigMap", "iris-b"), ("Service", "iris-a"),
    ]  # fmt: skip


def test_what_holds_data_stays():
    members = [item("PersistentVolumeClaim", "models"), item("Namespace", "ml"),
               item("Secret", "iris-a"), item("Secret", "iris-b"),
               item("Service", "old")]  # fmt: skip
    env = [{"secretRef": {"name": "iris-a"}}]
    sets = [replica_set(containers=[{"name": "server", "envFrom": env}])]
    assert applyset.stale(members, [], sets) == [members[-1]]
    # One that a revision needs is no news.
    kept = applyset.staying(members, [members[0]], sets)
    assert [applyset.key(each) for each in kept] == [("Namespace", "ml"), ("Secret", "iris-b")]
