"""What a benchmark looks like: while it runs, afterwards, and as JSON."""

from __future__ import annotations

import json
import time
from types import TracebackType
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from mlship.cli.console import err, note, out, warn
from mlship.load.result import QUANTILES, Result, Tally
from mlship.load.searching import Step, Verdict, judge, lateness

_MEANING: dict[Verdict, tuple[str, str]] = {
    "meets": ("✓ meets", "green"),
    "slow": ("✗ too slow", "red"),
    "sheds": ("✗ sheds load", "red"),
    "fails": ("✗ errors", "red"),
    "client": ("? client was late", "yellow"),
}
_LIMIT: dict[Verdict | None, str] = {
    "slow": "; above that it gets too slow",
    "sheds": "; above that it sheds load",
    "fails": "; above that requests fail",
    "client": "; this machine can't ask faster, the service may do more",
}
_BAR = 40


class Board:
    """What was measured so far; shown on stderr while it is a context.

    Attributes:
        goal: milliseconds of p99; None when there is none.
        result: the run that counts in the end.
        verdict: whether the goal is met; None without a goal, or before the end.
        limit: why a search found no higher rate.
    """

    def __init__(self, url: str, rate: float | None, duration: float, goal: float | None) -> None:
        self.url, self.rate, self.duration, self.goal = url, rate, duration, goal
        self.steps: list[Step] = []
        self.result: Result | None = None
        self.verdict: Verdict | None = None
        self.limit: Verdict | None = None
        self.interrupted = False
        self._tally: Tally | None = None
        self._spinner = Spinner("dots", Text("Warming up"))
        self._live = Live(console=err, refresh_per_second=8, transient=True)

    def __enter__(self) -> Board:
        if err.is_terminal:
            self._live.update(self._spinner)
            self._live.start()
        else:
            note(f"Warming up, then {_count(self.rate)}/s for {self.duration:g} s" if self.rate
                 else f"Looking for the highest rate with p99 <= {self.goal:g} ms")  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()
        if kind and self._tally:  # the run that was cut off
            self.result = self._tally.result()

    def watch(self, tally: Tally) -> None:
        """Show how a run goes."""
        self._tally = tally
        seconds = time.monotonic() - tally.start
        over = (
            "last answers" if seconds > tally.seconds else f"{seconds:.0f} of {tally.seconds:g} s"
        )
        text = f"{_count(tally.rate)}/s  {over}"
        text += f"  p50 {_ms(tally.latency.quantile(0.5))}  p99 {_ms(tally.latency.quantile(0.99))}"
        if tally.failed:
            text += f"  {_count(tally.failed)} not answered with 200"
        self._spinner.update(text=Text(text))
        self._show()

    def add(self, step: Step) -> None:
        """Show a step that is over."""
        self.steps.append(step)
        self._tally = None
        if not err.is_terminal:
            found = step.result
            note(f"{_count(found.rate)}/s: {_count(found.throughput)}/s answered, "
                 f"p99 {_ms(found.latency.quantile(0.99))}, {step.verdict}")  # fmt: skip
        self._show()

    def finish(self, result: Result | None, limit: Verdict | None = None) -> None:
        """Take what counts in the end: of a search, nothing when no rate met the goal."""
        self._tally = None
        self.result, self.limit = result, limit
        if result and self.goal:
            self.verdict = judge(result, self.goal / 1000)
        elif not result:
            self.verdict = limit

    def _show(self) -> None:
        if self._live.is_started:
            rows: list[RenderableType] = [_steps(self.steps)] if self.steps else []
            self._live.update(Group(*rows, self._spinner))


def show(board: Board, *, as_json: bool) -> None:
    """Print what was measured: as JSON, or as tables, bars and a sentence."""
    result = board.result or (board.steps[-1].result if board.steps else None)
    if as_json:
        print(json.dumps(_as_json(board)))
        return
    if board.steps:
        out.print(_steps(board.steps), "", sep="\n")
    if result:
        if result.latency.total:
            out.print(_bars(result), "", sep="\n")
        out.print(_facts(result), "", sep="\n")
    if result and (late := lateness(result)):
        warn(late)
    style = {"meets": "bold green", None: "bold"}.get(board.verdict, "bold red")
    out.print(Text(_sentence(board), style=style))


def _sentence(board: Board) -> str:
    result, goal = board.result, f"p99 <= {board.goal or 0:g} ms"
    if board.interrupted:
        return "Stopped; this is what was measured so far."
    if result is None:
        slowest = min((step.result.rate for step in board.steps), default=1)
        return f"Does not meet {goal}, not even at {_count(slowest)} requests/s"
    rate = f"{_count(result.rate)} requests/s"
    if board.verdict == "meets":
        return f"Meets {goal} {'at' if board.rate else 'up to'} {rate}{_LIMIT.get(board.limit, '')}"
    if board.verdict == "client":
        return f"Can't tell whether it meets {goal} at {rate}: this machine is too slow to ask so"
    if board.verdict:
        return f"Does not meet {goal} at {rate}: {_what_went_wrong(result)}"
    return f"At {rate}: {_what_went_wrong(result)}"


