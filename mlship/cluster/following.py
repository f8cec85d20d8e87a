"""Following the logs of pods that come and go."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator

from mlship.cluster.logs import Asked, Line, Source, line_of, running, sources
from mlship.commands import kubectl
from mlship.commands.kubectl import Target
from mlship.errors import ClusterError
from mlship.rollout.looking import objects
from mlship.runner import Command, Runner

# Between two looks for new pods.
_EVERY_SECONDS = 2.0
# Lines that wait to be shown; kubectl waits when there are more.
_WAITING = 10_000


class _Stream:
    """A ``kubectl logs --follow`` that runs, read by a thread.

    Attributes:
        last: the time of the last line that it gave; at first, of the last one not to give again.
    """

    def __init__(
        self, runner: Runner, command: Command, source: Source, lines: queue.Queue[Line], last: str
    ) -> None:
        self.last = last
        self._process = contextlib.ExitStack()
        output = self._process.enter_context(runner.background(command))
        self._thread = threading.Thread(
            target=self._read, args=(source, output, lines), daemon=True
        )
        self._thread.start()

    def _read(self, source: Source, output: Iterator[str], lines: queue.Queue[Line]) -> None:
        shown = self.last
        with contextlib.suppress(ValueError, OSError):  # closed while we read
            for text in output:
                line = line_of(source, text)
                # --since-time is exact to the second; of one width, times compare as texts.
                if line.time and line.time <= shown:
                    continue
                lines.put(line)
                self.last = line.time or self.last

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._process.close()


def follow(
    runner: Runner, target: Target, name: str, asked: Asked, note: Callable[[str], None]
) -> Iterator[Line]:
    """Yield lines as the pods write them, of pods that appear later too; never ends by itself.

    ``asked`` limits what was written before; ``note`` gets what happens to pods.

    Raises:
        ClusterError: at first, the cluster can't be reached.
    """
    lines: queue.Queue[Line] = queue.Queue(_WAITING)
    streams: dict[Source, _Stream] = {}
    ended: dict[Source, str] = {}  # with the time of the last line
    told: set[Line] = set()
    first, said = True, ""

    def say(text: str) -> None:
        nonlocal said
        if text != said:
            note(text)
        said = text

    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(_close, streams)
        while True:
            try:
                pods = objects(runner, target, kubectl.pods(target, name))
                found = sources(pods)
                if not found:
                    say(f"{name} has no pod that has run; waiting for one")
            except ClusterError as error:
                if first:
                    raise
                say(f"{error.what}; trying again")
                pods, found = [], []
            for source in [s for s in streams if not streams[s].runs]:
                stream = streams.pop(source)
                stream.close()
                ended[source] = stream.last
            alive = running(pods)
            for source in found:
                # One that ended while its container runs was cut off.
                if source in streams or (source in ended and source not in alive):
                    continue
                if not first and source not in ended:
                    say(f"{source.pod}: follows now")
                last = ended.get(source, "")
                command = kubectl.logs(
                    target, source.pod, source.container, follow=True,
                    tail=asked.tail if first else None,
                    since=asked.since if first else None, since_time=last or None,
                )  # fmt: skip
                streams[source] = _Stream(runner, command, source, lines, last)
            first = False
            for line in _during(lines, _EVERY_SECONDS):
                if line.time:
                    yield line
                elif line not in told:  # kubectl itself, perhaps at each attempt
                    told.add(line)
                    yield line


def _close(streams: dict[Source, _Stream]) -> None:
    for stream in streams.values():
        stream.close()


def _during(lines: queue.Queue[Line], seconds: float) -> Iterator[Line]:
    """Yield what comes within some seconds."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            yield lines.get(timeout=left)
        except queue.Empty:
            return
