"""Who runs mlship, as a history names people."""

from __future__ import annotations

import getpass
import os
import socket

# What the well-known CI services call whoever caused a run.
_ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR")


def me() -> str:
    """Return ``ann@laptop``; in CI, whoever caused the run."""
    for name in _ACTORS:
        if actor := os.environ.get(name):
            return actor
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a uid without a name, as in containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname().partition('.')[0]}"
