"""What the API server refuses to admit, pods or manifests: quotas, policies, webhooks."""

from __future__ import annotations

import re

from mlship.rollout.fields import age, condition, word
from mlship.rollout.snapshot import Snapshot
from mlship.rollout.trouble import Trouble

# Seconds: a webhook's own pods restart, a ServiceAccount of a new namespace is made, a quota is
# counted for the first time.
_GRACE = 10
_QUOTA = re.compile(r"exceeded quota: (\S+), requested: (.+?), used: (.+?), limited: (\S+)")
_UNSPECIFIED = re.compile(r"failed quota: (\S+): must specify (.+)")
_RANGE = re.compile(
    r"(?:minimum|maximum) (\S+) usage per (\w+) is|(\S+) max limit to request ratio per (\w+) is"
)
_SECURITY = re.compile(r'violates PodSecurity "([^"]+)": (.+)', re.S)
_DENIED = re.compile(r'admission webhook "([^"]+)" denied the request(?:: ?(.*))?', re.S)
_FAILED = re.compile(r'failed calling webhook "([^"]+)"(?:: (.*))?', re.S)
_POLICY = re.compile(r"ValidatingAdmissionPolicy '([^']+)' .*?denied request: (.*)", re.S)
_ACCOUNT = re.compile(r"error looking up service account (\S+?)/([^\s:]+)")
_PRIORITY = re.compile(r"no PriorityClass with name (\S+) was found")
_RUNTIME = re.compile(r'RuntimeClass \\?"([^"\\]+)\\?" not found')


def trouble(snapshot: Snapshot) -> Trouble | None:
    """Say why the controller can't make the newest replica set, or its pods.

    Certain at once for quotas, limits, PodSecurity, policies and webhooks that deny: the same pod
    is refused again. A webhook that can't be reached, a missing ServiceAccount (the one of a new
    namespace takes a moment) and words that nobody knows are certain after ten seconds. Nothing
    is certain while pods of the project are being deleted: they give back their quota.
    """
    failed = condition(snapshot.newest, "ReplicaFailure") if snapshot.newest else {}
    if failed.get("status") != "True":
        failed = condition(snapshot.deployment, "Progressing")
        if word(failed, "reason") != "ReplicaSetCreateError" or not snapshot.is_seen:
            return None
    said = word(failed, "message")
    if word(failed, "reason") == "FailedDelete":
        return None
    found = refused(said) or Trouble(
        "pod-refused",
        "The API server refuses the pods",
        (said or word(failed, "reason"),),
        "correct what it names in k8s/, then `mlship deploy` again",
        certain=False,
    )
    is_old = age(word(failed, "lastTransitionTime"), snapshot.taken) >= _GRACE
    leaving = any(word(pod, "metadata", "deletionTimestamp") for pod in snapshot.pods)
    certain = (found.certain or is_old) and not (leaving and found.cause == "quota")
    return Trouble(found.cause, found.what, found.evidence, found.next, certain)


