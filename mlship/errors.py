"""Every error mlship raises on purpose: what happened, why, and the next command to type.

Logic raises these; only the CLI shows them. The exit codes are part of the interface and
are listed in the README.
"""

from __future__ import annotations

_LONGEST = 6000


class MlshipError(Exception):
    """An error with a plain explanation.

    Attributes:
        what: what happened, one sentence without a final full stop.
        why: the cause or the evidence; may hold several lines.
        next: the next thing to type or do.
        exit_code: the exit status of the command that failed this way.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", next: str = "") -> None:
        super().__init__(what)
        # They may quote a file, which may hold anything of any length.
        self.what = _shortened(what)
        self.why = _shortened(why)
        self.next = next


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


class UsageError(MlshipError):
    """The command line asks for something that cannot be: a bad name, an unknown setting."""

    exit_code = 2


class Declined(MlshipError):
    """A person was asked, and said no."""

    exit_code = 1


class ProjectError(MlshipError):
    """There is no project here, its mlship.yaml is wrong, or its folder is in the way."""

    exit_code = 3


class ModelError(MlshipError):
    """The model file is missing, damaged, changed, or of a kind mlship does not read."""

    exit_code = 4


class ToolMissing(MlshipError):
    """A program that the command needs (docker, kubectl, uv) is not installed or not usable."""

    exit_code = 5


class ToolFailed(MlshipError):
    """A program ran and failed: a build, a lock, an install, a container."""

    exit_code = 6


class ClusterError(MlshipError):
    """The cluster can't be reached, refused the manifests, or the rollout did not finish.

    Attributes:
        cause: a word for programs, such as ``forbidden``, of those in docs/rollouts.md; empty
            where none of them fits.
    """

    exit_code = 7

    def __init__(self, what: str, *, why: str = "", next: str = "", cause: str = "") -> None:
        super().__init__(what, why=why, next=next)
        self.cause = cause


class ServiceError(MlshipError):
    """The service did not answer, or answered with an error.

    Attributes:
        status: of HTTP, by which it refused; 0 where it gave none.
    """

    exit_code = 8

    def __init__(self, what: str, *, why: str = "", next: str = "", status: int = 0) -> None:
        super().__init__(what, why=why, next=next)
        self.status = status
