"""Who manages the fields of an object."""

import copy

from mlship.rollout.managers import taking_over

SERVER = 'k:{"name":"server"}'


def entry(manager, operation="Update", **fields):
    return {"manager": manager, "operation": operation, "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": fields}  # fmt: skip


def spec(template=None, **others):
    return {"f:spec": others | ({} if template is None else {"f:template": template})}


def container(**fields):
    return {"f:spec": {"f:containers": {SERVER: fields}}}


def deployment(*entries):
    return {"metadata": {"generation": 7, "managedFields": list(entries)}}


STATUS = entry("kube-controller-manager", **{"f:status": {"f:replicas": {}}})
COUNT = entry("kubectl", **spec(**{"f:replicas": {}}))


def test_the_template_of_others_becomes_ours():
    ours = entry("mlship", "Apply", **spec(container(**{".": {}, "f:image": {}}),
                                           **{"f:strategy": {}}))  # fmt: skip
    env = {"f:env": {'k:{"name":"BAD"}': {".": {}, "f:value": {}}}}
    mixed = entry("kubectl-edit", **spec({"f:metadata": {"f:annotations": {}}},
                                         **{"f:paused": {}}))  # fmt: skip
    live = deployment(ours, COUNT, entry("kubectl-set", **spec(container(**env))), mixed, STATUS)
    before = copy.deepcopy(live)
    test, owners = taking_over(live, "mlship")
    assert live == before, "the one that was given stays as it is"
    assert test == {"op": "test", "path": "/metadata/generation", "value": 7}
    assert (owners["op"], owners["path"]) == ("replace", "/metadata/managedFields")
    template = container(**{".": {}, "f:image": {}, **env}) | {"f:metadata": {"f:annotations": {}}}
    assert owners["value"] == [
        entry("mlship", "Apply", **spec(template, **{"f:strategy": {}})),
        COUNT,
        entry("kubectl-edit", **spec(**{"f:paused": {}})),
        STATUS,
    ]


def test_what_is_ours_needs_no_patch():
    ours = entry("mlship", "Apply", **spec(container(**{"f:image": {}})))
    assert taking_over(deployment(ours, COUNT, STATUS), "mlship") == []
    assert taking_over({"metadata": {}}, "mlship") == []


def test_what_was_never_applied_gets_an_entry():
    """Of ours by `kubectl patch --field-manager`, an apply removes nothing either."""
    template = container(**{"f:image": {}})
    live = deployment(entry("mlship", "Update", **spec(template)), STATUS)
    assert taking_over(live, "mlship")[1]["value"] == [
        entry("mlship", "Apply", **spec(template)), STATUS,
    ]  # fmt: skip
