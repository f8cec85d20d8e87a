"""Who may do what: rules that a test lays down, and the reviews that ask for them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.fake_cluster import answers
from tests.support.fake_cluster.requests import Asked
from tests.support.fake_cluster.resources import Object, Resource


@dataclass
class Rule:
    """A verb on a resource that is refused; ``*`` stands for every one.

    Attributes:
        resource: ``deployments``, or with a subresource ``deployments/scale``, ``pods/log``.
        namespace: only there; empty: everywhere.
        answer: what is answered instead of 403.
        times: how often; None: always.
    """

    verb: str
    resource: str
    namespace: str = ""
    answer: answers.Refused | None = None
    times: int | None = None

    def holds(self, verb: str, resource: str, namespace: str) -> bool:
        return (
            self.times != 0
            and self.verb in ("*", verb)
            and self.resource in ("*", resource)
            and self.namespace in ("", namespace)
        )


def check(rules: list[Rule], asked: Asked) -> None:
    """Refuse what a rule refuses."""
    what = f"{asked.resource.plural}/{asked.sub}" if asked.sub else asked.resource.plural
    where = asked.namespace or (asked.name if asked.resource.kind == "Namespace" else "")
    for rule in rules:
        if rule.holds(asked.verb, what, where):
            if rule.times is not None:
                rule.times -= 1
            raise rule.answer or answers.may_not(
                *(asked.user, asked.verb, asked.resource, asked.sub, where, asked.name)
            )


def review(rules: list[Rule], resource: Resource, sent: Object, user: str) -> Object:
    """Answer ``kubectl auth can-i`` and ``kubectl auth whoami``."""
    if resource.kind == "SelfSubjectReview":
        status: Object = {"userInfo": {"username": user, "groups": ["system:authenticated"]}}
    else:
        asked = sent["spec"].get("resourceAttributes") or {}
        sub = asked.get("subresource", "")
        what = asked.get("resource", "") + (f"/{sub}" if sub else "")
        refused = any(
            r.holds(asked.get("verb", ""), what, asked.get("namespace", ""))
            for r in rules
            if r.answer is None
        )
        status = {"allowed": not refused, **({} if refused else {"reason": "allowed by the test"})}
    return sent | {"status": status}