def refused(said: str) -> Trouble | None:
    """Read the words of an admission plugin; None where they are not one's."""
    if found := _QUOTA.search(said):
        name, requested, used, limited = found.groups()
        facts = tuple(_quota_lines(requested, used, limited)) or (said,)
        return Trouble(
            "quota", f"The quota {name} of the namespace leaves no room: {facts[0]}", facts,
            "ask for less (resources, replicas in mlship.yaml), or for a larger quota: "
            f"kubectl describe resourcequota {name}",
        )  # fmt: skip
    if found := _UNSPECIFIED.search(said):
        return Trouble(
            "quota", f"The quota {found.group(1)} of the namespace takes only pods that set "
            f"{found.group(2).split(' for:')[0]}", (said,),
            "set resources.requests and resources.limits in mlship.yaml",
        )  # fmt: skip
    if "status unknown for quota" in said:
        return Trouble("quota", "The quota of the namespace is not counted yet", (said,),
                       "kubectl describe resourcequota", certain=False)  # fmt: skip
    if found := _RANGE.search(said):
        resource, kind = found.group(1) or found.group(3), found.group(2) or found.group(4)
        rules = re.split(r", (?=minimum|maximum|\S+ max )", _after(said).strip("[]"))
        return Trouble(
            "limit-range",
            f"A LimitRange of the namespace does not allow this {resource} per {kind}",
            tuple(rules),
            "change resources in mlship.yaml to fit: kubectl describe limitrange",
        )
    if found := _SECURITY.search(said):
        rules = _rules(found.group(2))
        return Trouble(
            "pod-security",
            f"The namespace admits only pods of the {found.group(1).split(':')[0]} level of "
            f"PodSecurity; these break {len(rules)} rule{'s' * (len(rules) != 1)}",
            tuple(rules),
            "set what they name in k8s/base/deployment.yaml; as generated, it passes restricted",
        )
    return _by_webhook(said) or _by_name(said)


def _by_webhook(said: str) -> Trouble | None:
    if found := _DENIED.search(said):
        return Trouble(
            "admission-webhook", f"The webhook {found.group(1)} denies this",
            _lines(found.group(2) or said), "change k8s/ as it says; who runs it can say why",
        )  # fmt: skip
    if found := _POLICY.search(said):
        return Trouble(
            "admission-webhook", f"The policy {found.group(1)} of the cluster denies this",
            _lines(found.group(2)), "change k8s/ as it says: kubectl describe "
            f"validatingadmissionpolicy {found.group(1)}",
        )  # fmt: skip
    if found := _FAILED.search(said):
        return Trouble(
            "admission-webhook",
            f"The webhook {found.group(1)} does not answer, and nothing passes without it",
            _lines(found.group(2) or said),
            "ask who runs it to start it again: kubectl get validatingwebhookconfigurations,"
            "mutatingwebhookconfigurations",
            certain=False,
        )
    return None


def _by_name(said: str) -> Trouble | None:
    if found := _ACCOUNT.search(said):
        namespace, name = found.groups()
        return Trouble(
            "missing-service-account", f"There is no ServiceAccount {name} in {namespace}", (said,),
            f"kubectl --namespace {namespace} create serviceaccount {name}, or correct "
            "serviceAccountName in k8s/base/deployment.yaml", certain=False,
        )  # fmt: skip
    if found := _PRIORITY.search(said):
        return Trouble(
            "priority-class", f"There is no PriorityClass {found.group(1)}", (said,),
            "kubectl get priorityclasses, and correct priority_class in mlship.yaml",
        )  # fmt: skip
    if found := _RUNTIME.search(said):
        return Trouble(
            "runtime-class", f"There is no RuntimeClass {found.group(1)}", (said,),
            "kubectl get runtimeclasses, and correct runtimeClassName in k8s/base/deployment.yaml",
        )  # fmt: skip
    return None


def _quota_lines(requested: str, used: str, limited: str) -> list[str]:
    """Put side by side what is asked, used and allowed: ``memory=1Gi,pods=1`` each."""
    maps = [
        dict(p.split("=", 1) for p in t.split(",") if "=" in p) for t in (requested, used, limited)
    ]
    return [
        f"{key}: {maps[0][key]} more asked, {maps[1].get(key, '?')} used, "
        f"{maps[2].get(key, '?')} allowed"
        for key in maps[0]
    ]


def _rules(said: str) -> list[str]:
    """Split PodSecurity's list at the commas that stand outside parentheses."""
    found, depth, start = [], 0, 0
    for n, letter in enumerate(said):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(said[start:n].strip())
            start = n + 1
    return [*found, said[start:].strip()]


def _after(said: str) -> str:
    return said.split(" is forbidden: ")[-1].strip()


def _lines(said: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in said.strip().splitlines()[:8] if line.strip())
