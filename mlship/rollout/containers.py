"""Containers that can't start, or start and end."""

from __future__ import annotations

import re

from mlship.rollout import configs, images, logs, probes
from mlship.rollout.fields import amount, name, number, part, parts, word, written
from mlship.rollout.snapshot import Object, Snapshot
from mlship.rollout.trouble import Trouble, Witness

# kubelet/kuberuntime/kuberuntime_container.go and kubelet/container/sync_result.go.
_CANNOT_START = {
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError",
    "PreStartHookError", "PostStartHookError",
}  # fmt: skip
# runc's words for a limit below what it needs itself (opencontainers/runc pull request 2812).
_TOO_LITTLE = re.compile(r"OOM-killed|memory limit too low|unable to set memory limit")
_SAME_AGAIN = re.compile(
    r"executable file not found|no such file or directory|permission denied|runAsNonRoot|"
    r"is a directory|exec format error|not a directory"
)
# What may go better when the model is loaded again: it was fetched, or a disk was in the way.
_PASSING = {
    "ConnectionError", "TimeoutError", "OSError", "URLError", "HTTPError", "gaierror",
    "ConnectionResetError", "ConnectionRefusedError", "BrokenPipeError",
}  # fmt: skip
_EXITS = {
    126: "its command may not be run",
    127: "its command was not found",
    134: "it aborted",
    137: "it was killed (SIGKILL)",
    139: "it crashed in native code (SIGSEGV)",
    143: "it was told to stop (SIGTERM)",
}
_BUILT_ANEW = "mlship build (--push where the cluster pulls from a registry), then mlship deploy"


def trouble(snapshot: Snapshot, pod: Object, witness: Witness) -> Trouble | None:
    """Return what is wrong with the first container of a pod that is in trouble."""
    for kind, statuses in (
        ("initContainers", "initContainerStatuses"), ("containers", "containerStatuses"),
    ):  # fmt: skip
        for status in parts(pod, "status", statuses):
            spec = next(
                (c for c in parts(pod, "spec", kind) if c.get("name") == status.get("name")), {}
            )
            found = _trouble(snapshot, pod, spec, status, witness, kind == "initContainers")
            if found:
                return found
    return None


def _trouble(
    snapshot: Snapshot,
    pod: Object,
    spec: Object,
    status: Object,
    witness: Witness,
    is_init: bool,
) -> Trouble | None:
    state = part(status, "state")
    done = part(state, "terminated")
    if status.get("ready") or (is_init and done and number(done, "exitCode") == 0):
        return None
    if found := images.trouble(snapshot, pod, status):
        return found
    ended = done or part(status, "lastState", "terminated")
    if found := _cannot_start(snapshot, spec, status, ended, witness):
        return found
    if ended and not (is_init and number(ended, "exitCode") == 0):
        # The kubelet shows the run that ended last, also while the next one waits to be started.
        lines = witness.log(name(pod), word(status, "name"), previous=bool(state.get("running")))
        return _death(snapshot, pod, spec, status, ended, lines, is_init)
    if part(state, "running") and not is_init:
        return probes.failing(snapshot, pod, spec, status, witness)
    return None


def _cannot_start(
    snapshot: Snapshot, spec: Object, status: Object, ended: Object, witness: Witness
) -> Trouble | None:
    """Say why a container can't be created or run.

    Certain at once where the words show that the next try finds the same: no such command, not
    allowed to run as root. Anything else (a runtime that is slow or being restarted) at the
    second try.
    """
    waiting = part(status, "state", "waiting")
    reason, said = word(waiting, "reason"), word(waiting, "message")
    if word(ended, "reason") in {"StartError", "ContainerCannotRun"}:
        reason, said = "RunContainerError", word(ended, "message") or said
    if reason not in _CANNOT_START:
        return None
    if found := configs.missing(said, witness):
        return found
    if _TOO_LITTLE.search(said):
        return _out_of_memory(spec, [said], "can't even be started")
    certain = bool(_SAME_AGAIN.search(said)) or number(status, "restartCount") >= 1
    what, next_step = (
        f"The container {_called(status)} can't be started",
        "correct the command in the Dockerfile, or securityContext in k8s/base/deployment.yaml",
    )
    if "runAsNonRoot" in said:
        what = f"The image of {_called(status)} runs as root, which the manifests forbid"
        next_step = (
            "end the Dockerfile with a USER of a number other than 0 (USER 10001), or set "
            "runAsUser in k8s/base/deployment.yaml"
        )
    elif command := re.search(r'exec: \\?"([^"\\]+)\\?"', said):
        what = f"The image of {_called(status)} has no command {command.group(1)} that can be run"
        next_step = "correct CMD in the Dockerfile (or command: in k8s/), build, deploy again"
    elif "Hook" in reason:
        what = f"The {reason.removesuffix('Error')} of {_called(status)} fails"
        next_step = "correct lifecycle: in k8s/base/deployment.yaml"
    return Trouble("create-error", what, (f"{reason}: {said}".strip(": "),), next_step, certain)


