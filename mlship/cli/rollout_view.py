"""What a rollout looks like: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mlship.rollout import progress
from mlship.rollout.progress import Row
from mlship.rollout.snapshot import Snapshot, revision
from mlship.rollout.trouble import Trouble
from mlship.rollout.watching import Moment
from mlship.text import printable

_EVENTS = 4
# Seconds after which it is worth a word what a pod still waits for: every start waits a little.
_WORTH_A_WORD = 10.0
# Between two plain lines of a cluster that does not answer.
_SILENCE = 10.0


class Board:
    """Shows moments as they come, on ``console``, while it is a context.

    Events that ``before`` has are no news.
    """

    def __init__(self, console: Console, title: str, before: Snapshot) -> None:
        self.console, self.title = console, title
        self._seen = progress.old_news(before)
        self._events: list[str] = []
        self._said = ""
        self._since: dict[str, float] = {}
        self._silence = 0.0
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Board:
        if self.console.is_terminal:
            self._live.start()
        else:
            self.console.print(self.title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._live.stop()

    def show(self, moment: Moment) -> None:
        """Show one more moment."""
        if moment.silent is not None:
            self._show_silence(moment, moment.silent)
            return
        self._silence = 0.0
        fresh = [printable(line) for line in progress.news(moment.snapshot, self._seen)]
        self._events += fresh
        if self.console.is_terminal:
            self._live.update(self._picture(moment))
            return
        line = "; ".join([progress.counts(moment.snapshot), *self._lasting(moment)[:1]])
        for event in fresh:
            self.console.print(Text(f"  {event}"))
        if line != self._said:
            self.console.print(Text(f"{moment.seconds:5.0f} s  {printable(line)}"))
            self._said = line

    def _show_silence(self, moment: Moment, seconds: float) -> None:
        line = f"the cluster has not answered for {seconds:.0f} s"
        if self.console.is_terminal:
            self._live.update(Group(self._picture(moment), Text(line, style="red")))
        elif seconds >= self._silence + _SILENCE:
            self.console.print(Text(f"{moment.seconds:5.0f} s  {line}"))
            self._silence = seconds

    def _picture(self, moment: Moment) -> RenderableType:
        head = Text.assemble(
            (self.title, "bold"), f"  {moment.seconds:.0f} s  ", progress.counts(moment.snapshot)
        )
        parts: list[RenderableType] = [head, pods(moment.snapshot)]
        parts += [Text(line, style="dim", overflow="ellipsis", no_wrap=True)
                  for line in self._events[-_EVENTS:]]  # fmt: skip
        parts += [Text(printable(what), style="yellow") for what in self._lasting(moment)[:2]]
        return Group(*parts)

    def _lasting(self, moment: Moment) -> list[str]:
        """Return what is certainly wrong, or has been for a while."""
        known = self._since
        self._since = {t.cause: known.get(t.cause, moment.seconds) for t in moment.troubles}
        return [
            t.what
            for t in moment.troubles
            if t.certain or moment.seconds - self._since[t.cause] >= _WORTH_A_WORD
        ]


def pods(snapshot: Snapshot) -> Table:
    """Return the pods as a table."""
    table = Table("pod", "rev", "state", "ready", "restarts", "age", "why", box=None,
                  pad_edge=False, header_style="dim")  # fmt: skip
    table.columns[0].no_wrap = True
    table.columns[0].overflow = "fold"
    for row in progress.rows(snapshot):
        table.add_row(
            row.name, str(row.revision), Text(row.state, style=_style(row)), row.ready,
            str(row.restarts), row.age, Text(printable(row.reason)[:60], style="dim"),
        )  # fmt: skip
    return table


def _style(row: Row) -> str:
    if row.serves:
        return "green"
    return "dim" if row.is_on_its_way else "red"


def as_values(found: Trouble) -> dict[str, Any]:
    """Return a trouble for ``--json``."""
    return {
        "cause": found.cause,
        "what": found.what,
        "evidence": list(found.evidence),
        "next": found.next,
        "pod": found.pod,
    }


def standing(snapshot: Snapshot) -> dict[str, Any]:
    """Return how a rollout stands, for ``--json``."""
    return {
        "revision": revision(snapshot.deployment),
        "replicas": snapshot.wanted,
        "ready": sum(1 for row in progress.rows(snapshot) if row.is_new and row.serves),
    }
