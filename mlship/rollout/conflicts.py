"""Conflicts of server-side apply, as kubectl tells them: whose fields one would change."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

# `conflict with "kubectl-scale" with subresource "scale" using apps/v1: .spec.replicas`, or
# `conflicts with "x" using v1:` and a line `- .spec.a` for each, as apimachinery's
# managedfields.NewConflictError words it.
_OWNER = re.compile(r'conflicts? with "(?P<manager>[^"]+)"[^:\n]*:(?P<field>[ \t]*\.\S+)?')
# What a `kubectl apply` without --server-side goes by.
PLAIN_APPLY = "kubectl-client-side-apply"
_FIELD = re.compile(r"^- (\.\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Conflict:
    """A field that somebody else set, and that mlship would change."""

    manager: str
    field: str


def parse(output: str) -> list[Conflict]:
    """Return the conflicts in what kubectl printed; none where it speaks of something else."""
    found = []
    owners = list(_OWNER.finditer(output))
    for owner, following in itertools.zip_longest(owners, owners[1:]):
        if owner["field"]:
            found.append(Conflict(owner["manager"], owner["field"].strip()))
            continue
        text = output[owner.end() : following.start() if following else None]
        found += [Conflict(owner["manager"], field) for field in _FIELD.findall(text)]
    return found


def is_ours_to_take(conflict: Conflict, *, fixed: bool, was_ours: bool = False) -> bool:
    """Tell whether taking the field over is what was asked for.

    A fixed count takes it from whatever set it; what handed a count over was mlship itself. An
    object that was mlship's (``was_ours``) and that a plain `kubectl apply` set was made of k8s/.
    """
    if was_ours and conflict.manager == PLAIN_APPLY:
        return True
    return conflict.manager == "mlship-replicas" or (fixed and conflict.field == ".spec.replicas")
