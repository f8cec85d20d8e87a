"""A build as it happens: Rich on a terminal, the builder's own lines elsewhere."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from mlship.buildlog import BuildLog, Step
from mlship.cli.console import err
from mlship.runner import Command, Runner

_MARKS = {
    "done": ("✓", "green"),
    "cached": ("✓", "dim green"),
    "failed": ("✗", "red"),
    "canceled": ("-", "dim"),
}


def follow(runner: Runner, command: Command, log: BuildLog) -> int:
    """Run a build, show it, and return its exit code."""
    if not err.is_terminal or runner.dry_run:

        def plain(line: str) -> None:
            log.feed(line)
            err.out(line, highlight=False)

        code = runner.stream(command, plain)
        log.finish(code)
        return code
    spinners: dict[str, Spinner] = {}
    with Live(console=err, refresh_per_second=8, transient=False) as live:

        def update(line: str) -> None:
            log.feed(line)
            live.update(_render(log, spinners))

        code = runner.stream(command, update)
        log.finish(code)
        live.update(_render(log, spinners))
        return code


def _render(log: BuildLog, spinners: dict[str, Spinner]) -> RenderableType:
    shown = list(log.steps.items())[-12:]
    return Group(*(_line(key, step, spinners) for key, step in shown))


def _line(key: str, step: Step, spinners: dict[str, Spinner]) -> RenderableType:
    name = step.name if len(step.name) < 76 else step.name[:75] + "…"
    if step.state == "running":
        last = next((o for o in reversed(step.output) if o.strip()), "")
        text = Text.assemble(name, ("  " + last[:60], "dim") if last else "")
        spinner = spinners.setdefault(key, Spinner("dots"))
        spinner.update(text=text)
        return spinner
    mark, style = _MARKS[step.state]
    note = "cached" if step.state == "cached" else step.seconds
    return Text.assemble((f"{mark} ", style), name, (f"  {note}", "dim"))