def _what_went_wrong(result: Result) -> str:
    p99 = result.latency.quantile(0.99)
    if not result.failed:
        return f"p99 is {_ms(p99)}, and all requests were answered"
    kinds = {
        "were shed": result.shed,
        "got another status": result.refused,
        "broke": result.broken,
        "timed out": result.timed_out,
    }
    found = ", ".join(f"{_count(n)} {kind}" for kind, n in kinds.items() if n)
    return f"of {_count(result.ok + result.failed)} requests {found}; p99 of the rest is {_ms(p99)}"


def _steps(steps: list[Step]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rate/s", "answered/s", "p50", "p99", "shed", "errors"):
        table.add_column(name, justify="right", min_width=6)
    table.add_column("")
    for step in steps:
        found = step.result
        text, style = _MEANING[step.verdict]
        if step.confirms:
            text += f" {'for' if step.verdict == 'meets' else 'after'} {found.seconds:.2g} s"
        table.add_row(
            _count(found.rate),
            _count(found.throughput),
            _ms(found.latency.quantile(0.5)),
            _ms(found.latency.quantile(0.99)),
            _count(found.shed) if found.shed else "",
            _count(found.failed - found.shed) if found.failed > found.shed else "",
            Text(text, style=style),
        )
    return table


def _bars(result: Result) -> Table:
    """Draw how many answers came how fast; each bar stands for a factor of 2 or 2.5."""
    ends = [step * 10.0**power for power in range(-1, 6) for step in (1, 2, 5)]
    counts: dict[float, int] = {}
    for end, n in result.latency.buckets():
        place = next((e for e in ends if end * 1000 <= e * 1.01), ends[-1])
        counts[place] = counts.get(place, 0) + n
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("latency", justify="right")
    table.add_column("answers", justify="right")
    table.add_column("")
    most = max(counts.values())
    for end in ends[ends.index(min(counts)) : ends.index(max(counts)) + 1]:
        n = counts.get(end, 0)
        eighths = max(1, round(n / most * _BAR * 8)) if n else 0
        bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
        share = Text(f" {n / result.ok:.1%}" if n else "", style="dim")
        table.add_row(f"≤ {_ms(end / 1000)}", _count(n), Text.assemble((bar, "cyan"), share))
    return table


def _facts(result: Result) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    latency = [f"{name} {_ms(result.latency.quantile(q))}" for name, q in QUANTILES.items()]
    latency.append(f"max {_ms(result.latency.max if result.ok else None)}")
    requests = f"{_count(result.ok)} answered, {_count(result.throughput)}/s"
    for kind in ("shed", "refused", "broken", "timed_out"):
        if n := getattr(result, kind):
            requests += f", {_count(n)} {kind.replace('_', ' ')}"
    rows = {"latency": "  ".join(latency), "requests": requests}
    causes = {**{f"status {s}": n for s, n in result.statuses.items()}, **result.errors}
    if causes:
        rows["errors"] = ", ".join(f"{why}: {_count(n)}" for why, n in causes.items())
    rows["bytes"] = f"{_size(result.sent)} sent, {_size(result.received)} received"
    waited = f", which {_count(result.waited)} requests had to wait for" if result.waited else ""
    rows["client"] = (
        f"{result.connections} connections{waited}; {result.cpu:.0%} of a core, "
        f"late by {_ms(result.lag.quantile(0.99))} (p99)"
    )
    for name, text in rows.items():
        table.add_row(Text(name, style="dim"), Text(text))
    return table


def _as_json(board: Board) -> dict[str, Any]:
    steps = []
    for step in board.steps:
        found = step.result.as_json()
        del found["timeline"], found["histogram_ms"]
        steps.append({"verdict": step.verdict, "confirms": step.confirms, **found})
    return {
        "url": board.url,
        "goal_p99_ms": board.goal,
        "verdict": board.verdict,
        "rate": board.result.rate if board.result and board.verdict in ("meets", None) else None,
        "limit": board.limit,
        "interrupted": board.interrupted,
        "result": board.result.as_json() if board.result else None,
        "steps": steps,
    }


def _count(number: float | None) -> str:
    value = number or 0
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    value = seconds * 1000
    return f"{value:,.0f} ms" if value >= 99.5 else f"{value:.3g} ms"


def _size(count: int) -> str:
    value = float(count)
    units = iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.5 and unit != "TB":
        value /= 1000
        unit = next(units)
    return f"{value:.3g} {unit}"
