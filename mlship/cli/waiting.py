"""Waiting for a rollout, with what goes on in view, and the words for one that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlship.cli import console, rollout_view
from mlship.cluster.deployed import NOT_DEPLOYED, Deployed
from mlship.errors import ClusterError
from mlship.rollout import watching
from mlship.rollout.progress import counts
from mlship.rollout.snapshot import Snapshot
from mlship.rollout.trouble import Trouble
from mlship.rollout.watching import Moment

# In advice, the clauses that only deploy can follow.
_OF_DEPLOY = ("--no-rollback", "deploy --timeout")


def watch(
    deployed: Deployed,
    title: str,
    timeout: float | None,
    *,
    before: Snapshot,
    done: Callable[[Snapshot], bool] | None = None,
) -> Moment:
    """Show moments until the rollout is done, certain not to be, or too late; return the last.

    Without a ``timeout``, it may take as long as something progresses. Events that ``before``
    holds already are not shown, and pods that had ended by then explain nothing.

    Raises:
        ClusterError: the cluster was out of reach for long, does not let us look any more, or
            somebody removed the Deployment.
    """

    def diagnose(found: Snapshot) -> list[Trouble]:
        return deployed.diagnose(found, before, limited=timeout is not None)

    moments = watching.watch(deployed.look, diagnose, timeout, done=done)
    try:
        with rollout_view.Board(console.out, title, before) as board:
            for moment in moments:
                board.show(moment)
    except ClusterError as error:
        raise _unwatched(deployed, error) from None
    return moment


def _unwatched(deployed: Deployed, error: ClusterError) -> ClusterError:
    """Say of an error that the rollout could not be watched to its end.

    One without a cause, such as that another deployment came in between, has its own words.
    """
    if not error.cause:
        return error
    if error.cause == NOT_DEPLOYED:
        return ClusterError(
            f"The Deployment {deployed.name} is gone: somebody removed it meanwhile",
            why=error.why, next="mlship deploy brings it back", cause=error.cause,
        )  # fmt: skip
    return ClusterError(
        error.what,
        why=f"{error.why}\nThe rollout of {deployed.name} goes on without mlship.".lstrip(),
        next=f"{error.next}; then mlship status".removeprefix("; then "),
        cause=error.cause,
    )


def failure(
    name: str, last: Moment, timeout: float | None, *, deploys: bool = True
) -> ClusterError:
    """Return what to say of a rollout that failed or took too long.

    Where it is not ``deploys``, advice that only `mlship deploy` can follow is left out.
    """
    found = last.troubles[0] if last.troubles else None
    advice = found.next if found else "mlship status --watch"
    if not deploys:
        advice = _without_deploy(advice)
    if found and last.verdict == "failed":
        evidence = "\n".join(found.evidence)
        return ClusterError(found.what, why=evidence, next=advice, cause=found.cause)
    if timeout is None:
        what = f"Nothing of the rollout of {name} has moved for {last.idle:.0f} s"
    else:
        what = f"The rollout of {name} did not finish within {timeout:g} s"
    what += f": {counts(last.snapshot)}"
    if found:
        why = "\n".join([found.what, *found.evidence])
        return ClusterError(what, why=why, next=advice, cause=found.cause)
    if timeout is not None:
        advice += "; --timeout SECONDS gives it more time"
    return ClusterError(what, next=advice)


def troubles(last: Moment, *, deploys: bool = True) -> list[dict[str, Any]]:
    """Return the troubles of a rollout that failed, for ``--json``; advice as in ``failure``."""
    values = [rollout_view.as_values(found) for found in last.troubles]
    if not deploys:
        values = [each | {"next": _without_deploy(each["next"])} for each in values]
    return values


def _without_deploy(advice: str) -> str:
    clauses = advice.split("; ")
    return "; ".join(c for c in clauses if not any(option in c for option in _OF_DEPLOY))
