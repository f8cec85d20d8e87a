"""One `mlship deploy` on its way: what is done, and what of it is shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from mlship.cli import console, image_check, rollout_view, waiting
from mlship.client import read_instances
from mlship.cluster import answering, applyset, goingback, releasing, rollingback
from mlship.cluster.access import Access
from mlship.cluster.preparing import Prepared
from mlship.cluster.releasing import Before
from mlship.cluster.rolling import Rolling, Superseded
from mlship.errors import ClusterError, MlshipError
from mlship.rollout import undo
from mlship.rollout.progress import counts
from mlship.rollout.revisions import image_of
from mlship.rollout.snapshot import Snapshot, revision
from mlship.runner import Runner, uninterrupted


class Delivery:
    """Checks, applies, waits, goes back; each step shows what it does.

    Attributes:
        outcome: what ``--json`` prints in the end.
    """

    def __init__(
        self,
        prepared: Prepared,
        way: Access,
        runner: Runner,
        *,
        force: bool = False,
        rollback: bool = True,
        as_json: bool = False,
    ) -> None:
        self.prepared, self.way, self.runner = prepared, way, runner
        self.force, self.rollback, self.as_json = force, rollback, as_json
        self.deployed = Rolling(prepared.project, way, runner)
        self.target, self.name = self.deployed.target, self.deployed.name
        self.before: Before = releasing.NOTHING
        self.stage = "before anything was applied"
        self.made_namespace = False
        self.done: list[str] = []  # what kubectl said of each object that it applied
        self.outcome: dict[str, Any] = {
            "ok": False,
            "context": way.cluster.context,
            "server": way.cluster.server,
            "namespace": way.target.namespace,
            "env": prepared.release.env,
            "image": prepared.release.image,
        }

    def show_target(self) -> None:
        """Show where it goes to."""
        for label, value in (
            ("context", self.way.cluster.context),
            ("cluster", f"{self.way.cluster.name} at {self.way.cluster.server}"),
            ("namespace", self.target.namespace),
            ("image", self.prepared.release.image),
        ):
            console.out.print(Text.assemble((f"{label:<10}", "dim"), " ", (value, "bold")))

    def check(self, *, create_namespace: bool, check_image: bool) -> None:
        """Find out what would go wrong, before anything is applied.

        Raises:
            ClusterError: it would: no rights, no namespace, no image, a conflict, ...
        """
        target, runner = self.target, self.runner
        self.made_namespace = releasing.require_namespace(target, runner, create=create_namespace)
        if self.made_namespace:
            console.out.print(f"Made the namespace {target.namespace}", style="dim")
        image = self.prepared.release.image
        if check_image:
            own = image == self.prepared.project.image_if_locked()
            image_check.ensure(image, self.way, runner, name=self.name, own=own)
        self.before = releasing.look(self.prepared, target, runner)
        self.force = releasing.rehearse(
            self.prepared, self.before, target, runner, force=self.force
        )

    def apply(self) -> None:
        """Apply, showing what changes.

        Raises:
            ClusterError: the cluster refused it after all; what had changed by then is undone.
        """
        self.stage = "while applying; some of the objects may have changed, the others have not"

        def tell(line: str) -> None:
            self.done.append(line)
            console.dim(line)

        steps = releasing.steps(self.prepared, self.before, self.target, force=self.force)
        try:
            releasing.run(steps, self.target, self.runner, tell)
        except ClusterError as error:
            if not self.done:
                raise
            console.show_error(ClusterError(error.what, why=error.why), label="Failed")
            ending = "what was changed before that (see above) stays so"
            if self.rollback and self.before.deployment:
                ending = self._go_back()
            raise ClusterError(
                f"Not deployed; {ending}",
                why=error.what,
                next=error.next
                if self.before.deployment
                else f"{error.next}; mlship undeploy takes away what is there",
                cause=error.cause,
            ) from None
        self.stage = "waiting for the rollout"

    def wait(self, timeout: float | None) -> None:
        """Show the rollout until it is done.

        Raises:
            ClusterError: it failed; what served before serves again, unless not ``rollback``.
        """
        title = f"Rolling out {self.prepared.release.image}"
        last = waiting.watch(self.deployed, title, timeout, before=self.before.snapshot)
        self.outcome |= rollout_view.standing(last.snapshot) | {"seconds": round(last.seconds, 1)}
        if last.verdict == "done":
            rollingback.unmark(self.deployed, last.snapshot)
            return
        self.outcome["troubles"] = waiting.troubles(last)
        cause = waiting.failure(self.name, last, timeout)
        console.show_error(ClusterError(cause.what, why=cause.why), label="Failed")
        rollingback.mark(self.deployed, self.before.snapshot, last)
        ending = f"{self.name} was left as it is (--no-rollback)"
        if self.rollback:
            ending = self._go_back()
        raise ClusterError(
            f"Not deployed; {ending}", why=cause.what, next=cause.next, cause=cause.cause
        )

    def _go_back(self) -> str:
        """Undo, prove that the service answers, and return how that ended.

        Raises:
            Superseded: somebody else deployed meanwhile.
        """
        self.outcome["rolled_back"] = None
        try:
            return self._undo(self.deployed.look())
        except Superseded:
            raise
        except ClusterError as problem:
            return f"going back failed, too: {problem.what}"

    def _undo(self, now: Snapshot) -> str:
        steps = goingback.way_back(self.prepared, self.before, now, self.target)
        if not steps:
            return "nothing served before to go back to, so the pods stay for you to look at"
        # To the end: half of it, such as an autoscaler away, is neither release.
        with uninterrupted():
            releasing.run(steps, self.target, self.runner, lambda line: None)
        self.stage = "going back to what served before"
        self.deployed.applied.clear()
        title = "Going back to what served before"
        last = waiting.watch(
            self.deployed, title, None, before=now,
            done=lambda found: goingback.is_back(self.before, found),
        )  # fmt: skip
        number, image = revision(last.snapshot.deployment), image_of(last.snapshot.deployment)
        back = {"done": last.verdict == "done", "revision": number, "image": image}
        self.outcome["rolled_back"] = back | {"answers": False}
        if last.verdict != "done":
            why = f"{last.troubles[0].what}; " if last.troubles else ""
            return f"going back did not finish either: {why}{counts(last.snapshot)}"
        ending = f"went back to {image} (revision {number})"
        served = goingback.served_before(self.before, now)
        if found := undo.differences(last.snapshot.deployment, served):
            self.outcome["rolled_back"]["done"] = False
            return f"{ending}, but something on the cluster changed its pods: {', '.join(found)}"
        if not last.snapshot.wanted:
            return f"{ending}, scaled to 0 as before"
        try:
            body = read_instances(self.prepared.project.root / "sample.json", {})
            answering.prove(self.runner, self.target, self.name, body)
        except MlshipError as problem:
            return f"{ending}, which could not be asked: {problem.what}"
        self.outcome["rolled_back"]["answers"] = True
        return f"{ending}, which answers"

    def finish(self, *, waited: bool) -> None:
        """Remove what is no longer rendered, and say how it ended."""
        self.outcome |= {"ok": True, "waited": waited, "pruned": [], "kept": []}
        try:
            found = releasing.clean(self.prepared, self.target, self.runner)
            if found.unread:
                console.warn(f"not looked at, as you may not: {', '.join(sorted(found.unread))}")
            self.outcome["kept"] = ["/".join(applyset.key(item)) for item in found.kept]
            releasing.run(found.steps, self.target, self.runner, console.dim)
            self.outcome["pruned"] = ["/".join(applyset.key(item)) for item in found.removed]
        except ClusterError as error:
            console.warn(f"what is no longer rendered could not be removed: {error.what}")
        if self.as_json:
            console.print_json(self.outcome)
            return
        verb, tail = "Applied, not waited for:", ""
        if waited:
            ready, number = self.outcome["ready"], self.outcome["revision"]
            verb = "Deployed"
            tail = f" (revision {number}, {ready} pod{'s' if ready != 1 else ''})"
        image = self.prepared.release.image
        console.out.print(Text.assemble((verb, "green"), " ", (image, "bold"), tail))
        if kept := self.outcome["kept"]:
            console.out.print(
                f"Stays, though k8s/ no longer has it: {', '.join(kept)}", style="dim"
            )
        console.out.print("Next: ", style="dim", end="")
        console.out.print("mlship predict --cluster" if waited else "mlship status")

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """On Ctrl-C or SIGTERM, say what state the cluster is in and how to go on.

        With --json, the outcome so far is printed also where it failed or was stopped.
        """
        try:
            yield
        except MlshipError as error:
            self.outcome["error"] = console.as_values(error)
            if self.as_json:
                console.print_json(self.outcome)
            raise
        except (KeyboardInterrupt, SystemExit):
            self._tell_stopped()
            raise

    def _tell_stopped(self) -> None:
        console.err.print(Text(f"\nStopped {self.stage}.", style="yellow"))
        self.outcome |= {"stopped": self.stage, "applied": self.done}
        try:
            # What is known comes first: whoever stops a second time has read it.
            self._say(self._advice())
            if not self.stage.startswith("before"):
                self._say([self._standing()])
        finally:
            if self.as_json:
                console.print_json(self.outcome)

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            console.err.print(Text(f"  {line}"))

    def _standing(self) -> str:
        try:
            now = self.deployed.look()
            self.outcome |= rollout_view.standing(now)
            return f"On the cluster now: {counts(now)}."
        except MlshipError as error:
            return f"The cluster's state is unknown: {error.what}."

    def _advice(self) -> list[str]:
        if self.stage.startswith("before"):
            made = f"The namespace {self.target.namespace} was made; otherwise the"
            return [f"{made if self.made_namespace else 'The'} cluster is as it was."]
        if self.stage.startswith("going back"):
            return ["That goes on without mlship. Look: mlship status --watch."]
        goes_on = "" if self.stage.startswith("while") else "The rollout goes on without mlship. "
        lines = [f"{goes_on}Complete it, or go on waiting: the same `mlship deploy` again."]
        if self.before.deployment and not goes_on:
            return [*lines, "Look: mlship status."]
        if self.before.deployment:
            number = revision(self.before.deployment)
            return [*lines, f"Go back: mlship rollback --to {number}. Look: mlship status."]
        return [*lines, "Look: mlship status. Take it away: mlship undeploy."]
