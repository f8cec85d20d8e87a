"""Servers that run and do not answer their probes as they should."""

from __future__ import annotations

import re

from mlship.rollout.fields import age, moment, name, number, part, parts, value, word
from mlship.rollout.snapshot import Object, Snapshot, last_seen
from mlship.rollout.trouble import Trouble, Witness

# Seconds that a wrong answer must last: frameworks answer 404 or 500 for a moment at start.
PATIENCE = 10
# Where nothing tells since when it is wrong.
_BLIND_PATIENCE = 30
# These say "not now"; the generated server says 503 while it loads and while it drains.
_NOT_NOW = {429, 502, 503, 504}
_SIGNALS = {137, 143}  # 128 + SIGKILL, SIGTERM
_KILLED = re.compile(r"ontainer (\S+) failed (startup|liveness) probe")
_CODE = re.compile(r"statuscode: (\d{3})")


def killed(
    snapshot: Snapshot,
    pod: Object,
    spec: Object,
    status: Object,
    ended: Object,
    tail: tuple[str, ...],
) -> Trouble | None:
    """Say which probe had a container killed; certain: it had failureThreshold tries."""
    container = word(status, "name")
    began = moment(word(ended, "startedAt"))
    for event in reversed(snapshot.events_of(pod)):
        found = _KILLED.search(word(event, "message"))
        if word(event, "reason") != "Killing" or not found or found.group(1) != container:
            continue
        then = moment(last_seen(event))
        # Of an earlier death; but the events of this one may come later, or be one too many for
        # the kubelet (it drops them), and a server that a signal ends again was ended by it again.
        if began and then and then < began and number(ended, "exitCode") not in _SIGNALS:
            continue
        kind = found.group(2)
        said = _said(snapshot, pod, kind, container)
        return _trouble(kind, spec, said, "", (*tail,), certain=True, was_killed=True)
    return None


def failing(
    snapshot: Snapshot, pod: Object, spec: Object, status: Object, witness: Witness
) -> Trouble | None:
    """Say what a running server answers that is not ready.

    Certain when it has given a definite wrong answer (404, 500, ...) for ten seconds, and gives it
    still. 503, 429, timeouts and refused connections are what a server says that loads: only the
    startup probe, by its failureThreshold, can tell that this takes too long.
    """
    is_started = status.get("started") is not False
    kind = "readiness" if is_started or not part(spec, "startupProbe") else "startup"
    if not part(spec, f"{kind}Probe"):
        return None
    container = word(status, "name")
    began = word(status, "state", "running", "startedAt")
    events = _events(snapshot, pod, kind, container, since=began)
    said = _tail(events[-1]) if events else ""
    get, port, path = part(spec, f"{kind}Probe", "httpGet"), _port(spec, kind), ""
    answer = ""
    if get and port:
        path = word(get, "path") or "/"
        answer = witness.probe(name(pod), port, path)
    now = _status(answer)
    code = now or _status_of(said)
    definite = code >= 400 and code not in _NOT_NOW
    if events:
        first = max(word(events[-1], "firstTimestamp") or last_seen(events[-1]), began)
        long = age(first, snapshot.taken) >= PATIENCE
        definite = definite and _status_of(said) == code
    else:
        long = age(began, snapshot.taken) >= _BLIND_PATIENCE and bool(now)
    return _trouble(kind, spec, said, answer, (), certain=definite and long, was_killed=False)


def _events(snapshot: Snapshot, pod: Object, kind: str, container: str, since: str) -> list[Object]:
    """Return a probe's failures since a time, the newest last, one a message."""
    return [
        event
        for event in snapshot.events_of(pod)
        if word(event, "reason") == "Unhealthy"
        and word(event, "message").startswith(f"{kind.capitalize()} probe")
        and word(event, "involvedObject", "fieldPath") in {"", f"spec.containers{{{container}}}"}
        and last_seen(event) >= since
    ]


def _said(snapshot: Snapshot, pod: Object, kind: str, container: str) -> str:
    events = _events(snapshot, pod, kind, container, since="")
    return _tail(events[-1]) if events else ""


def _tail(event: Object) -> str:
    return word(event, "message").split(": ", 1)[-1]


def _status_of(said: str) -> int:
    found = _CODE.search(said)
    return int(found.group(1)) if found else 0


def _status(answer: str) -> int:
    return int(answer[:3]) if answer[:3].isdigit() else 0


def _port(spec: Object, kind: str) -> int:
    probe = part(spec, f"{kind}Probe")
    for way in ("httpGet", "tcpSocket", "grpc"):
        port = value(probe, way, "port")
        if isinstance(port, int):
            return port
        if port is not None:
            named = [p for p in parts(spec, "ports") if p.get("name") == port]
            return number(named[0], "containerPort") if named else 0
    return 0


def asked(spec: Object, kind: str) -> str:
    """Return what a probe asks: ``GET :8000/readyz``."""
    probe, port = part(spec, f"{kind}Probe"), _port(spec, kind)
    if "httpGet" in probe:
        return f"GET :{port or '?'}{word(probe, 'httpGet', 'path') or '/'}"
    if "exec" in probe:
        return " ".join(map(str, value(probe, "exec", "command") or ["its command"]))
    return f"port {port}" if port else "its probe"


def _trouble(
    kind: str,
    spec: Object,
    said: str,
    answer: str,
    tail: tuple[str, ...],
    *,
    certain: bool,
    was_killed: bool,
) -> Trouble:
    code = _status(answer) or _status_of(said)
    result, fix = _reading(kind, spec, code, said)
    if was_killed:
        what = (
            f"The server was killed, because its {kind} probe failed: {asked(spec, kind)} {result}"
        )
    elif said or answer:
        what = f"The server is not ready: its {kind} probe {asked(spec, kind)} {result}"
    else:
        what = f"The server runs and has not answered its {kind} probe yet: {asked(spec, kind)}"
    facts = [f"{kind} probe: {said}"] if said else []
    if answer:
        facts.append(f"answer now: {answer}")
    return Trouble("probe", what, (*facts, *tail), fix, certain)


def _reading(kind: str, spec: Object, code: int, said: str) -> tuple[str, str]:
    probe = part(spec, f"{kind}Probe")
    where = f"{kind}Probe in k8s/base/deployment.yaml"
    span = (number(probe, "periodSeconds") or 10) * (number(probe, "failureThreshold") or 3)
    slow = f"raise failureThreshold of the {where} (now {span} s in all), or give it more cpu"
    if 200 <= code < 400:
        return f"answers {code}: it is about to be ready", "wait"
    if code == 404:
        return "answers 404", f"correct path in the {where}, or add that path to the server"
    if code in {401, 403}:
        return f"answers {code}", "let the probes' paths pass without credentials"
    if code in _NOT_NOW:
        return f"answers {code}: it says it is not ready yet", slow
    if code:
        why = "correct it; with --no-rollback the pod stays, and `mlship logs` says why"
        return f"answers {code}", why
    if "connection refused" in said:
        return (
            "finds nothing that listens there",
            f"have the server listen on 0.0.0.0, on the port of the {where}",
        )
    if "deadline exceeded" in said or "timeout" in said:
        return (
            f"gets no answer within {number(probe, 'timeoutSeconds') or 1} s",
            f"raise timeoutSeconds of the {where}, or resources.limits.cpu in mlship.yaml",
        )
    return "fails", f"correct the {where}, or what it asks"
