"""Holds an image against what the cluster asks of it, by running it as a pod would run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from mlship import client, golden
from mlship.checks import Check, cause, last, text, unheard, written
from mlship.commands import docker
from mlship.container import Container
from mlship.errors import ServiceError, ToolFailed
from mlship.golden import Golden
from mlship.runner import uninterrupted

# How long one row may take; a batch gets more, by what a row was seen to take.
_ROW_SECONDS = 120
# How long rows are asked one by one; the batch has asked all of them before.
_ALONE_SECONDS = 30
_MIB = 2**20


@dataclass(frozen=True)
class Trial:
    """A container of an image that is to be held against the terms of a pod."""

    container: Container
    golden: Golden

    def checks(self) -> Generator[Check]:
        """Yield each check as it is done; the container is removed at the end, come what may.

        Raises:
            ToolFailed: the image is not here, or the engine can't start it.
        """
        yield self._user()
        try:
            url = self.container.start()
            ready = self._ready(url)
            yield ready
            if ready.ok:
                answers, memory = self._answers(url), self._memory()
                # What ran out of memory answered nothing for that reason.
                if answers.ok or memory.ok:
                    yield answers
                if self.container.is_running() or not memory.ok:
                    yield memory
                if self.container.is_running():
                    yield self._stop()
                    yield self._disk()
                elif answers.ok and memory.ok:
                    yield self._ended()
        finally:
            with contextlib.suppress(ToolFailed), uninterrupted():
                self.container.remove()

    def _user(self) -> Check:
        user = self.container.user()
        uid = user.partition(":")[0]
        if uid.isdecimal() and int(uid) > 0:
            return Check("user", True, f"not root: uid {uid}", figures={"user": user})
        root = uid in ("", "0", "root")
        return Check(
            "user", False,
            "The image runs as root" if root else f"The image names its user {uid}, not a number",
            why="Kubernetes refuses it where runAsNonRoot is asked for and no uid is given.",
            next=f"put `USER {docker.USER}` before CMD in the Dockerfile",
            figures={"user": user},
        )  # fmt: skip

    def _ready(self, url: str) -> Check:
        try:
            client.wait_until_ready(
                url, self.container.pod.ready_seconds, self.container.is_running, direct=True
            )
        except ServiceError as error:
            return self._not_ready(url, error.why)
        seconds = time.monotonic() - self.container.started
        return Check("ready", True, f"ready after {seconds:.1f} s",
                     figures={"seconds": round(seconds, 2)})  # fmt: skip

    def _not_ready(self, url: str, answered: str) -> Check:
        state, log = self.container.state(), self.container.log()
        if state.out_of_memory or (state.status != "running" and state.code == 137):
            return self._too_little_memory("before it was ready")
        if found := cause(log):
            what, next_step = found
        elif state.status != "running":
            what = f"The server ended with exit code {state.code} before it was ready"
            next_step = "correct what the lines above say; mlship run shows the same"
        else:
            sockets = "" if answered else self.container.sockets()
            what, next_step = unheard(sockets, self.container.port, url) or self._slow()
        why = "\n".join(filter(None, (answered, last(log))))
        return Check("ready", False, what, why=why, next=next_step)

    def _slow(self) -> tuple[str, str]:
        return f"The server was not ready within {self.container.pod.ready_seconds:g} s", (
            "make it start faster, or allow it more in the startupProbe of "
            "k8s/base/deployment.yaml (failureThreshold)"
        )

    def _answers(self, url: str) -> Check:
        rows = self.golden.rows
        every, most = range(len(rows)), self.container.pod.max_batch_size
        try:
            begin = time.monotonic()
            self._predict(url, rows[:1])
            patience = _ROW_SECONDS + 2 * (time.monotonic() - begin) * min(most, len(rows))
            for batch in (every[at : at + most] for at in every[::most]):
                answer = self._predict(url, rows[batch.start : batch.stop], patience)
                if wrong := golden.differing(self.golden, answer, batch):
                    place, where = wrong[0] - batch.start, f"{len(wrong)} of {len(batch)} rows"
                    return self._differs(wrong[0], answer, place, where)
            begin, alone = time.monotonic(), 0
            for row in every:
                if time.monotonic() - begin > _ALONE_SECONDS:
                    break
                answer = self._predict(url, [rows[row]])
                if golden.differing(self.golden, answer, range(row, row + 1)):
                    return self._differs(row, answer, 0, "a row that is asked alone")
                alone += 1
        except ServiceError as error:
            return self._no_answer(error)
        count = f"{len(rows)} golden row{'s' if len(rows) > 1 else ''}"
        asked = "and one by one" if alone == len(rows) else f"and {alone} of them alone"
        together = f"{most} at once" if most < len(rows) else "at once"
        what = f"{count} answered alike, {together} {asked}"
        return Check("answers", True, what, figures={"rows": len(rows), "alone": alone})

    def _predict(self, url: str, rows: list[Any], seconds: float = _ROW_SECONDS) -> dict[str, Any]:
        return client.predict(url, {"instances": rows}, timeout=seconds, direct=True)

    def _no_answer(self, error: ServiceError) -> Check:
        state, log = self.container.state(), self.container.log()
        what = "The image does not answer the golden rows"
        next_step = "mlship serve, then mlship predict: does it answer outside of the image?"
        if found := cause(log):
            what, next_step = found
        elif state.status != "running":
            what = f"The server ended with exit code {state.code} while it answered"
        why = f"{error.what}: {error.why}\n{last(log)}"
        return Check("answers", False, what, why=why, next=next_step)

    def _differs(self, row: int, answer: dict[str, object], place: int, where: str) -> Check:
        wanted: dict[str, object] = {"predictions": self.golden.predictions[row]}
        if self.golden.probabilities is not None:
            wanted["probabilities"] = self.golden.probabilities[row]
        given = {}
        for kind in wanted:
            found = answer.get(kind)
            given[kind] = found[place] if isinstance(found, list) and place < len(found) else None
        # The answers of a converted model's original are those of its proof.
        again = "mlship init NAME --force --model NEW_MODEL, from the folder above"
        if self.golden.model:
            again = "mlship verify --record"
        return Check(
            "answers", False,
            f"The image answers otherwise than the model did, on {where}",
            why=f"row {row}: {text(self.golden.rows[row])}\n"
            f"wanted: {text(wanted)}\nanswer: {text(given)}\n"
            f"The wanted one is from {self.golden.source}.",
            next=f"mlship build, if the model or a library was replaced; {again}, if the answers "
            "are meant to be others now",
            figures={"row": row},
        )  # fmt: skip

    def _memory(self) -> Check:
        limit = self.container.pod.memory_bytes
        memory, state = self.container.memory(), self.container.state()
        # podman does not always tell; nobody else has killed it by now.
        shot = state.status == "exited" and state.code == 137
        if memory.killed or state.out_of_memory or shot:
            return self._too_little_memory("while it answered the golden rows")
        if memory.peak is None:
            return Check("memory", True, f"within {limit // _MIB} MiB; the kernel tells no peak",
                         figures={"limit_bytes": limit})  # fmt: skip
        what = f"peak {memory.peak / _MIB:.0f} of {limit // _MIB} MiB"
        if memory.peak > 0.95 * limit:
            what += " (files that it read are in that, and give way)"
        return Check("memory", True, what,
                     figures={"peak_bytes": memory.peak, "limit_bytes": limit})  # fmt: skip

    def _too_little_memory(self, when: str) -> Check:
        return Check(
            "memory", False,
            f"The server needs more memory than its limit of {self.container.pod.memory}",
            why=f"The kernel killed it {when}.\n{last(self.container.log())}".strip(),
            next="raise resources.limits.memory in mlship.yaml (or in your patch of it), then "
            "mlship render and this again",
            figures={"limit_bytes": self.container.pod.memory_bytes},
        )  # fmt: skip

    def _ended(self) -> Check:
        """Return the failure of a server that nobody has told to stop."""
        state, log = self.container.state(), self.container.log()
        if state.out_of_memory or state.code == 137:
            return self._too_little_memory("after it had answered")
        what, next_step = cause(log) or (
            f"The server ended with exit code {state.code} after it had answered",
            "let it serve until it is told to stop; mlship run, then mlship predict: does that "
            "show the same?",
        )
        return Check("stop", False, what, why=last(log), next=next_step)

    def _stop(self) -> Check:
        allowed, begin = self.container.pod.stop_seconds, time.monotonic()
        self.container.stop(allowed)
        seconds, state = time.monotonic() - begin, self.container.state()
        figures: dict[str, float | int | str] = {
            "seconds": round(seconds, 2), "exit_code": state.code
        }  # fmt: skip
        if state.code == 0 and state.status == "exited":
            return Check("stop", True, f"stopped in {seconds:.1f} s, exit code 0", figures=figures)
        if state.code == 137:
            what = f"The server did not stop within {allowed} s of SIGTERM, and was killed"
            next_step = (
                "let the server be the process that CMD starts (a list, no shell), and keep "
                "DRAIN_SECONDS + SHUTDOWN_SECONDS below terminationGracePeriodSeconds"
            )
        else:
            what = f"The server ended with exit code {state.code} on SIGTERM"
            next_step = "correct what the lines above say"
        return Check(
            "stop", False, what, why=last(self.container.log()), next=next_step, figures=figures
        )

    def _disk(self) -> Check:
        if not self.container.pod.read_only:
            return Check("disk", True, "its disk may be written to, as a patch says")
        mounts = [*self.container.mounts(), *self.container.pod.scratch]
        lines = written(self.container.changes(), mounts)
        if lines:
            return Check(
                "disk", False, "The container's disk was written to", why="\n".join(lines[:8]),
                next="write to /tmp, or nothing: the disk is read-only on the cluster",
            )  # fmt: skip
        return Check("disk", True, "nothing written to its disk, which is read-only")
