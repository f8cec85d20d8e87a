"""What the API server answers when it refuses: the ``Status`` objects, word for word."""

from __future__ import annotations

from tests.support.fake_cluster.resources import Object, Resource


class Refused(Exception):
    """The API server's no: a ``Status``."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None):
        super().__init__(message)
        self.code = code
        self.status: Object = {
            **{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"},
            **{"message": message, **({"reason": reason} if reason else {})},
            **({"details": details} if details else {}),
            "code": code,
        }


def details(resource: Resource, name: str = "", **more: object) -> Object:
    """Say which object an answer is about."""
    named = {"name": name, "group": resource.group, "kind": resource.plural, **more}
    return {key: value for key, value in named.items() if value}


def not_found(resource: Resource, name: str) -> Refused:
    message = f'{resource.qualified} "{name}" not found'
    return Refused(404, "NotFound", message, details(resource, name))


def already_exists(resource: Resource, name: str) -> Refused:
    message = f'{resource.qualified} "{name}" already exists'
    return Refused(409, "AlreadyExists", message, details(resource, name))


def stale(resource: Resource, name: str) -> Refused:
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )
    return Refused(409, "Conflict", message, details(resource, name))


def forbidden(resource: Resource, name: str, why: str) -> Refused:
    """Refuse with 403, whoever says so: RBAC, a quota, pod security, a closing namespace."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    message = f"{subject} is forbidden: {why}"
    return Refused(403, "Forbidden", message, details(resource, name))


def may_not(
    user: str, verb: str, resource: Resource, sub: str, namespace: str, name: str
) -> Refused:
    """Refuse as RBAC does."""
    what = f"{resource.plural}/{sub}" if sub else resource.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    group = resource.group
    why = f'User "{user}" cannot {verb} resource "{what}" in API group "{group}" {where}'
    return forbidden(resource, name, why)


def invalid(resource: Resource, name: str, problems: list[tuple[str, str, str]]) -> Refused:
    """Refuse with 422; each problem is a field, a reason, a message."""
    told = [f"{field}: {message}" for field, _, message in problems]
    group = f".{resource.group}" if resource.group else ""
    message = f'{resource.kind}{group} "{name}" is invalid: '
    causes = [{"reason": why, "message": text, "field": at} for at, why, text in problems]
    shown = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    about = {"name": name, "group": resource.group, "kind": resource.kind, "causes": causes}
    return Refused(422, "Invalid", message + shown, about)


def conflicts(found: list[tuple[str, str]]) -> Refused:
    """Refuse a server-side apply; each conflict is the other manager and a field."""
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
        for manager, field in found
    ]
    if len(found) == 1:
        message = f"1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines = []
        for manager in sorted({manager for manager, _ in found}):
            fields = [f"- {field}" for other, field in found if other == manager]
            lines += [f"conflicts with {manager}:", *fields]
        message = f"{len(found)} conflicts: " + "\n".join(lines)
    return Refused(409, "Conflict", f"Apply failed with {message}", {"causes": causes})
