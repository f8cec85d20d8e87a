"""``mlship rollback``: an older revision serves again, proven by a request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlship.cli.options import (
    AsJson,
    DeployedContext,
    DeployedEnv,
    DeployedNamespace,
    ProjectDir,
    Verbose,
    Yes,
)

if TYPE_CHECKING:
    from mlship.cluster.deployed import Deployed
    from mlship.errors import ClusterError
    from mlship.rollout.snapshot import Snapshot
    from mlship.rollout.watching import Moment


def rollback(
    to: Annotated[
        int | None,
        typer.Option(min=1, help="The revision.", show_default="the last that did not fail"),
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds.", show_default="as long as it progresses"),
    ] = None,
    yes: Yes = False,
    env: DeployedEnv = None,
    context: DeployedContext = None,
    namespace: DeployedNamespace = None,
    as_json: AsJson = False,
    project: ProjectDir = Path(),
    verbose: Verbose = False,
) -> None:
    """Go back to an older revision, and prove that it answers."""
    from rich.text import Text

    from mlship.cli import console, reach, rollout_view, waiting
    from mlship.cluster import releasing, rollingback
    from mlship.person import me
    from mlship.rollout.snapshot import revision

    found = reach.deployed(project, env, context, namespace, as_json=as_json, verbose=verbose)
    way = rollingback.find(found, found.look(), to)
    console.out.print(
        Text.assemble(
            f"From revision {way.current} (", (way.image_now, "bold"),
            f") to {way.wanted} (", (way.image_then, "bold"), f") in {found.place}",
        )
    )  # fmt: skip
    doubts = [*found.way.doubts(), *rollingback.doubts(way)]
    console.confirm(f"Roll {found.name} back there?", doubts, yes=yes)
    outcome: dict[str, Any] = {
        "ok": False,
        "from": {"revision": way.current, "image": way.image_now},
        "to": {"revision": way.wanted, "image": way.image_then},
        "answers": False,
    }
    # Looked at again: the count of pods may have changed while a person thought.
    before = found.look()
    steps = rollingback.steps(found, before, way, me())
    releasing.run(steps, found.target, found.runner, lambda line: None)
    with console.told(outcome, as_json=as_json):
        last = waiting.watch(found, f"Going back to {way.image_then}", timeout, before=before)
        outcome |= rollout_view.standing(last.snapshot) | {"seconds": round(last.seconds, 1)}
        if last.verdict != "done":
            raise _failed(found, before, last, timeout, outcome)
        rollingback.require_exact(found, last.snapshot, way.replica_set)
        rollingback.unmark(found, last.snapshot)
        if last.snapshot.wanted:
            _prove(found, f"Revision {way.wanted} is back, but does not answer")
        outcome |= {"ok": True, "answers": bool(last.snapshot.wanted)}
    number = revision(last.snapshot.deployment)
    answers = "and answers" if outcome["answers"] else "and has no pods: mlship scale N"
    console.out.print(
        Text.assemble(
            ("Rolled back", "green"), f" from revision {way.current} ({way.image_now}) to "
            f"{way.wanted} ({way.image_then}), which is revision {number} now {answers}",
        )
    )  # fmt: skip


def _prove(found: Deployed, otherwise: str) -> None:
    """Send the sample to the service.

    Raises:
        ClusterError: it does not answer; begins with ``otherwise``.
    """
    from mlship.client import read_instances
    from mlship.cluster import answering
    from mlship.errors import ClusterError, MlshipError

    try:
        body = read_instances(found.project.root / "sample.json", {})
        answering.prove(found.runner, found.target, found.name, body)
    except MlshipError as problem:
        raise ClusterError(
            f"{otherwise}: {problem.what}", why=problem.why, next="mlship logs"
        ) from None


def _failed(
    found: Deployed, before: Snapshot, last: Moment, timeout: int | None, outcome: dict[str, Any]
) -> ClusterError:
    """Return to what served before, and say how all of it ended."""
    from mlship.cli import console, waiting
    from mlship.cluster import rollingback
    from mlship.errors import ClusterError

    cause = waiting.failure(found.name, last, timeout, deploys=False)
    outcome["troubles"] = waiting.troubles(last, deploys=False)
    console.show_error(ClusterError(cause.what, why=cause.why), label="Failed")
    rollingback.mark(found, before, last)
    ending = _return(found, before, last.snapshot, outcome)
    return ClusterError(
        f"Not rolled back; {ending}",
        why=cause.what,
        next=cause.next or "mlship history, then mlship rollback --to N",
        cause=cause.cause,
    )


def _return(found: Deployed, before: Snapshot, now: Snapshot, outcome: dict[str, Any]) -> str:
    """Make current again what served before, and return how that ended."""
    from mlship.cli import waiting
    from mlship.cluster import releasing, rollingback
    from mlship.errors import ClusterError
    from mlship.rollout.progress import counts
    from mlship.rollout.revisions import image_of
    from mlship.rollout.snapshot import revision

    outcome["returned"] = None
    served = rollingback.served_before(before, now)
    if not served:
        return "no other revision serves, so its pods stay for you to look at"
    steps = rollingback.back(found, now, served)
    releasing.run(steps, found.target, found.runner, lambda line: None)
    last = waiting.watch(found, "Going back to what served before", None, before=now)
    number, image = revision(last.snapshot.deployment), image_of(last.snapshot.deployment)
    outcome["returned"] = {"done": False, "revision": number, "image": image, "answers": False}
    if last.verdict != "done":
        return f"returning to {image} did not finish either: {counts(last.snapshot)}"
    ending = f"{image} is back as revision {number}"
    try:
        rollingback.require_exact(found, last.snapshot, served)
        outcome["returned"]["done"] = True
        _prove(found, f"{ending}, but could not be asked")
    except ClusterError as problem:
        return problem.what
    outcome["returned"]["answers"] = True
    return f"{ending}, and answers"