def _death(
    snapshot: Snapshot,
    pod: Object,
    spec: Object,
    status: Object,
    ended: Object,
    lines: list[str],
    is_init: bool,
) -> Trouble:
    """Say why a container ended.

    Certain at the first death: no memory (the same model needs as much again), another model than
    the one meant, a model that can't be loaded (the same file and code), a probe that had the
    container killed (it had failureThreshold tries). Any other end only when it is in
    CrashLoopBackOff or has been restarted twice: a server may end once because something it needs
    comes later.
    """
    code, tail = number(ended, "exitCode"), logs.last_lines(lines)
    again = (
        word(status, "state", "waiting", "reason") == "CrashLoopBackOff"
        or number(status, "restartCount") >= 2
    )
    gunicorn = logs.line_with(lines, "Perhaps out of memory")
    if word(ended, "reason") == "OOMKilled" or gunicorn:
        return _out_of_memory(
            spec, list(tail), "was killed" if not is_init else "was killed in init"
        )
    if found := probes.killed(snapshot, pod, spec, status, ended, tail):
        return found
    who = f"The init container {_called(status)}" if is_init else "The server"
    if found_digests := logs.digests(lines):
        return _wrong_model(found_digests, tail, is_init)
    if refused := logs.line_with(lines, "model refused:"):
        return Trouble(
            "model-missing", f"{who} finds no model file", (refused,),
            _BUILT_ANEW,
        )  # fmt: skip
    if logs.line_with(lines, "the model could not be loaded"):
        error = logs.error_line(lines)
        what = (
            f"The model could not be loaded: {error}" if error else "The model could not be loaded"
        )
        passes = logs.error_name(error) in _PASSING
        return Trouble("model-load", what, tail, _load_next(error), again or not passes)
    ends = f"ended with exit code {code}"
    if code in _EXITS:
        ends += f": {_EXITS[code]}"
    elif code == 0:
        ends = "ended by itself (exit code 0), though a server must go on"
    # A rollback takes the pod, and its log, away.
    log = "with --no-rollback the pod stays, and `mlship logs --previous` shows all of its log"
    error = logs.error_line(lines)
    if is_init:
        return Trouble(
            "init-container", f"{who} {ends}", tail or (word(ended, "message") or ends,),
            f"correct what it says; {log}", again,
        )  # fmt: skip
    times = number(status, "restartCount") + (1 if part(status, "state", "terminated") else 0)
    what = f"{who} {ends}" + (f", {times} times" if times > 1 else "")
    return Trouble(
        "crash-loop", what + (f": {error}" if error and code not in _EXITS else ""),
        tail or (word(ended, "message") or f"{ends}; it wrote no log",),
        f"correct that, build, deploy again; {log}", again,
    )  # fmt: skip


def _out_of_memory(spec: Object, evidence: list[str], how: str) -> Trouble:
    limit = word(spec, "resources", "limits", "memory")
    size = amount(limit) if limit else None
    says = f"its limit of {limit}" if limit else "the memory that its node has"
    more = f" (say, to {_twice(limit)})" if size else ""
    asked = word(spec, "resources", "requests", "memory")
    facts = [f"limit {limit or 'none'}, request {asked or 'none'}; it wanted more"]
    if size:
        facts = [f"limit {limit} ({written('memory', size)}), request {asked or 'none'}"]
    return Trouble(
        "out-of-memory",
        f"The container {word(spec, 'name') or 'server'} {how}: it needs more memory than {says}",
        (*facts, *evidence),
        f"raise resources.limits.memory in mlship.yaml{more}, then `mlship deploy` again",
    )


def _twice(limit: str) -> str:
    found = re.fullmatch(r"(\d+)(\D*)", limit)
    return f"{2 * int(found.group(1))}{found.group(2)}" if found else f"twice {limit}"


def _wrong_model(digests: tuple[str, str], tail: tuple[str, ...], is_init: bool) -> Trouble:
    found, expected = digests
    where = "fetched" if is_init else "in the image"
    facts = (f"found    {found}", f"expected {expected}") if found else tail
    fix = (
        "put the model that was meant at that address, or `mlship init --force` for the new one"
        if is_init
        else _BUILT_ANEW
    )
    return Trouble("bad-model-hash", f"The model {where} is not the one meant: sha256 differs",
                   facts, fix)  # fmt: skip


def _load_next(error: str) -> str:
    missing = re.search(r"No module named '([^'.]+)", error)
    if missing:
        return f"add {missing.group(1)} to requirements.txt, build, deploy again"
    return "mlship run shows the same here; correct it, build, deploy again"


def _called(status: Object) -> str:
    return word(status, "name") or "server"
