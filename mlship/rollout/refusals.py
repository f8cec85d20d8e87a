"""What kubectl printed when the API did not take the manifests, in plain words."""

from __future__ import annotations

import re

from mlship.commands.kubectl import Target
from mlship.errors import ClusterError
from mlship.rollout import admission, mistakes, reaching, rights
from mlship.rollout.trouble import Trouble

# The causes that only kubectl's own text shows; those of admission may come here, too.
CAUSES = (
    "no-context", "credentials", "tls", "unreachable", "forbidden", "no-namespace",
    "field-conflict", "missing-crd", "version-skew", "invalid-manifest", "api-busy", "not-removed",
    "refused",
)  # fmt: skip
# klog's lines repeat on stderr what kubectl says in the end.
_KLOG = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ .*$\n?", re.M)
_ABSENT = re.compile(r'namespaces "([^"]+)" not found')
_ENDING = re.compile(r"namespace (\S+) because it is being terminated")
_BUSY = re.compile(
    r"\((?:TooManyRequests|Timeout|ServerTimeout|ServiceUnavailable|InternalError)\)|etcdserver:|"
    r"currently unable to handle the request|too many requests|context deadline exceeded|"
    r"unable to return a response in the time allotted"
)

# kubectl/pkg/cmd/wait: what a delete waits for in vain. Older ones don't say on what.
_REMAINS = re.compile(r"^error: timed out waiting for the condition(?: on (\S+))?$", re.M)


def refusal(
    output: str, *, namespace: str = "default", program: str = "kubectl", applied: bool = True
) -> Trouble:
    """Return the cause of what kubectl printed when it failed; always certain.

    Args:
        output: its stderr (or both streams).
        namespace: that of the target.
        program: kubectl, as one would type it.
        applied: whether it was to apply manifests; unknown words are about those then.
    """
    said = _KLOG.sub("", output).strip() or output.strip()
    found = admission.refused(said)
    if found:
        return Trouble(found.cause, found.what, found.evidence, found.next)
    return (
        _remains(said, namespace, program)
        or reaching.trouble(said, program)
        or _namespace(said, namespace, program)
        or rights.trouble(said, namespace, program)
        or mistakes.conflict(said)
        or mistakes.unknown_kind(said)
        or _busy(said)
        or mistakes.invalid(said)
        or _other(said, applied)
    )


def unread(output: str) -> frozenset[str]:
    """Return which resources kubectl could not get for want of rights, ``secrets``.

    Empty where that is not all that it complains of.
    """
    lines = _KLOG.sub("", output).splitlines()
    found = [rights.unread(line) for line in lines if line.strip() and line[:8] != "Warning:"]
    return frozenset(found if all(found) else ())


def _namespace(said: str, namespace: str, program: str) -> Trouble | None:
    if found := _ABSENT.search(said):
        return Trouble(
            "no-namespace", f"There is no namespace {found.group(1)}", _last(said),
            f"mlship deploy --create-namespace, or {program} create namespace {found.group(1)}",
        )  # fmt: skip
    if found := _ENDING.search(said):
        return Trouble(
            "no-namespace", f"The namespace {found.group(1)} is being deleted", _last(said),
            "wait until it is gone, then mlship deploy --create-namespace",
        )  # fmt: skip
    return None


def _busy(said: str) -> Trouble | None:
    if not _BUSY.search(said):
        return None
    return Trouble(
        "api-busy", "The API server of the cluster is overloaded or not well", _last(said),
        "run the same command again in a minute",
    )  # fmt: skip


def _other(said: str, applied: bool) -> Trouble:
    if applied:
        what, fix = "The cluster refused the manifests", "correct what it names in k8s/"
    else:
        what, fix = "kubectl failed", "mend what it names, then run the same command again"
    return Trouble("refused", what, _last(said), fix)


def _remains(said: str, namespace: str, program: str) -> Trouble | None:
    found = _REMAINS.search(said)
    if not found:
        return None
    what = found.group(1) or "an object"
    look = f"{program} --namespace {namespace} get {found.group(1) or 'KIND/NAME'} --output yaml"
    return Trouble(
        "not-removed", f"The removal of {what} does not end: see its finalizers", _last(said),
        f"{look}; start what takes its finalizers off (an operator that is down; for "
        "foregroundDeletion, its pods have to end), or remove them",
    )  # fmt: skip


def _last(said: str) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in said.splitlines()[-8:] if line.strip())


def refused(target: Target, output: str, *, applied: bool = False) -> ClusterError:
    """Return the error for what kubectl printed when it could not do, or apply, something."""
    found = refusal(output, namespace=target.namespace, program=target.program, applied=applied)
    why = "\n".join(found.evidence)
    return ClusterError(found.what, why=why, next=found.next, cause=found.cause)
