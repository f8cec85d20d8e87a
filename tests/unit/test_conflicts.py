"""Whose fields one would change, as kubectl 1.31 to 1.36 tell it."""

import pytest

from mlship.rollout.conflicts import Conflict, is_ours_to_take, parse

ADVICE = """
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts
"""
IMAGE = '.spec.template.spec.containers[name="server"].image'
ONE = 'error: Apply failed with 1 conflict: conflict with "kubectl-scale" with subresource "scale" '
MANY = f"""error: Apply failed with 4 conflicts: conflicts with "argocd-controller":
- .spec.minReadySeconds
- {IMAGE}
conflicts with "kubectl-edit" using apps/v1:
- .spec.template.metadata.annotations.prometheus.io/path
- .spec.replicas"""


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('Apply failed with 1 conflict: conflict with "other": .spec.replicas',
         [("other", ".spec.replicas")]),
        (f"{ONE}using apps/v1: .spec.replicas", [("kubectl-scale", ".spec.replicas")]),
        ('conflict with "kubectl-client-side-apply" using apps/v1: .metadata.labels.a',
         [("kubectl-client-side-apply", ".metadata.labels.a")]),
        (f'Apply failed with 1 conflict: conflict with "x": {IMAGE}', [("x", IMAGE)]),
        (MANY, [
            ("argocd-controller", ".spec.minReadySeconds"),
            ("argocd-controller", IMAGE),
            ("kubectl-edit", ".spec.template.metadata.annotations.prometheus.io/path"),
            ("kubectl-edit", ".spec.replicas"),
        ]),
        # Objects after each other, each with its own.
        ('error: Apply failed with 1 conflict: conflict with "a": .data.x\n'
         'error: Apply failed with 2 conflicts: conflicts with "b" using v1:\n- .spec.y\n'
         "- .spec.z", [("a", ".data.x"), ("b", ".spec.y"), ("b", ".spec.z")]),
    ],
    ids=["one", "subresource", "version", "list", "several", "objects"],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", ADVICE])
def test_parse(said, found, end):
    assert [(each.manager, each.field) for each in parse(said + end)] == found


@pytest.mark.parametrize(
    "said",
    ["", ADVICE, "Unable to connect to the server: dial tcp: i/o timeout",
     'Error from server (Conflict): Operation cannot be fulfilled on deployments.apps "iris": the '
     "object has been modified; please apply your changes to the latest version and try again"],
)  # fmt: skip
def test_other_words_hold_none(said):
    assert parse(said) == []


@pytest.mark.parametrize(
    ("manager", "field", "fixed", "ours"),
    [
        ("mlship-replicas", ".spec.replicas", False, True),
        ("kube-controller-manager", ".spec.replicas", True, True),
        ("kubectl-scale", ".spec.replicas", True, True),
        ("kubectl-scale", ".spec.replicas", False, False),
        ("argocd-controller", IMAGE, True, False),
        ("x", ".spec.replicasets", True, False),
    ],
)
def test_whose_it_is(manager, field, fixed, ours):
    assert is_ours_to_take(Conflict(manager, field), fixed=fixed) is ours


@pytest.mark.parametrize(
    ("manager", "was_ours", "ours"),
    [
        ("kubectl-client-side-apply", True, True),
        ("kubectl-client-side-apply", False, False),
        ("kubectl-edit", True, False),
        ("argocd-controller", True, False),
    ],
)
def test_what_a_plain_kubectl_apply_of_k8s_made_is_ours(manager, was_ours, ours):
    found = is_ours_to_take(Conflict(manager, IMAGE), fixed=False, was_ours=was_ours)
    assert found is ours
